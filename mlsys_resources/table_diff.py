"""What changed between two states of a table: rows added, rows removed, and rows that say something else now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_resources.row_codes import Codes, ranks, row_codes
from mlsys_resources.tick_rows import TICK


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is another now: its key, and by column what it said and what it says."""

    key: Mapping[str, Any]
    columns: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows were added, removed and changed."""

    added: int
    removed: int
    changed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True)
class TableDiff:
    """The difference of two states of a table.

    Parameters
    ----------
    key
        The columns that name a row; none: rows are only added and removed.
    added, removed
        Rows of the later state that the earlier one lacks, and the other way round, in their tables' order.
    changed_from, changed_to
        (n,) the rows that changed, as they were and as they are: rows of one place have one key.
    columns_added, columns_removed, retyped
        Columns that only one of the states has, or that have another type: they change no row.
    """

    key: tuple[str, ...]
    added: pa.Table
    removed: pa.Table
    changed_from: pa.Table
    changed_to: pa.Table
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.counts or self.columns_added or self.columns_removed or self.retyped)

    @property
    def counts(self) -> Counts:
        """How many rows there are of each kind."""
        return Counts(self.added.num_rows, self.removed.num_rows, self.changed_to.num_rows)

    def by_tick(self) -> dict[datetime, Counts]:
        """Return the counts of each tick that differs, in order; a changed row counts where it stands now."""
        if TICK not in self.added.column_names:
            return {}
        found: dict[datetime, list[int]] = {}
        for kind, rows in enumerate((self.added, self.removed, self.changed_to)):
            for each in pc.value_counts(rows[TICK]).to_pylist():
                found.setdefault(each["values"], [0, 0, 0])[kind] = each["counts"]
        return {tick: Counts(*found[tick]) for tick in sorted(found)}

    def changed_columns(self) -> dict[str, int]:
        """Return by column how many of the changed rows it changed in; columns that did not change are left out."""
        found = {name: int(mask.sum()) for name, mask in self._different().items()}
        return {name: count for name, count in found.items() if count}

    def changes(self, most: int | None = None) -> Iterator[Change]:
        """Yield the rows that changed, in the order of the later state, the first ``most`` of them."""
        here = slice(0, most)
        before, after = (rows.slice(0, most).to_pylist() for rows in (self.changed_from, self.changed_to))
        different = {name: mask[here] for name, mask in self._different().items()}
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            columns = {name: (old[name], new[name]) for name, mask in different.items() if mask[i]}
            yield Change({name: new[name] for name in self.key}, columns)

    def _different(self) -> dict[str, NDArray[np.bool_]]:
        """Return by shared column which of the changed rows it changed in."""
        left_out = {*self.columns_added, *self.columns_removed, *self.retyped, *self.key}
        names = [name for name in self.changed_to.column_names if name not in left_out]
        return {name: _differ(self.changed_from[name], self.changed_to[name]) for name in names}


def difference(before: pa.Table, after: pa.Table, *, key: Sequence[str] = ()) -> TableDiff:
    """Return what changed from one state of a table to another.

    Rows that stand in both are no difference, each as often as it stands in both; what is left of one key on each side
    is a changed row; all else was added or removed. Order does not count. Nulls are equal, and so are NaNs.

    Parameters
    ----------
    key
        The columns that name a row. A key that is left more than once on a side is a matter of rows added and removed,
        and so is every difference where there is no key.

    Raises ValueError if a state lacks a column of the key, or holds it as another type.

    >>> before = pa.table({"id": ["a", "b"], "x": [1.0, 2.0]})
    >>> after = pa.table({"id": ["b", "c"], "x": [2.5, 3.0]})
    >>> found = difference(before, after, key=["id"])
    >>> found.counts, list(found.changes())
    (Counts(added=1, removed=1, changed=1), [Change(key={'id': 'b'}, columns={'x': (2.0, 2.5)})])
    """
    shared = [n for n in after.column_names if n in before.column_names]
    retyped = tuple(n for n in shared if before.schema.field(n).type != after.schema.field(n).type)
    told = [n for n in shared if n not in retyped]
    if lacking := [n for n in key if n not in told]:
        raise ValueError(
            f"the key is {', '.join(key)}, and both states do not hold {', '.join(lacking)} as one type; they share:"
            f" {', '.join(told) or 'no column'}"
        )
    old, new = (
        table.take(pa.array(left)) for table, left in zip((before, after), _left(before, after, told), strict=True)
    )
    ours, theirs = _paired(old, new, list(key))
    return TableDiff(
        tuple(key),
        added=_without(new, theirs),
        removed=_without(old, ours),
        changed_from=old.take(pa.array(ours)),
        changed_to=new.take(pa.array(theirs)),
        columns_added=tuple(n for n in after.column_names if n not in shared),
        columns_removed=tuple(n for n in before.column_names if n not in shared),
        retyped=retyped,
    )


def _left(before: pa.Table, after: pa.Table, told: list[str]) -> tuple[Codes, Codes]:
    """Return the places of the rows that remain once equal rows of both sides are struck out in pairs."""
    ours, theirs = row_codes((before.select(told), after.select(told)))
    most = max([-1, *(int(codes.max()) for codes in (ours, theirs) if len(codes))]) + 1
    here, there = (np.bincount(codes, minlength=most) for codes in (ours, theirs))
    return np.flatnonzero(ranks(ours) >= there[ours]), np.flatnonzero(ranks(theirs) >= here[theirs])


def _paired(old: pa.Table, new: pa.Table, key: list[str]) -> tuple[Codes, Codes]:
    """Return the places of rows whose key stands once on each side, in the order of the later side."""
    nothing = np.zeros(0, dtype=np.int64)
    if not key or not old.num_rows or not new.num_rows:
        return nothing, nothing
    ours, theirs = row_codes((old.select(key), new.select(key)))
    most = max(int(ours.max()), int(theirs.max())) + 1
    once = (np.bincount(ours, minlength=most) == 1) & (np.bincount(theirs, minlength=most) == 1)
    place = np.full(most, -1, dtype=np.int64)
    place[ours] = np.arange(len(ours))
    found = np.flatnonzero(once[theirs])
    return place[theirs[found]], found


def _without(rows: pa.Table, places: Codes) -> pa.Table:
    kept = np.ones(rows.num_rows, dtype=bool)
    kept[places] = False
    return rows.filter(pa.array(kept))


def _differ(before: pa.ChunkedArray, after: pa.ChunkedArray) -> NDArray[np.bool_]:
    ours, theirs = row_codes((pa.table([before], ["x"]), pa.table([after], ["x"])))
    different: NDArray[np.bool_] = ours != theirs
    return different
