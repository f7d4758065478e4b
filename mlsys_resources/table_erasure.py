"""Rows taken out of a table for good: out of its latest version by a commit, out of all others with their files."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import fs

from mlsys_resources.table_version import TableVersion
from mlsys_resources.tick_rows import BLOCK, TICK

RECORD = "record"
"""The column of a table of rejected rows that holds each as it was delivered, as JSON."""
LOG = "_delta_log"
"""The folder of a table's log."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """Which rows are to go.

    Parameters
    ----------
    column, value
        The rows whose column has this value; in a table without that column, rows with it in any column of text, and
        rejected records with it in any field.
    keys
        By column, the names of the rows that go with them, wherever these columns stand.
    """

    column: str
    value: str
    keys: Mapping[str, Callable[[pa.ChunkedArray], Mask]]

    def columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns that tell whether a row is to go."""
        own = {self.column, *self.keys}
        if not self._named(schema.names):
            own |= {f.name for f in schema if pa.types.is_string(f.type)}
        return [name for name in schema.names if name in own]

    def mask(self, rows: pa.Table) -> Mask:
        """Return (n,) which of the rows are to go."""
        found, own = np.zeros(rows.num_rows, dtype=bool), self._named(rows.column_names)
        for name, values in zip(rows.column_names, rows.columns, strict=True):
            if name == self.column or (not own and pa.types.is_string(values.type)):
                found |= equal(values, self.value)
            if name in self.keys:
                found |= self.keys[name](values)
            if name == RECORD and not own and pa.types.is_string(values.type):
                found |= self._in_records(values)
        return found

    def _named(self, columns: Sequence[str]) -> bool:
        """Return whether a table has the column: one of rejected rows has its own, whatever they are called."""
        return self.column in columns and RECORD not in columns

    def _in_records(self, records: pa.ChunkedArray) -> Mask:
        maybe = np.flatnonzero(np.asarray(pc.fill_null(pc.match_substring(records, _as_json(self.value)), False)))
        found = np.zeros(len(records), dtype=bool)
        for i in maybe:
            found[i] = self.value in _told(records[int(i)].as_py())
        return found


@dataclass(frozen=True)
class Held:
    """Where rows that are to go stand in one table: how many now, and in which of its files and versions.

    Parameters
    ----------
    rows
        How many of them the latest version holds.
    files
        By file, how many of them it holds; files of no version too.
    versions
        The versions that name any of these files, by how many of the rows each holds.
    """

    rows: int
    files: Mapping[str, int]
    versions: Mapping[int, int]


def equal(values: pa.ChunkedArray, value: str) -> Mask:
    """Return (n,) which values are the one that stands in a text; none, where it cannot be of their type."""
    try:
        wanted = pa.scalar(value).cast(values.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(pc.fill_null(pc.equal(values, wanted), False))


def held(latest: TableVersion, versions: Iterable[TableVersion], wanted: Wanted) -> Held | None:
    """Return where rows stand that are to go, or None if no file of the table holds any."""
    files = {path: count for path in stored(latest) if (count := int(wanted.mask(read(latest, path, wanted)).sum()))}
    if not files:
        return None
    named = {version.number: sum(files.get(path, 0) for path in version.paths()) for version in versions}
    return Held(named.get(latest.number, 0), files, {number: rows for number, rows in named.items() if rows})


def keys_of(latest: TableVersion, wanted: Wanted, key: str) -> set[str]:
    """Return the values of a column in the rows, of any file, that have the value in its own column."""
    found: set[str] = set()
    if not {wanted.column, key} <= set(latest.schema.names):
        return found
    for path in stored(latest):
        rows = read(latest, path, wanted)
        if {wanted.column, key} <= set(rows.column_names):
            mask = equal(rows[wanted.column], wanted.value)
            found.update(v for v in rows[key].filter(pa.array(mask)).unique().to_pylist() if v is not None)
    return found


def remaining(latest: TableVersion, wanted: Wanted) -> dict[str, pa.Table]:
    """Return what is to be left of each block of the latest version that holds rows to go; of a snapshot, of all."""
    own = latest.schema.names
    paths = [path for path in latest.paths() if wanted.mask(read(latest, path, wanted)).any()]
    if not paths:
        return {}
    if not latest.ticked:
        return {"": _kept(latest.rows(own), wanted)}
    blocks = sorted({path.partition("/")[0].removeprefix(f"{BLOCK}=") for path in paths})
    return {block: _kept(latest.rows([*own, TICK], blocks=[block]), wanted) for block in blocks}


def delete_files(latest: TableVersion, wanted: Wanted) -> list[str]:
    """Delete every file that holds rows that are to go, and return their names: what named them cannot be read again.

    Raises RuntimeError, with nothing deleted, if the latest version names one of them.
    """
    gone = [path for path in stored(latest) if wanted.mask(read(latest, path, wanted)).any()]
    if standing := sorted(set(gone) & set(latest.paths())):
        raise RuntimeError(f"{latest.what} names files that hold rows to be erased: {', '.join(standing)}; start again")
    for path in gone:
        latest.files.delete_file(path)
    return gone


def stored(table: TableVersion) -> Iterator[str]:
    """Yield the names of all Parquet files of a table, those that no version names included, but for its log's."""
    for info in table.files.get_file_info(fs.FileSelector("", recursive=True)):
        path = info.path.lstrip("/")
        if info.type == fs.FileType.File and path.endswith(".parquet") and not path.startswith(LOG):
            yield path


def read(table: TableVersion, path: str, wanted: Wanted) -> pa.Table:
    """Return of one file the columns that tell whether a row is to go."""
    from pyarrow import parquet

    with table.files.open_input_file(path) as file, parquet.ParquetFile(file) as opened:
        return opened.read(columns=wanted.columns(opened.schema_arrow))


def _kept(rows: pa.Table, wanted: Wanted) -> pa.Table:
    return rows.filter(pa.array(~wanted.mask(rows)))


def _told(record: str) -> set[str]:
    """Return what a rejected record says, as text; nothing, where a column of that name holds something else."""
    try:
        found = json.loads(record)
    except ValueError:
        return set()
    return {str(value) for value in found.values()} if isinstance(found, dict) else set()


def _as_json(value: str) -> str:
    return json.dumps(value)[1:-1]
