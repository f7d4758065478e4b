"""Keys: what ties a request to a source's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    columns = (by,) if isinstance(by, str | Key) else by
    return tuple(Key(c, c) if isinstance(c, str) else c for c in columns)


def prefix_of(keys: Sequence[Key]) -> str:
    """Return how the features of a key begin."""
    return "_".join(k.name for k in keys) or "all"
