"""What can be seen of a file that somebody wants to learn from: its columns, their types, and what is wrong with it."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.casting import cast, read_moments
from mlsys_assets.data_ingestion.csv_file import CsvFile
from mlsys_assets.data_ingestion.parquet_file import ParquetFile
from mlsys_assets.data_ingestion.source import MALFORMED, READERS_OWN
from mlsys_assets.tables import SOURCE_LINE

FORMATS: dict[str, type[CsvFile] | type[ParquetFile]] = {
    ".csv": CsvFile,
    ".zip": CsvFile,
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
}
NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""Texts that stand for a missing value."""
LEAST_ROWS = 500
"""Fewer cannot be split into parts that can be told from chance."""
MOSTLY = 0.9
"""From this share on, a column is taken to be of a type, and what is not of it is a mistake."""
MALFORMED_SHARE = 0.01
"""More broken lines than this, and the file is not what it seems."""
TRUTHS = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})


class UnusableFile(ValueError):
    """A file of which no system can be made; the message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One column as it was seen.

    Parameters
    ----------
    raw
        What the file calls it.
    name
        What it is called in tables: an identifier.
    kind
        Its type: float64, int64, bool, timestamp or string.
    values
        (n,) the values: numbers (truth as 0 and 1), texts, or moments; missing ones are NaN, None, NaT.
    distinct
        How many different values there are.
    """

    raw: str
    name: str
    kind: str
    values: NDArray[np.generic]
    distinct: int
    missing: int

    @property
    def is_number(self) -> bool:
        """Whether it can be compared and added."""
        return self.kind in ("float64", "int64", "bool")


def look(path: Path) -> list[Seen]:
    """Return the columns of a CSV or Parquet file; raises UnusableFile, with the way out."""
    table = _read(path)
    names = [name for name in table.schema.names if name not in READERS_OWN]
    called = _named(names)
    return [_seen(raw, called[raw], table) for raw in names]


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise UnusableFile(f"there is no file {path}; name a CSV or Parquet file that is there")
    if path.suffix.lower() not in FORMATS:
        raise UnusableFile(
            f"{path.name} ends in {path.suffix!r}; allowed are {', '.join(FORMATS)}: export it as one of these"
        )
    file = FORMATS[path.suffix.lower()](path.absolute())
    try:
        content = file.content()
        if path.suffix.lower() == ".csv":
            _refuse_header(path, content)
        table = file.parse(content)
    except UnusableFile:
        raise
    except (ValueError, OSError, StopIteration) as error:  # Arrow's errors are of these too
        raise UnusableFile(f"{path.name} cannot be read: {error}; save it anew as UTF-8 CSV or as Parquet") from error
    broken = table[MALFORMED]
    if len(broken) - broken.null_count > MALFORMED_SHARE * max(len(broken), 1):
        first = next(n for n, why in enumerate(broken.to_pylist()) if why is not None)
        raise UnusableFile(
            f"{path.name}: {len(broken) - broken.null_count:,} of {len(broken):,} lines cannot be read, line "
            f"{table[SOURCE_LINE][first]} for one: {broken[first]}; save the file anew as UTF-8, one record a line"
        )
    table = table.filter(pc.is_null(broken))
    if len(table) < LEAST_ROWS:
        raise UnusableFile(
            f"{path.name} has {len(table)} rows; at least {LEAST_ROWS} are needed, for training, choosing and testing: "
            "collect more, or join several files"
        )
    return table


def _refuse_header(path: Path, content: bytes) -> None:
    if not content.strip():
        raise UnusableFile(f"{path.name} is empty: not even a header was found; export it again")
    header = next(csv.reader([content.split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")]))
    if twice := [name for name, n in Counter(header).items() if n > 1]:
        raise UnusableFile(
            f"{path.name} has several columns called {', '.join(map(repr, twice))}, so that nobody can tell which is "
            "meant; give each a name of its own in the first line"
        )
    if blank := [n for n, name in enumerate(header, start=1) if not name.strip()]:
        raise UnusableFile(f"{path.name}: column {blank[0]} has no name; give it one in the first line")
    if len(header) == 1 and ";" in header[0]:
        raise UnusableFile(f"{path.name} separates columns by semicolons; save it with commas")


def _named(raw: list[str]) -> dict[str, str]:
    """Return an identifier for each column, no two alike."""
    found: dict[str, str] = {}
    for name in raw:
        plain = re.sub(r"\W+", "_", name.strip().lower(), flags=re.ASCII).strip("_") or "column"
        plain = f"c_{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_" if iskeyword(plain) or plain in RESERVED else plain
        taken, n = set(found.values()), 2
        while plain in taken:
            plain, n = f"{plain.rstrip('0123456789')}{n}", n + 1
        found[name] = plain[:60]
    return found


RESERVED = frozenset({"event_time", "known_at", "predict_at", "tick", "block", "source_file", "source_line", "label"})
"""Columns that tables have of themselves."""


def _seen(raw: str, name: str, table: pa.Table) -> Seen:
    text = table[raw]
    for null in NULLS:
        text = pc.if_else(pc.equal(text, null), pa.scalar(None, pa.string()), text)
    missing, there = text.null_count, len(text) - text.null_count
    distinct = pc.count_distinct(text).as_py()
    if set(text.unique().to_pylist()) - {None} in TRUTHS:
        truth = pc.equal(pc.utf8_lower(text), "true").cast(pa.float64())
        return Seen(raw, name, "bool", truth.to_numpy(zero_copy_only=False), distinct, missing)
    moments = read_moments(text, zone="UTC")
    if there and (there - (len(text) - moments.null_count)) <= (1 - MOSTLY) * there and not _only_digits(text):
        return Seen(raw, name, "timestamp", moments.cast(pa.timestamp("us")).to_numpy(), distinct, missing)
    numbers, wrong = cast(text, "float64")
    unreadable = 0 if wrong is None else int(wrong.sum())
    if wrong is not None and 0 < unreadable <= (1 - MOSTLY) * there:
        _refuse_mixed(raw, table, text, wrong)
    if there and not unreadable:
        values = numbers.to_numpy()
        whole = bool(np.all(np.isnan(values) | (np.floor(values) == values))) and not _has_point(text)
        return Seen(raw, name, "int64" if whole else "float64", values, distinct, missing)
    return Seen(raw, name, "string", np.asarray(text.to_pylist(), dtype=object), distinct, missing)


def _refuse_mixed(raw: str, table: pa.Table, text: pa.ChunkedArray, wrong: NDArray[np.bool_]) -> None:
    places = np.flatnonzero(wrong)
    at, many = int(places[0]), len(places)
    raise UnusableFile(
        f"column {raw!r} holds numbers, and in {many:,} of {len(text):,} rows something else: line "
        f"{table[SOURCE_LINE][at]} holds {text[at].as_py()!r}; mend these, leave them empty if "
        "nothing is known there, or put text into all of the column"
    )


def _only_digits(text: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.match_substring_regex(text.drop_null(), r"^\d+$")).as_py())


def _has_point(text: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(text.drop_null(), r"[.eE]")).as_py())
