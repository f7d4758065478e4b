"""Dagster's SQLite event log, with its connections kept open.

As shipped, each event opens two to four connections and closes them, and every close of the last one
writes the journal back and waits for the disk: 20 to 70 ms an event, most of a run's time. Kept open
and waiting for the disk only at checkpoints, an event costs a few milliseconds. A killed process loses
nothing by it; a power cut may lose the last events, never the log's integrity (SQLite, "PRAGMA
synchronous": WAL mode with NORMAL).
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

OPEN_SHARDS = 8
"""Databases kept open: the index and the runs of late; each run has a database of its own."""


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """The event log that Dagster keeps by default, in the same files, faster."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage that ``dagster.yaml`` describes."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            engine = sa.create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            )
            sa.event.listen(engine, "connect", _wait_for_the_disk_at_checkpoints_only)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > OPEN_SHARDS:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return self._engines[shard]

    def dispose(self) -> None:
        """Close every connection."""
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def _wait_for_the_disk_at_checkpoints_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
