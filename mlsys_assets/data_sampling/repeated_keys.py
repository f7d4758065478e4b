"""Keys that stand more than once: the same content again is a duplicate, other content another entity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.data_sampling.rows import require_columns
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, TICK
from mlsys_assets.types import Finding, Scalar

FINDING: Final = "no_near_key_repeats_its_content"
BOOKKEEPING: Final = (EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, TICK)
"""Columns that say where a row came from, not what it is."""
NAMED: Final = 3
"""How many duplicates a finding names."""


@dataclass(frozen=True)
class RepeatedKey:
    """A key that stands in several rows.

    Parameters
    ----------
    key
        Its values, by column.
    rows
        Positions of its rows.
    differing
        The columns that tell all of its rows apart, or some of them; () if none does.
    duplicates
        How many of its rows say what another of them says already.
    """

    key: Mapping[str, Scalar]
    rows: tuple[int, ...]
    differing: tuple[str, ...]
    duplicates: int

    @property
    def legitimate(self) -> bool:
        """Whether each of its rows says something else."""
        return self.duplicates == 0

    def __str__(self) -> str:
        return f"({', '.join(f'{name} {value}' for name, value in self.key.items())})"


@dataclass(frozen=True)
class RepeatedKeys:
    """All keys that repeat, in order of their first row."""

    by: tuple[str, ...]
    rows: int
    found: tuple[RepeatedKey, ...]

    @property
    def repeats(self) -> int:
        """Rows whose key stands in an earlier row."""
        return sum(len(one.rows) - 1 for one in self.found)

    @property
    def duplicates(self) -> tuple[RepeatedKey, ...]:
        """The keys of which some row is said twice."""
        return tuple(one for one in self.found if not one.legitimate)

    @property
    def finding(self) -> Finding:
        """Whether every repeat of a key is another entity."""
        apart = (
            [n for n in self.found[0].differing if all(n in one.differing for one in self.found)] if self.found else []
        )
        evidence: dict[str, Scalar] = {
            "rows": self.rows,
            "repeats": self.repeats,
            "duplicates": sum(one.duplicates for one in self.duplicates),
        }
        told = f"{self.repeats} of {self.rows} rows repeat ({', '.join(self.by)})"
        if not self.duplicates:
            by_what = f" in {', '.join(apart)}" if apart else ""
            why = f"; the rows of each differ{by_what}: other entities under one key" if self.found else ""
            return Finding(FINDING, True, told + why, evidence=evidence)
        named = "; ".join(map(str, self.duplicates[:NAMED]))
        advice = f": {evidence['duplicates']} say what another row says, as of {named}; merge them before the split"
        return Finding(FINDING, False, told + advice, evidence=evidence)


def repeated_keys(
    rows: pa.Table, *, by: Sequence[str], content: Sequence[str] | None = None, ignoring: Sequence[str] = ()
) -> RepeatedKeys:
    """Return the keys that stand more than once, and whether their rows say the same.

    Parameters
    ----------
    rows
        A table of entities.
    by
        The columns that together nearly tell entities apart.
    content
        The columns that say what an entity is; all but ``by`` and what is bookkeeping, if not given.
    ignoring
        Columns that are not content: an identifier made for each row, such as its number.

    Raises ValueError for columns that are not there.
    """
    require_columns(rows, (*by, *(content or ()), *ignoring), what="rows")
    said = content if content is not None else [n for n in rows.schema.names if n not in {*BOOKKEEPING, *ignoring}]
    names = [n for n in said if n not in by]
    keys = row_hashes(rows.select(list(by)))
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    groups = [group for group in np.split(order, edges[1:]) if len(group) > 1]
    found = (_judged(rows, group, by, names) for group in groups)
    return RepeatedKeys(tuple(by), rows.num_rows, tuple(sorted(found, key=lambda one: one.rows)))


def _judged(rows: pa.Table, group: NDArray[np.intp], by: Sequence[str], names: Sequence[str]) -> RepeatedKey:
    own = rows.take(pa.array(group))
    differing = tuple(name for name in names if pc.count_distinct(own[name], mode="all").as_py() > 1)
    contents = len(np.unique(row_hashes(own.select(list(names)))))
    key = {name: _scalar(own[name][0].as_py()) for name in by}
    return RepeatedKey(key, tuple(group.tolist()), differing, len(group) - contents)


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
