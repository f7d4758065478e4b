"""A source's rows in the order in which they became known."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.embedded.key_codes import Ints, KeyCodes, Positions, combine, stable_by_code
from mlsys_assets.features.embedded.request_rows import RequestRows
from mlsys_assets.features.expression import Expression, evaluate
from mlsys_assets.features.numpy_table import NumpyTable, Values, clashing
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT

NEVER: Final = np.iinfo(np.int64).max
"""When a row is replaced that no later one corrects."""


class Log:
    """A source's rows in the order they became known, cut to what can matter.

    Of rows known at one moment the later event comes later, then the greater key: the order that a table happens to
    be stored in must not decide what "last" is. ``since`` and ``until``: microseconds; rows with known_at in
    (since, until] are kept.
    """

    def __init__(self, table: pa.Table, source: Source, *, since: int | None, until: int) -> None:
        known = NumpyTable(table).moments(KNOWN_AT)
        order = None if _ascending(known) else np.argsort(known, kind="stable")
        known = known if order is None else known[order]
        first = 0 if since is None else int(np.searchsorted(known, since, side="right"))
        last = int(np.searchsorted(known, until, side="right"))
        self.known: Ints = known[first:last]
        kept = NumpyTable(table.slice(first, last - first)) if order is None else NumpyTable(table, order[first:last])
        settled = _settled(self.known, kept, source.key)
        if settled is not None:
            kept = NumpyTable(table, settled + first if order is None else order[first:last][settled])
        self.columns = kept
        self.keys = KeyCodes(kept)
        self._source = source
        self._ranks: dict[int, Positions] = {}
        self._values: dict[str | Expression, Values] = {}

    def __len__(self) -> int:
        return len(self.known)

    @cached_property
    def event(self) -> Ints:
        """When each row happened, microseconds."""
        return self.columns.moments(EVENT_TIME)

    @cached_property
    def by_event(self) -> Positions:
        """(n,) positions in the order in which the rows happen."""
        return np.argsort(self.event, kind="stable")

    @cached_property
    def ended(self) -> Ints | None:
        """(n,) when each row was replaced by one of the same name, microseconds, or NEVER; None without corrections.

        Raises ValueError for two rows of one name that became known at one moment: neither corrects the other.
        """
        if not self._source.corrections:
            return None
        encoded = [self.keys.codes(name) for name in self._source.key]
        code = combine([c for c, _ in encoded], [len(d) for _, d in encoded], len(self))
        by_name = stable_by_code(code, np.arange(len(self)))
        again = code[by_name[1:]] == code[by_name[:-1]]
        ended = np.full(len(self), NEVER)
        ended[by_name[:-1][again]] = self.known[by_name[1:][again]]
        if clash := np.flatnonzero(ended == self.known).tolist():
            names = {name: self.columns.arrow(name)[clash[0]].as_py() for name in self._source.key}
            raise ValueError(clashing(self._source.name, names))
        return ended

    def values(self, of: str | Expression) -> Values:
        """Return a column or an expression, (n,), evaluated once."""
        if of not in self._values:
            self._values[of] = evaluate(of, self.columns)
        return self._values[of]

    def rank(self, requests: RequestRows, back: int) -> Positions:
        """Return (n,) how many rows were known by ``back`` microseconds before each prediction time."""
        if back not in self._ranks:
            ranks = np.empty(len(requests), np.intp)
            ranks[requests.by_time] = np.searchsorted(self.known, requests.at[requests.by_time] - back, side="right")
            self._ranks[back] = ranks
        return self._ranks[back]


def _settled(known: Ints, columns: NumpyTable, key: Sequence[str]) -> Positions | None:
    """Return (n,) the order in which rows of one moment stand by event and key; None if they stand so already."""
    tied = known[1:] == known[:-1]
    if not tied.any():
        return None
    event = columns.moments(EVENT_TIME)
    wrong = tied & (event[1:] < event[:-1])
    tied &= event[1:] == event[:-1]
    for name in (k for k in key if k not in (EVENT_TIME, KNOWN_AT)):
        if not tied.any():
            break
        column, places = columns.arrow(name), pa.array(np.flatnonzero(tied))
        here, after = column.take(places), column.slice(1).take(places)
        wrong[np.flatnonzero(tied)] |= _true(pc.greater(here, after))
        tied[np.flatnonzero(tied)] = _true(pc.equal(here, after))
    if not wrong.any():
        return None
    return _sorted_ties(known, columns, key)


def _sorted_ties(known: Ints, columns: NumpyTable, key: Sequence[str]) -> Positions:
    same = known[1:] == known[:-1]
    places = np.flatnonzero(np.append(same, False) | np.append(False, same))
    run = np.cumsum(np.append(True, ~same))[places]
    names = [EVENT_TIME, *(k for k in key if k != EVENT_TIME)]
    part = pa.table(
        [pa.array(run), *(columns.arrow(n).take(pa.array(places)) for n in names)],
        names=["run", *(f"key {n}" for n in names)],
    )
    order = pc.sort_indices(part, sort_keys=[(n, "ascending") for n in part.column_names]).to_numpy()
    rows = np.arange(len(known))
    rows[places] = rows[places][order]
    return rows


def _true(found: pa.Array) -> NDArray[np.bool_]:
    truth: NDArray[np.bool_] = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return truth


def _ascending(values: Ints) -> bool:
    return bool((values[1:] >= values[:-1]).all())
