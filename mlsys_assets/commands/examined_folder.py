"""A state folder as the doctor sees it: its databases in copies, because to open one as usual changes it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlsys_resources import record_audit, sqlite_files
from mlsys_resources.database import Database
from mlsys_resources.database_urls import told_to_look
from mlsys_resources.folder_lock import Holder
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.operations_tables import METADATA
from mlsys_resources.resources import Resources

READ_ONLY = "-c default_transaction_read_only=on"
"""What a PostgreSQL server is told, so that it refuses writes of somebody who only looks."""


@dataclass(frozen=True)
class ExaminedFolder:
    """What is looked at.

    Parameters
    ----------
    stores
        As the environment names them.
    scratch
        A folder for the copies.
    wanted
        The one system to look at; all if none is given.
    live
        Whether somebody owns the folder.
    holder
        Who does, or did when it died.
    """

    stores: Resources
    scratch: Path
    wanted: str | None
    live: bool
    holder: Holder | None

    @property
    def home(self) -> Path:
        """The folder."""
        return self.stores.home

    @property
    def record_file(self) -> Path | None:
        """The operations store's file, if it is one."""
        return _sqlite_file(self.stores.operations_url)

    @property
    def mirror_file(self) -> Path | None:
        """MLflow's database file, if it is one."""
        return _sqlite_file(self.stores.tracking_uri)

    @cached_property
    def database(self) -> Database:
        """The record, row by row."""
        return Database(self._record, METADATA)

    @cached_property
    def operations(self) -> OperationsStore:
        """The record, as everybody reads it."""
        return OperationsStore(self._record, clock=self.stores.clock)

    @cached_property
    def models(self) -> ModelStore:
        """The models' files as they lie there, and what MLflow says of them."""
        file, stores = self.mirror_file, self.stores
        uri = told_to_look(stores.tracking_uri, READ_ONLY) if file is None else self._copy(file)
        return ModelStore(uri, operations=self.operations, artifact_root=stores.artifact_root, clock=stores.clock)

    def recorded(self) -> tuple[str, ...]:
        """Return the systems that have a record; none if there is no record yet."""
        if self.record_file is not None and not self.record_file.exists():
            return ()
        return record_audit.systems(self.database)

    def chosen(self, systems: tuple[str, ...]) -> list[str]:
        """Return those of the systems that are to be looked at."""
        return [name for name in systems if self.wanted in (None, name)]

    def close(self) -> None:
        """Close the copies."""
        for name in ("database", "operations"):
            if name in self.__dict__:
                self.__dict__[name].close()

    @cached_property
    def _record(self) -> str:
        if (file := self.record_file) is not None:
            return self._copy(file)
        return told_to_look(self.stores.operations_url, READ_ONLY)

    def _copy(self, file: Path) -> str:
        return f"sqlite:///{sqlite_files.copied(file, self.scratch, live=self.live)}"


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None
