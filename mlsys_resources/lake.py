"""The lake: versioned tables that change by whole ticks, atomically, and are read as of a moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa

from mlsys_resources import table_erasure
from mlsys_resources.differing_ticks import differing
from mlsys_resources.strict_schema import agree, conform, storable
from mlsys_resources.table_hash import table_hash
from mlsys_resources.table_store import TableStore
from mlsys_resources.table_version import RUN_ID, STORAGE, Bound, TableVersion
from mlsys_resources.tick_rows import (
    BLOCK,
    BLOCK_FIELD,
    TICK,
    TICK_FIELD,
    block_of,
    by_tick,
    combined_hash,
    merged,
    of_ticks,
    tick_hashes,
    utc,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

    from mlsys_resources.table_erasure import Held, Wanted

KNOWN_AT = "known_at"
"""When a row became known: the column that ``known_by`` reads."""
WHOLE = "all"
"""What a rewritten snapshot names in place of its blocks."""

ATTEMPTS = 20
"""How often a write is tried against other writers of the same block before it gives up."""
FIRST_WAIT = 0.02
"""Seconds, about, before the second attempt; doubled for each further one."""
LONGEST_WAIT = 1.0
"""Seconds, at most, between two attempts."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did, for the record of the run that asked for it.

    ``version`` holds the rows written. ``content_hashes`` has one hash a tick (none for a
    snapshot), ``content_hash`` one for everything written. ``blocks_rewritten`` is empty where it
    was all there already: then nothing was committed, and ``version`` is the one it is in.
    """

    version: int
    rows: int
    content_hashes: Mapping[datetime, str]
    content_hash: str
    blocks_rewritten: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table: when it was made, how, and by which run."""

    version: int
    at: datetime
    operation: str
    run_id: str | None


@dataclass(frozen=True)
class Lake:
    """Delta Lake tables (Armbrust et al. 2020), each at ``root/system/table``.

    A table is written by ticks or, as a snapshot, whole. A table of ticks has one file for each
    month in which a tick starts, so that rewriting a tick rewrites one file. There is no append:
    retried, it would count twice. Any number of processes may write; none may be forked from one
    that has used the lake (spawn them).

    Parameters
    ----------
    root
        A folder, or the URL of one in an object store.
    storage_options
        What the object store asks for, under the names of delta-rs.
    fence
        Called right before every commit; raises if the caller may not write any more.
    sleep
        Waits the given number of seconds between two attempts.
    """

    root: str | Path
    storage_options: Mapping[str, str] | None = field(default=None, kw_only=True, hash=False)
    fence: Callable[[], None] | None = field(default=None, kw_only=True)
    sleep: Callable[[float], None] = field(default=time.sleep, kw_only=True)

    def write_ticks(
        self, system: str, table: str, data: pa.Table, *, schema: pa.Schema, ticks: Sequence[datetime], run_id: str
    ) -> Written:
        """Replace exactly the rows of ``ticks`` by ``data``; a tick without rows becomes empty.

        Parameters
        ----------
        data
            The columns of ``schema`` in order, and last ``tick``: the start of the tick a row belongs to.
        schema
            The table's own columns. It may differ from what is stored only if every stored tick is
            among ``ticks``.
        ticks
            The starts of the ticks, aware.
        run_id
            Stands in the commit, and names its version for good.

        Raises SchemaMismatch before anything is written, ValueError for rows of other ticks,
        WriteFailed if the store refuses, and deltalake's CommitFailedError if other writers won
        every attempt.
        """
        what = f"{system}.{table}"
        declared = storable(what, schema, reserved=STORAGE).append(TICK_FIELD)
        new = by_tick(what, conform(what, data, declared), ticks)
        hashes, stored = tick_hashes(new), declared.append(BLOCK_FIELD)

        def attempt() -> tuple[int, Sequence[str]]:
            base = self._store.open_or_create(system, table, stored, run_id)
            _must_be(base, ticked=True)
            blocks = _to_write(base, new, hashes, declared)
            if not blocks:
                return base.number, ()
            return base.replace(blocks, schema=stored, run_id=run_id), sorted(blocks)

        version, rewritten = self._until_committed(run_id, attempt)
        return Written(version, data.num_rows, hashes, combined_hash(hashes), tuple(rewritten))

    def write_snapshot(self, system: str, table: str, data: pa.Table, *, schema: pa.Schema, run_id: str) -> Written:
        """Replace a whole table, and its schema: for reference data and small records.

        Raises as ``write_ticks`` does.
        """
        what = f"{system}.{table}"
        declared = storable(what, schema, reserved=STORAGE)
        rows = conform(what, data, declared)
        said = table_hash(rows)

        def attempt() -> tuple[int, Sequence[str]]:
            base = self._store.open_or_create(system, table, declared, run_id)
            _must_be(base, ticked=False)
            if base.schema == declared and table_hash(base.rows(declared.names)) == said:
                return base.number, ()
            return base.replace({WHOLE: rows}, schema=declared, run_id=run_id), [WHOLE]

        version, rewritten = self._until_committed(run_id, attempt)
        return Written(version, rows.num_rows, {}, said, tuple(rewritten))

    def read(  # noqa: PLR0913 - each narrows what is read
        self,
        system: str,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        known_by: datetime | None = None,
        window: tuple[str, datetime, datetime] | None = None,
        ticks: Sequence[datetime] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Return rows in the order of their ticks, and within a tick as they were written.

        Parameters
        ----------
        columns
            The columns wanted, in order; the table's own, if not given. ``tick`` and ``block`` can be asked for.
        known_by
            Only rows whose ``known_at`` is at or before this moment.
        window
            A column of moments, and the half-open interval [start, end) in which it must lie.
        ticks
            Only rows of the ticks that start at these moments.
        version
            The version to read; the latest, if not given.

        Raises NoSuchTable and NoSuchColumn (both LookupErrors), saying what there is.
        """
        base = self._store.open(system, table, version)
        bounds = [] if known_by is None else [Bound(KNOWN_AT, None, utc(known_by), closed=True)]
        if window is not None:
            column, start, end = window
            bounds.append(Bound(column, utc(start), utc(end), closed=False))
        wanted = base.schema.names if columns is None else columns
        return base.rows(wanted, bounds=bounds, ticks=None if ticks is None else [utc(t) for t in ticks])

    def tick_hashes(
        self, system: str, table: str, *, version: int | None = None, ticks: Sequence[datetime] | None = None
    ) -> dict[datetime, str]:
        """Return the content hash of each tick that has rows, or of each of ``ticks``, as ``write_ticks`` gave it."""
        base = self._store.open(system, table, version)
        _must_be(base, ticked=True)
        chosen = None if ticks is None else [utc(t) for t in ticks]
        rows = base.rows([*base.schema.names, TICK], ticks=chosen)
        return tick_hashes(by_tick(base.what, rows, rows[TICK].unique().to_pylist() if chosen is None else chosen))

    def apart(self, system: str, table: str, before: int, after: int) -> tuple[pa.Table, pa.Table]:
        """Return of two versions the rows of the ticks in which they differ, ``tick`` last; of a snapshot all rows."""
        return differing(self._store.open(system, table, before), self._store.open(system, table, after))

    def held(self, system: str, table: str, wanted: "Wanted") -> "Held | None":
        """Return where in all versions of a table rows stand that are to be erased; None if nowhere."""
        latest = self._store.open(system, table)
        versions = (self._store.open(system, table, number) for number in range(latest.number + 1))
        return table_erasure.held(latest, versions, wanted)

    def keys_of(self, system: str, table: str, wanted: "Wanted", key: str) -> set[str]:
        """Return what a column holds in the rows, of all versions of a table, that are to be erased by their value."""
        return table_erasure.keys_of(self._store.open(system, table), wanted, key)

    def erase(self, system: str, table: str, wanted: "Wanted", *, run_id: str) -> list[str]:
        """Take rows out of a table for good, and return the files that held them, which are deleted.

        A commit takes them out of the latest version; earlier ones that held any can never be read again. Done again
        after it was cut short, it goes on. Raises as ``write_ticks`` does.
        """

        def attempt() -> tuple[int, Sequence[str]]:
            base = self._store.open(system, table)
            parts = table_erasure.remaining(base, wanted)
            return (base.replace(parts, schema=base.stored_schema, run_id=run_id) if parts else base.number), ()

        self._until_committed(run_id, attempt)
        return table_erasure.delete_files(self._store.open(system, table), wanted)

    def version(self, system: str, table: str) -> int:
        """Return the number of the table's latest version."""
        return self._store.open(system, table).number

    def schema(self, system: str, table: str, *, version: int | None = None) -> pa.Schema:
        """Return the table's own columns."""
        return self._store.open(system, table, version).schema

    def history(self, system: str, table: str) -> tuple[Commit, ...]:
        """Return every version of the table, the newest first."""
        return tuple(
            Commit(c["version"], datetime.fromtimestamp(c["timestamp"] / 1000, UTC), c["operation"], c.get(RUN_ID))
            for c in self._store.open(system, table).delta.history()
        )

    def tables(self, system: str) -> tuple[str, ...]:
        """Return the names of a system's tables, sorted; none for a system that has none."""
        return self._store.names(system)

    def has(self, system: str, table: str) -> bool:
        """Return whether a system has a table."""
        return self._store.has(system, table)

    def systems(self) -> tuple[str, ...]:
        """Return the names of all systems that have tables, sorted."""
        return self._store.systems()

    def damages(self, system: str, table: str) -> list[str]:
        """Return what is wrong with the files of a table's latest version, by their sizes and footers."""
        return self._store.open(system, table).damages()

    def lost(self, system: str) -> tuple[str, ...]:
        """Return the names of what was a table of a system once, and has rows but no log."""
        return self._store.lost(system)

    def relation(
        self, connection: "DuckDBPyConnection", system: str, table: str, *, version: int | None = None
    ) -> "DuckDBPyRelation":
        """Make a version of a table the view ``system.table`` of a DuckDB connection, and return it.

        The view stands still: it shows this version whatever is written later.
        """
        base = self._store.open(system, table, version)
        name = f'"{system}"."{table}"'  # both are identifiers, or the table would not have opened
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{system}"')
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {base.select()}")
        return connection.sql(f"FROM {name}")

    @property
    def _store(self) -> TableStore:
        return TableStore(self.root, storage_options=self.storage_options, fence=self.fence)

    def _until_committed(
        self, run_id: str, attempt: Callable[[], tuple[int, Sequence[str]]]
    ) -> tuple[int, Sequence[str]]:
        """Return what the first attempt gives that no other writer forestalls."""
        from deltalake.exceptions import CommitFailedError

        jitter = Random(run_id)  # noqa: S311 - two runs must not wait in step; no secret
        for n in range(ATTEMPTS - 1):
            try:
                return attempt()
            except CommitFailedError:
                self.sleep(min(FIRST_WAIT * 2**n, LONGEST_WAIT) * jitter.uniform(0.5, 1.0))
        return attempt()


def _must_be(base: TableVersion, *, ticked: bool) -> None:
    if base.ticked is not ticked:
        kinds = {True: "written by ticks", False: "a snapshot, written whole"}
        raise ValueError(f"{base.what} is {kinds[base.ticked]}, and was used as if it were {kinds[ticked]}")


def _to_write(
    base: TableVersion, new: Mapping[datetime, pa.Table], hashes: Mapping[datetime, str], declared: pa.Schema
) -> dict[str, pa.Table]:
    """Return the rows of each block that changes: of all, if they now have another schema."""
    stored = base.stored_schema.remove(base.stored_schema.get_field_index(BLOCK))
    whole = stored != declared
    if whole and not set(base.rows([TICK])[TICK].unique().to_pylist()) <= new.keys():
        agree(base.what, declared, stored, advice="write every stored tick again at once, or use another table")
    blocks = {}
    for block in sorted({block_of(tick) for tick in new}):
        parts = {tick: rows for tick, rows in new.items() if block_of(tick) == block}
        old = declared.empty_table() if whole else base.rows(declared.names, blocks=[block])
        if whole or tick_hashes(of_ticks(old, list(parts))) != {tick: hashes[tick] for tick in parts}:
            blocks[block] = merged(old, parts)
    return blocks
