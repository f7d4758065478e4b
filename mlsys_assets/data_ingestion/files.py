"""Raw text files: every line is read or accounted for, none is silently shifted."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from mlsys_assets.data_ingestion.source import (
    DELIVERED_AT,
    MALFORMED,
    SOURCE_FILE,
    SOURCE_LINE,
    TIMESTAMP,
)
from mlsys_assets.types import TimeWindow, days

SHA_DIGITS = 16
"""Hex digits of a file's SHA-256 kept with each row."""
CACHED_FILES = 8
"""Parsed files kept in memory: several sources are often cut from one file."""


@dataclass(frozen=True)
class CsvFile:
    """A CSV file, plain or the only member of a ZIP archive: one record a line, UTF-8, with a header.

    Parameters
    ----------
    path
        Where it is.
    delivered
        Gives each record's delivery time from the text columns (null where it cannot be told;
        such a record is taken to belong where it stands in the file). Not needed for snapshots.
    margin
        How many days around a window its records may be delivered.
    """

    path: Path
    delivered: Callable[[pa.Table], pa.Array | pa.ChunkedArray] | None = None
    margin: float = 3.0

    def __call__(self, window: TimeWindow) -> pa.Table:
        """Return the file's records delivered within ``margin`` of the window, all as text."""
        table = self.records()
        if self.delivered is None:
            return table
        moment = table.column(DELIVERED_AT)
        near = pc.and_(
            pc.greater_equal(moment, pa.scalar(window.start - days(self.margin), TIMESTAMP)),
            pc.less(moment, pa.scalar(window.end + days(self.margin), TIMESTAMP)),
        )
        return table.filter(near)

    def records(self) -> pa.Table:
        """Return all the file's records as text; parsed anew only when the file has changed."""
        state = self.path.stat()
        return _parsed(self, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=CACHED_FILES)
def _parsed(file: CsvFile, _modified_ns: int, _size: int) -> pa.Table:
    content = _content(file.path)
    table = parse_csv(content)
    digest = hashlib.sha256(content).hexdigest()[:SHA_DIGITS]
    table = table.append_column(SOURCE_FILE, pa.repeat(digest, table.num_rows))
    if file.delivered is None:
        return table
    moment = file.delivered(table)
    known = moment.combine_chunks() if isinstance(moment, pa.ChunkedArray) else moment
    placed = pc.fill_null_backward(pc.fill_null_forward(known))
    return table.append_column(DELIVERED_AT, placed.cast(TIMESTAMP))


def _content(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.namelist()
        return archive.read(member)


def parse_csv(content: bytes) -> pa.Table:
    r"""Return a CSV file's records as text columns with ``source_line`` and ``malformed``.

    A record with too few or too many fields, bad quoting, a NUL or bytes that are not UTF-8 keeps
    its line number, has null in every column and says in ``malformed`` what was wrong.

    >>> parse_csv(b"a,b\n1,2\n3\n").column("malformed").to_pylist()
    [None, 'expected 2 fields, found 1']
    """
    if not content.strip():
        raise ValueError("the file is empty: not even a header was found")
    unusual = b"\x00" in content or b'"' in content  # Arrow forgives bad quoting, and so shifts columns
    fast = None if unusual else _parse_fast(content)
    return _parse_by_line(content) if fast is None else fast


def _parse_fast(content: bytes) -> pa.Table | None:
    """Parse in one pass; None if any line is out of the ordinary, which the careful parser tells apart."""
    header = next(csv.reader([content.split(b"\n", 1)[0].decode("utf-8-sig", "replace")]))
    try:
        table = pa_csv.read_csv(
            io.BytesIO(content),
            parse_options=pa_csv.ParseOptions(ignore_empty_lines=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if table.num_rows != lines - 1:
        return None
    numbers = pa.array(np.arange(2, lines + 1, dtype=np.int32))
    return table.append_column(SOURCE_LINE, numbers).append_column(MALFORMED, pa.nulls(lines - 1, pa.string()))


def _parse_by_line(content: bytes) -> pa.Table:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    header = next(csv.reader([lines[0].decode("utf-8", "replace").rstrip("\r")]))
    rows: list[list[str | None]] = []
    faults: list[str | None] = []
    for line in lines[1:]:
        fields, fault = _fields(line, len(header))
        rows.append(fields)
        faults.append(fault)
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(header))]
    table = pa.table(columns, names=header)
    numbers = pa.array(range(2, len(rows) + 2), pa.int32())
    return table.append_column(SOURCE_LINE, numbers).append_column(MALFORMED, pa.array(faults, pa.string()))


def _fields(line: bytes, expected: int) -> tuple[list[str | None], str | None]:
    nothing: list[str | None] = [None] * expected
    try:
        text = line.decode("utf-8").rstrip("\r")
        if "\x00" in text:
            return nothing, "a NUL character"
        found = next(csv.reader([text], strict=True), [])
    except UnicodeDecodeError as error:
        return nothing, f"not UTF-8 at byte {error.start}"
    except csv.Error as error:
        return nothing, f"bad quoting: {error}"
    if len(found) != expected:
        return nothing, f"expected {expected} fields, found {len(found)}"
    return list(found), None
