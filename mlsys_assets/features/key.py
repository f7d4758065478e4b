"""Keys: what ties a request to a source's rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlsys_assets.features.expression import Expression


@dataclass(frozen=True)
class Key:
    """A key column by a name of its own, computed or named differently on the two sides.

    ``request`` is a column of the request table or an expression over it, ``source`` the same of
    the source's table; where ``source`` is not given, ``request`` stands for both.
    """

    name: str
    request: str | Expression
    source: str | Expression | None = None

    @property
    def in_source(self) -> str | Expression:
        """What to read on the source's side."""
        return self.request if self.source is None else self.source


By = str | Key | Sequence[str | Key]
"""How a key is written: a column's name, a `Key`, or several; () for one group of all rows."""


def keys_of(by: By) -> tuple[Key, ...]:
    """Return a key as it was written, column by column."""
    return tuple(Key(c, c) if isinstance(c, str) else c for c in several(by))


def several(one_or_more: Any) -> tuple[Any, ...]:
    """Return as a tuple what may be written as one or as several; what it is, is seen when mistakes are looked for."""
    more = isinstance(one_or_more, Iterable) and not isinstance(one_or_more, str)
    return tuple(one_or_more) if more else (one_or_more,)


def prefix_of(keys: Sequence[Key]) -> str:
    """Return how the features of a key begin."""
    return "_".join(k.name for k in keys) or "all"
