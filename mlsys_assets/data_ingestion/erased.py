"""What was erased stays away, however often its records are delivered again."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.batch import Batch
from mlsys_assets.data_ingestion.source import READERS_OWN, Source

Mask = NDArray[np.bool_]


class Erased(Protocol):
    """Knows again, by column, which values were erased."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of which any value was erased."""
        ...

    def mask(self, column: str, values: pa.ChunkedArray) -> Mask:
        """Return (n,) which of a column's values were erased."""
        ...


@dataclass(frozen=True)
class Nothing:
    """Nothing was erased."""

    columns: tuple[str, ...] = ()

    def mask(self, column: str, values: pa.ChunkedArray) -> Mask:
        """Return (n,) False."""
        return np.zeros(len(values), dtype=bool)


NOTHING = Nothing()


def is_erased(source: Source, raw: pa.Table, batch: Batch, erased: Erased) -> Mask:
    """Return (n,) which records of a batch are of what was erased: by the row made of one, or by what it is made of.

    A broken record has no row: it is known by its raw column of the same name, or, where the source makes that column
    of others, by any text of it.
    """
    found = np.zeros(len(batch.numbers), dtype=bool)
    for column in erased.columns:
        if column in batch.rows.column_names:
            found[batch.positions[erased.mask(column, batch.rows[column])]] = True
        for name in _told_by(source, raw, column):
            found |= erased.mask(column, raw[name].take(pa.array(batch.numbers)))
    return found


def _told_by(source: Source, raw: pa.Table, column: str) -> list[str]:
    if column in raw.column_names:
        return [column]
    if column not in source.column_names:
        return []
    return [f.name for f in raw.schema if f.name not in READERS_OWN and pa.types.is_string(f.type)]
