"""CSV files: every line is read or accounted for, none is silently shifted."""

import csv
import io
import zipfile
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from mlsys_assets.data_ingestion.record_file import RecordFile
from mlsys_assets.data_ingestion.source import MALFORMED
from mlsys_assets.tables import SOURCE_LINE


@dataclass(frozen=True)
class CsvFile(RecordFile):
    """A CSV file, plain or the only member of a ZIP archive: one record a line, UTF-8, with a header."""

    def parse(self, content: bytes) -> pa.Table:
        """Return the records as text."""
        return parse_csv(content)

    def content(self) -> bytes:
        """Return the file's bytes, out of its archive."""
        if self.path.suffix != ".zip":
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
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
