"""One version of one Delta table: its files, its rows, and the commit that follows it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from mlsys_resources import parquet_files
from mlsys_resources.strict_schema import TIMESTAMP
from mlsys_resources.tick_rows import BLOCK, TICK, block_of

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

STORAGE = (TICK, BLOCK)
"""What the lake adds to a table of ticks; left out of what is read unless asked for."""
RUN_ID = "run_id"
"""Key of the run's id in a commit's metadata."""

STATISTICS_STEP = timedelta(milliseconds=1)
"""Delta keeps a file's smallest and largest moment cut to milliseconds."""
KEPT = timedelta(days=36_500)
"""How long old versions stay readable: longer than any model that was trained on them."""
CHECKPOINT_EVERY = 20
"""Commits after which the log is summed up in one file, so that opening a table stays a matter of milliseconds."""
READER_VERSION = 1
"""Tables with deletion vectors or renamed columns need a newer reader, which sees other rows than ours."""


SQL_TYPE = {
    pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT",
    pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.string(): "VARCHAR", pa.binary(): "BLOB", pa.date32(): "DATE",
    TIMESTAMP: "TIMESTAMPTZ",
}  # fmt: skip
"""What DuckDB calls the types a column can have."""


TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What delta-rs puts into its messages for people at a terminal."""


class WriteFailed(RuntimeError):
    """The store refused a write: full, unreachable, or not ours to write. What was there stays readable."""

    def __init__(self, what: str, cause: Exception) -> None:
        said = " ".join(TERMINAL_COLOUR.sub("", str(cause)).split())
        super().__init__(
            f"writing {what} failed, and what was there stays readable: {said};"
            " look at the store's free space, reach and permissions, then run it again"
        )


class RowsGone(FileNotFoundError):
    """A version names a file that is not there: rows in it were erased, or somebody deleted it."""


class NoSuchColumn(LookupError):
    """A column was asked for that the table does not have."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Rows whose ``column`` lies between two moments; the upper one belongs to it if ``closed``."""

    column: str
    low: datetime | None
    high: datetime
    closed: bool

    def expression(self) -> pc.Expression:
        """Return the bound as a filter of rows."""
        column, high = pc.field(self.column), pa.scalar(self.high, TIMESTAMP)
        below = column <= high if self.closed else column < high
        return below if self.low is None else below & (column >= pa.scalar(self.low, TIMESTAMP))

    def may_hold_in(self, file: dict[str, Any]) -> bool:
        """Return whether a file may hold such rows, by its smallest and largest value."""
        least, most = file.get(f"min.{self.column}"), file.get(f"max.{self.column}")
        if least is not None and least > self.high:
            return False
        return self.low is None or most is None or most + STATISTICS_STEP >= self.low


@dataclass(frozen=True)
class TableVersion:
    """A table as it was after one commit.

    Parameters
    ----------
    what
        ``system.table``, for messages.
    place
        The table's own folder or URL.
    delta
        The table, loaded at this version.
    files
        The files below that place.
    fence
        Called right before a commit; raises if the caller may not write any more.
    options
        What the object store asks for, under the names of delta-rs.
    committed
        Called with the table as it is after a commit.
    """

    what: str
    place: str
    delta: "DeltaTable"
    files: fs.FileSystem
    fence: Callable[[], None]
    options: dict[str, str] | None
    committed: "Callable[[DeltaTable], None]"

    def __post_init__(self) -> None:
        protocol = self.delta.protocol()
        if protocol.min_reader_version > READER_VERSION:
            raise RuntimeError(
                f"{self.what} needs a Delta reader of version {protocol.min_reader_version}"
                f" ({protocol.reader_features or 'column mapping'}); the lake reads version {READER_VERSION}:"
                " write it again without deletion vectors and column mapping"
            )

    @property
    def number(self) -> int:
        """The version's number."""
        return int(self.delta.version())

    @property
    def ticked(self) -> bool:
        """Whether it is written by ticks, not whole."""
        return list(self.delta.metadata().partition_columns) == [BLOCK]

    @property
    def stored_schema(self) -> pa.Schema:
        """Every column, the lake's own included."""
        return pa.schema(self.delta.schema().to_arrow())

    @property
    def schema(self) -> pa.Schema:
        """The table's own columns."""
        return pa.schema([f for f in self.stored_schema if not (self.ticked and f.name in STORAGE)])

    def paths(self, *, blocks: Collection[str] | None = None, bounds: Sequence[Bound] = ()) -> list[str]:
        """Return the files that may hold such rows, in the order in which rows are read."""
        found = pa.table(self.delta.get_add_actions(flatten=True)).to_pylist()
        if blocks is not None:
            found = [f for f in found if f[f"partition.{BLOCK}"] in blocks]
        kept = [f for f in found if all(b.may_hold_in(f) for b in bounds)]
        return [f["path"] for f in sorted(kept, key=lambda f: (f.get(f"partition.{BLOCK}", ""), f["path"]))]

    def damages(self) -> list[str]:
        """Return what is wrong with the files of this version, by their sizes and footers."""
        listed = pa.table(self.delta.get_add_actions(flatten=True)).to_pylist()
        found = [
            parquet_files.damage(self.files, f["path"], size=f["size_bytes"], rows=f["num_records"]) for f in listed
        ]
        return [each for each in found if each is not None]

    def require(self, columns: Collection[str]) -> None:
        """Raise NoSuchColumn unless the table has all of ``columns``."""
        have = self.stored_schema.names
        missing = [c for c in columns if c not in have]
        if missing:
            raise NoSuchColumn(f"{self.what} has no column {', '.join(map(repr, missing))}; it has: {', '.join(have)}")

    def rows(
        self,
        columns: Sequence[str],
        *,
        bounds: Sequence[Bound] = (),
        ticks: Sequence[datetime] | None = None,
        blocks: Collection[str] | None = None,
    ) -> pa.Table:
        """Return the rows of ``ticks``, or of ``blocks``, in all bounds: block after block, each as it was written."""
        self.require([*columns, *(b.column for b in bounds), *([TICK] if ticks is not None else [])])
        conditions = [b.expression() for b in bounds]
        if ticks is not None:
            conditions.append(pc.field(TICK).isin(pa.array(ticks, TIMESTAMP)))
            blocks = {block_of(t) for t in ticks}
        paths = self.paths(blocks=blocks, bounds=bounds)
        where = reduce(and_, conditions) if conditions else None
        try:
            return parquet_files.read(self.files, paths, self.stored_schema, columns=columns, where=where)
        except FileNotFoundError as error:
            raise RowsGone(
                f"version {self.number} of {self.what} cannot be read any more, since a file of it is gone: where rows "
                "of it were erased, as the ledger says, for good; otherwise put it back from a backup (mlsys doctor)"
            ) from error

    def select(self) -> str:
        """Return the rows as DuckDB's SQL, over the files by name: on an Arrow dataset its ASOF join hangs."""
        paths = ", ".join("'" + f"{self.place}/{p}".replace("'", "''") + "'" for p in self.paths())
        columns = ", ".join(f'"{name}"' for name in self.schema.names)
        if paths:
            return f"SELECT {columns} FROM read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"  # noqa: S608
        empty = ", ".join(f'CAST(NULL AS {SQL_TYPE[f.type]}) AS "{f.name}"' for f in self.schema)
        return f"SELECT {empty} WHERE false"

    def replace(self, parts: Mapping[str, pa.Table], *, schema: pa.Schema, run_id: str) -> int:
        """Commit new rows in place of what blocks hold, or of everything, and return the new version.

        Parameters
        ----------
        parts
            The rows of each block; of a snapshot, or where ``schema`` is a new one, everything.
        schema
            What the table is stored under from now on.

        Raises CommitFailedError, and changes nothing, if there is a later version than this one;
        WriteFailed if the store refuses.
        """
        from deltalake import CommitProperties, DeltaTable
        from deltalake.exceptions import CommitFailedError, DeltaError

        before, one_table = self.number, not self.ticked or schema != self.stored_schema
        try:
            own = DeltaTable(self.place, version=before, storage_options=self.options)  # others read from self.delta
            new = self._stored(parts)
        except (DeltaError, OSError) as error:
            raise WriteFailed(self.what, error) from error
        self.fence()
        try:
            own.create_write_transaction(
                new,
                "overwrite",
                schema,
                [BLOCK] if self.ticked else [],
                None if one_table else [(BLOCK, "in", sorted(parts))],
                # No rebasing: rows were merged with those of exactly this version.
                commit_properties=CommitProperties(custom_metadata={RUN_ID: run_id}, max_commit_retries=0),
            )
        except CommitFailedError:
            raise
        except (DeltaError, OSError) as error:
            raise WriteFailed(self.what, error) from error
        return self._version_of(run_id, own, after=before)

    def _stored(self, parts: Mapping[str, pa.Table]) -> "list[AddAction | RemoveAction]":
        """Return the new files, which nobody sees before they are committed."""
        from deltalake.transaction import AddAction

        actions: list[AddAction | RemoveAction] = []
        for block, rows in sorted(parts.items()):
            if rows.num_rows:
                folder, values = (f"{BLOCK}={block}/", {BLOCK: block}) if self.ticked else ("", {})
                file = parquet_files.write(self.files, f"{folder}part-{uuid4().hex}.parquet", rows)
                actions.append(AddAction(file.path, file.size, values, file.modified, True, file.statistics))
        return actions

    def _version_of(self, run_id: str, delta: "DeltaTable", *, after: int) -> int:
        """Return the run's version after another, which commits of others may have followed."""
        delta.update_incremental()
        self.committed(delta)
        for commit in delta.history(delta.version() - after):
            if commit.get(RUN_ID) == run_id:
                return int(commit["version"])
        raise RuntimeError(
            f"{self.what} shows no commit of run {run_id!r}, which has just written it: was its log changed?"
        )


def properties(schema: pa.Schema) -> dict[str, str]:
    """Return the properties of a new table: all versions kept, statistics of moments only."""
    moments = [f.name for f in schema if f.type == TIMESTAMP]
    kept = f"interval {KEPT.days} days"
    return {
        "delta.logRetentionDuration": kept,
        "delta.deletedFileRetentionDuration": kept,
        "delta.checkpointInterval": str(CHECKPOINT_EVERY),
        "delta.dataSkippingStatsColumns": ",".join(moments),
    }
