"""Rows by the tick they belong to, and ticks by the month in which they start."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_resources.strict_schema import TIMESTAMP
from mlsys_resources.table_hash import table_hash

TICK = "tick"
"""Storage column: the start of the calendar tick that a row belongs to."""
BLOCK = "block"
"""Storage column: the month in which that tick starts, YYYY-MM; one file each."""
TICK_FIELD = pa.field(TICK, TIMESTAMP, nullable=False)
BLOCK_FIELD = pa.field(BLOCK, pa.string(), nullable=False)

SHOWN = 5
"""How many ticks a message names."""


def utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC; raises ValueError for a naive one, which could be any of 38."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime, such as one of tzinfo UTC")
    return moment.astimezone(UTC)


def block_of(tick: datetime) -> str:
    """Return the name of the block that holds a tick.

    >>> block_of(datetime(2012, 12, 31, tzinfo=UTC))
    '2012-12'
    """
    return f"{tick.year:04d}-{tick.month:02d}"


def by_tick(what: str, rows: pa.Table, ticks: Iterable[datetime]) -> dict[datetime, pa.Table]:
    """Return the rows of each tick in the order given, an empty table for a tick without any.

    Raises ValueError if a row belongs to none of ``ticks``.
    """
    moments = sorted({utc(t) for t in ticks})
    rows = sorted_by_tick(rows)
    starts = _microseconds(rows[TICK])
    wanted = _microseconds(pa.chunked_array([pa.array(moments, TIMESTAMP)]))
    strange = np.setdiff1d(starts, wanted)
    if len(strange):
        named = pa.array(strange[:SHOWN]).cast(TIMESTAMP).to_pylist()
        raise ValueError(
            f"{what} was given rows of {len(strange)} tick(s) that are not being written:"
            f" {', '.join(map(str, named))}{' …' if len(strange) > SHOWN else ''}; being written:"
            f" {', '.join(map(str, moments[:SHOWN])) or 'none'}{' …' if len(moments) > SHOWN else ''}"
        )
    first, last = np.searchsorted(starts, wanted, "left"), np.searchsorted(starts, wanted, "right")
    return {t: rows.slice(a, b - a) for t, a, b in zip(moments, first.tolist(), last.tolist(), strict=True)}


def sorted_by_tick(rows: pa.Table) -> pa.Table:
    """Return the rows tick after tick, those of one tick in the order they had."""
    starts = _microseconds(rows[TICK])
    return rows if np.all(starts[:-1] <= starts[1:]) else rows.take(pa.array(np.argsort(starts, kind="stable")))


def tick_hashes(parts: Mapping[datetime, pa.Table]) -> dict[datetime, str]:
    """Return the content hash of each tick's rows, the storage column left out."""
    return {tick: table_hash(rows.drop_columns(TICK)) for tick, rows in parts.items()}


def combined_hash(hashes: Mapping[datetime, str]) -> str:
    """Return one hash for several ticks: SHA-256 of their starts and hashes, in order of time."""
    return sha256("".join(f"{t.isoformat()} {hashes[t]}\n" for t in sorted(hashes)).encode()).hexdigest()


def of_ticks(rows: pa.Table, ticks: Sequence[datetime]) -> dict[datetime, pa.Table]:
    """Return the rows of each of ``ticks``, those of other ticks left out."""
    return by_tick("", rows.filter(_is_of(rows, ticks)), ticks)


def merged(old: pa.Table, new: Mapping[datetime, pa.Table]) -> pa.Table:
    """Return a block's rows after some of its ticks were replaced."""
    others = old.filter(pc.invert(_is_of(old, list(new))))
    return sorted_by_tick(pa.concat_tables([others, *new.values()]))


def _is_of(rows: pa.Table, ticks: Sequence[datetime]) -> pa.ChunkedArray:
    return pc.is_in(rows[TICK], pa.array(ticks, TIMESTAMP))


def _microseconds(moments: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    values: np.ndarray[tuple[int], np.dtype[np.int64]] = moments.cast(pa.int64()).to_numpy()
    return values
