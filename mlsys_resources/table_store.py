"""Where tables lie, and which there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import fs

from mlsys_resources.names import identifier, inside
from mlsys_resources.opened_tables import OpenedTables
from mlsys_resources.table_version import RUN_ID, TableVersion, WriteFailed, properties
from mlsys_resources.tick_rows import BLOCK

if TYPE_CHECKING:
    from deltalake import DeltaTable


_OPENED = OpenedTables()
LARGEST_VERSION = 10**6
"""No table has so many; delta-rs counts up to the one it is asked for, which for a mistyped one may take for ever."""


class NoSuchTable(LookupError):
    """A table, or a version of one, was asked for that is not there."""


@dataclass(frozen=True)
class TableStore:
    """Delta tables at ``root/system/table``; both names are identifiers or refused.

    Parameters
    ----------
    root
        A folder, or the URL of one in an object store.
    storage_options
        What the object store asks for, under the names of delta-rs.
    fence
        Called right before every commit; raises if the caller may not write any more.
    """

    root: str | Path
    storage_options: Mapping[str, str] | None = None
    fence: Callable[[], None] | None = None

    def systems(self) -> tuple[str, ...]:
        """Return the names of the systems that have a folder, sorted."""
        return tuple(self._folders())

    def names(self, system: str) -> tuple[str, ...]:
        """Return the names of a system's tables, sorted; none for a system that has none."""
        return tuple(n for n in self._folders(system) if self.has(system, n))

    def has(self, system: str, table: str) -> bool:
        """Return whether a system has a table: without a look at its others."""
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(self._place(system, table), self._options))

    def lost(self, system: str) -> tuple[str, ...]:
        """Return the names of folders that hold rows and no table: its log is gone."""
        tables = self.names(system)
        rows = fs.FileSelector("", recursive=True)
        return tuple(
            n
            for n in self._folders(system)
            if n not in tables and any(f.extension == "parquet" for f in self._files(system, n).get_file_info(rows))
        )

    def open(self, system: str, table: str, version: int | None = None) -> TableVersion:
        """Return a version of a table, the latest if not given; raises NoSuchTable, naming what there is."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        place, what = self._place(system, table), f"{system}.{table}"
        if not self._remote and (kept := _OPENED.find(place, version)) is not None:
            return self._loaded(kept, place, what)
        try:
            if version is not None and version > LARGEST_VERSION:
                raise OverflowError(version)
            delta = DeltaTable(place, version=version, storage_options=self._options)
        except TableNotFoundError as error:
            there = ", ".join(self.names(system)) or "nothing yet"
            raise NoSuchTable(f"the lake has no table {what}; {system} has: {there}") from error
        except (DeltaError, OverflowError) as error:
            if version is None:
                raise
            latest = self.open(system, table).number
            raise NoSuchTable(f"{what} has no version {version}; it has 0 to {latest}") from error
        if version is None:
            self._keep(place, delta)
        return self._loaded(delta, place, what)

    def open_or_create(self, system: str, table: str, schema: pa.Schema, run_id: str) -> TableVersion:
        """Return the latest version of a table; the empty table of this schema, if there was none."""
        from deltalake import CommitProperties, DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return self.open(system, table)
        except NoSuchTable:
            self._check_fence()
        place = self._place(system, table)
        try:
            delta = DeltaTable.create(
                place,
                schema,
                partition_by=[BLOCK] if BLOCK in schema.names else None,
                configuration=properties(schema),
                storage_options=self._options,
                commit_properties=CommitProperties(custom_metadata={RUN_ID: run_id}),
            )
        except (DeltaError, OSError) as error:
            if not self.has(system, table):
                raise WriteFailed(f"{system}.{table}", error) from error
            return self.open(system, table)  # another writer was faster
        return self._loaded(delta, place, f"{system}.{table}")

    def _loaded(self, delta: "DeltaTable", place: str, what: str) -> TableVersion:
        """Return the version that was opened; its place is looked up but once, a fifth of what a small read takes."""
        files, keep = self._files_at(place), partial(self._keep, place)
        return TableVersion(what, place, delta, files, self._check_fence, self._options, keep)

    def _keep(self, place: str, delta: "DeltaTable") -> None:
        if not self._remote:
            _OPENED.keep(place, delta)

    def _folders(self, *names: str) -> list[str]:
        from deltalake.exceptions import TableNotFoundError

        try:
            found = self._files(*names).get_file_info(fs.FileSelector("", allow_not_found=True))
        except (TableNotFoundError, FileNotFoundError):  # so says delta-rs; and Arrow, of one made while it looks twice
            return []
        return sorted(f.base_name for f in found if f.type == fs.FileType.Directory and f.base_name.isidentifier())

    def _place(self, *names: str) -> str:
        """Return the folder or URL of a system or a table."""
        parts = [identifier(n) for n in names]
        return "/".join([str(self.root).rstrip("/"), *parts]) if self._remote else str(inside(self.root, *parts))

    def _files(self, *names: str) -> fs.FileSystem:
        """Return the files below a system's or a table's folder."""
        return self._files_at(self._place(*names))

    def _files_at(self, place: str) -> fs.FileSystem:
        if not self._remote:
            return fs.SubTreeFileSystem(place, fs.LocalFileSystem())
        from deltalake.fs import DeltaStorageHandler

        return fs.PyFileSystem(DeltaStorageHandler(place, self._options))

    @property
    def _remote(self) -> bool:
        return "://" in str(self.root)

    @property
    def _options(self) -> dict[str, str] | None:
        return dict(self.storage_options) if self.storage_options else None

    def _check_fence(self) -> None:
        if self.fence is not None:
            self.fence()
