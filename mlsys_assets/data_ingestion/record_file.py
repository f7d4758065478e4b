"""A file of raw records, in whatever format: each record as text, with where it stands and when it was delivered."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.filing import EVER
from mlsys_assets.data_ingestion.source import DELIVERED_AT, MALFORMED, READERS_OWN
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.tables import SOURCE_FILE, TIMESTAMP
from mlsys_assets.types import TimeWindow

SHA_DIGITS = 16
"""Hex digits of a file's SHA-256 kept with each row."""
UNDATED_SHARE = 0.05
"""The share of a file's records that may have no readable delivery time, unless it declares another."""
UNDATED_ROWS = 5
"""So many a file may always have: a share of a handful says nothing. At least one record must have one."""
CACHED_FILES = 8
"""Parsed files kept in memory: several sources are often cut from one file."""

Dated = Callable[[pa.Table], pa.Array | pa.ChunkedArray]
"""Gives the delivery times of text records."""


@dataclass(frozen=True)
class RecordFile(ABC):
    """A file of records; its format is a subclass's.

    Parameters
    ----------
    path
        Where it is.
    delivered
        Gives each record's delivery time from the text columns (null where it cannot be told;
        such a record is taken to belong where it stands in the file). Not needed for snapshots.
    undated
        The share of records that may have no readable delivery time; more mean that its format changed.
    """

    path: Path
    delivered: Dated | None = None
    undated: float = UNDATED_SHARE

    @abstractmethod
    def parse(self, content: bytes) -> pa.Table:
        """Return the content's records as text columns with ``source_line`` and ``malformed``."""

    def __call__(self, window: TimeWindow) -> pa.Table:
        """Return the file's records delivered within the window, all as text; of a snapshot, all."""
        table = self.records()
        if self.delivered is None:
            return table
        moment = table.column(DELIVERED_AT)
        within = pc.and_(
            pc.greater_equal(moment, pa.scalar(window.start, TIMESTAMP)),
            pc.less(moment, pa.scalar(window.end, TIMESTAMP)),
        )
        return table.filter(within)

    def records(self) -> pa.Table:
        """Return all the file's records as text; parsed anew only when the file has changed.

        Raises SourceChanged if their delivery times cannot be read.
        """
        state = self.path.stat()
        return _parsed(self, state.st_mtime_ns, state.st_size)

    def content(self) -> bytes:
        """Return the file's bytes."""
        return self.path.read_bytes()


@lru_cache(maxsize=CACHED_FILES)
def _parsed(file: RecordFile, _modified_ns: int, _size: int) -> pa.Table:
    content = file.content()
    table = file.parse(content)
    digest = hashlib.sha256(content).hexdigest()[:SHA_DIGITS]
    table = table.append_column(SOURCE_FILE, pa.repeat(digest, table.num_rows))
    return table if file.delivered is None else table.append_column(DELIVERED_AT, _placed(file, file.delivered, table))


def _placed(file: RecordFile, delivered: Dated, table: pa.Table) -> pa.Array:
    """Return when each record was delivered; one that cannot tell, with the record before it, or else after it."""
    try:
        moment = delivered(table)
    except KeyError as error:
        raise SourceChanged(
            f"file {file.path.name}: the column that tells when a record was delivered is missing ({error.args[0]}); "
            f"columns there: {', '.join(_header(table))}; nothing was written. Mend the delivery, or declare the new "
            "shape."
        ) from error
    known = (moment.combine_chunks() if isinstance(moment, pa.ChunkedArray) else moment).cast(TIMESTAMP)
    _refuse_undated(file, delivered, table, known)
    placed = pc.fill_null_backward(pc.fill_null_forward(known)).cast(pa.timestamp("us"))  # Arrow orders no zoned ones
    first, last = (
        pa.scalar(m.replace(tzinfo=None), pa.timestamp("us")) for m in (EVER.start, EVER.end - timedelta.resolution)
    )
    return pc.min_element_wise(pc.max_element_wise(placed, first), last).cast(TIMESTAMP)


def _refuse_undated(file: RecordFile, delivered: Dated, table: pa.Table, known: pa.Array) -> None:
    undated = pc.and_(pc.is_null(known), pc.is_null(table.column(MALFORMED)))
    missing, records = pc.sum(undated).as_py() or 0, table.num_rows
    if known.null_count < records and missing <= max(UNDATED_ROWS, file.undated * records):
        return
    if not records:
        return
    read = _columns_read(delivered, table)
    shown = table.filter(undated).select(read).slice(0, 1).to_pylist()
    example = f", e.g. {', '.join(f'{c} {v!r}' for c, v in shown[0].items())}" if shown else ""
    raise SourceChanged(
        f"file {file.path.name}: {missing} of {records} records have no readable delivery time in "
        f"{', '.join(read)}{example}; {file.undated:.0%} may have none; nothing was written. Mend the delivery, or "
        "declare the new format."
    )


def _columns_read(delivered: Dated, table: pa.Table) -> list[str]:
    """Return the columns without which the delivery times cannot be told: each is left out once."""
    found = []
    for name in _header(table):
        try:
            delivered(table.slice(0, 1).drop_columns([name]))
        except KeyError:
            found.append(name)
    return found or _header(table)


def _header(table: pa.Table) -> list[str]:
    return [n for n in table.schema.names if n not in READERS_OWN]
