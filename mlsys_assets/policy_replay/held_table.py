"""A table held in memory, read as the lake is: by moments and ticks, and nothing that came later."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moment, moments
from mlsys_assets.tables import KNOWN_AT, TICK

Bools = NDArray[np.bool_]


class HeldTable:
    """Rows in the order of their ticks, whose moments are looked up once.

    Parameters
    ----------
    rows
        (n) in the order of their ticks; without a column ``tick`` they are of no tick, and always there.
    own
        The table's own columns: those of a read that names none.
    """

    def __init__(self, rows: pa.Table, own: Sequence[str]) -> None:
        self.rows, self.own = rows, tuple(own)
        self.ticks = moments(rows[TICK]) if TICK in rows.column_names else None
        self._moments: dict[str, NDArray[np.datetime64]] = {}

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        before: datetime | None = None,
        known_by: datetime | None = None,
        window: tuple[str, datetime, datetime] | None = None,
        ticks: Sequence[datetime] | None = None,
    ) -> pa.Table:
        """Return rows as ``Lake.read`` does; ``before``: only of ticks that start before it."""
        rows = self.rows.select(list(self.own if columns is None else columns))
        if self.ticks is not None and before is not None:
            rows = rows.slice(0, int(np.searchsorted(self.ticks, moment(before))))
        inside = np.ones(len(rows), dtype=bool)
        if known_by is not None:
            inside &= self._at(KNOWN_AT)[: len(rows)] <= moment(known_by)
        if window is not None:
            name, start, end = window
            at = self._at(name)[: len(rows)]
            inside &= (at >= moment(start)) & (at < moment(end))
        if ticks is not None and self.ticks is not None:
            wanted = np.array([moment(tick) for tick in ticks], dtype="datetime64[us]")
            inside &= np.isin(self.ticks[: len(rows)], wanted)
        return _those(rows, inside)

    def _at(self, name: str) -> NDArray[np.datetime64]:
        if name not in self._moments:
            self._moments[name] = moments(self.rows[name])
        return self._moments[name]


def _those(rows: pa.Table, inside: Bools) -> pa.Table:
    """Return the rows chosen, without a copy where they lie side by side."""
    chosen = np.flatnonzero(inside)
    if not len(chosen):
        return rows.slice(0, 0)
    first, last = int(chosen[0]), int(chosen[-1])
    if last - first + 1 == len(chosen):
        return rows.slice(first, len(chosen))
    return rows.take(pa.array(chosen))
