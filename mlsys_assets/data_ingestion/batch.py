"""The records that are read together: what of them was rejected, and what was made of the others."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.casting import typed_columns
from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.row_checks import check_column
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.tables import SOURCE_FILE, SOURCE_LINE

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """The raw records of one kind of event, and the rows derived from the sound ones.

    Parameters
    ----------
    numbers
        (n,) which of the raw records these are; one that cannot be read is of every kind.
    rejections
        Why some of the n are not sound.
    rows
        (m, ≥ 4) what was derived from the sound ones.
    positions
        (m,) which of the n each row was derived from.
    """

    numbers: Positions
    rejections: Rejections
    rows: pa.Table
    positions: Positions

    def take(self, kept: Mask) -> "Batch":
        """Return the kept ones of the n records, and of their rows those that are still sound."""
        sound = (kept & ~self.rejections.mask)[self.positions]
        rows = self.rows if sound.all() else self.rows.filter(pa.array(sound))
        renumbered = np.cumsum(kept) - 1
        return Batch(
            self.numbers[kept], self.rejections.take(kept), rows, renumbered[self.positions[sound]].astype(np.int64)
        )


def read_batch(source: Source, raw: pa.Table) -> Batch:
    """Return the records of the source's kind; ``where`` and ``derive`` see only those that are sound so far."""
    rejections = Rejections(raw.num_rows)
    typed = typed_columns(source, raw, rejections)
    kind = _of_kind(source, typed, rejections)
    of_kind = pa.array(kind)
    if not kind.all():
        typed, rejections = typed.filter(of_kind), rejections.take(kind)
    for column in source.raw:
        shown = raw.column(column.name) if kind.all() else raw.column(column.name).filter(of_kind)
        check_column(column, typed.column(column.name), shown, rejections)
    sound = ~rejections.mask
    rows = _derived(source, typed if sound.all() else typed.filter(pa.array(sound)))
    return Batch(np.flatnonzero(kind), rejections, rows, np.flatnonzero(sound))


def _of_kind(source: Source, typed: pa.Table, rejections: Rejections) -> Mask:
    if source.where is None:
        return np.ones(typed.num_rows, dtype=bool)
    kind, sound = rejections.mask.copy(), ~rejections.mask
    seen = typed if sound.all() else typed.filter(pa.array(sound))
    kind[sound] = np.asarray(pc.fill_null(source.where(seen), False))
    return kind


def _derived(source: Source, typed: pa.Table) -> pa.Table:
    rows = source.derive(typed)
    if rows.num_rows != typed.num_rows:
        raise ValueError(
            f"source {source.name!r}: derive() returned {rows.num_rows} rows for {typed.num_rows}; "
            "it must work row by row and in order"
        )
    for name in {SOURCE_FILE, SOURCE_LINE} - set(rows.schema.names):
        rows = rows.append_column(name, typed.column(name))
    absent = [n for n in source.schema.names if n not in rows.schema.names]
    if absent:
        raise ValueError(f"source {source.name!r}: derive() did not return {', '.join(absent)}")
    return rows.select(source.schema.names).cast(pa.schema([f.with_nullable(True) for f in source.schema]))
