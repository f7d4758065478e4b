"""Parquet files: each value as the text that says all of it, to be checked like any other."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlsys_assets.data_ingestion.record_file import RecordFile
from mlsys_assets.data_ingestion.source import MALFORMED
from mlsys_assets.tables import SOURCE_LINE

ISO = "%Y-%m-%dT%H:%M:%S"
"""Arrow writes the fractions of a second with the seconds."""


@dataclass(frozen=True)
class ParquetFile(RecordFile):
    """A Parquet file of flat columns; what is typed there is read as text here, and typed as its source declares."""

    def parse(self, content: bytes) -> pa.Table:
        """Return the records as text; a record's line is its place in the file, the first being 2 as below a header."""
        table = pq.read_table(pa.BufferReader(content))
        texts = {name: as_text(name, table[name]) for name in table.schema.names}
        lines = pa.array(np.arange(2, len(table) + 2, dtype=np.int32))
        return pa.table({**texts, SOURCE_LINE: lines, MALFORMED: pa.nulls(len(table), pa.string())})


def as_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column's values as text that reads back as the same; null as empty text, as in a CSV file.

    Raises ValueError for values that have parts.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(name, column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        text = pc.strftime(column, format=f"{ISO}Z" if kind.tz else ISO)
    elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ValueError(
            f"column {name!r} is of type {kind}; allowed are numbers, text, truth values, dates and times: flatten it"
        )
    else:
        text = column.cast(pa.string())
    return pc.fill_null(text, "")
