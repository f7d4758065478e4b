"""One SQL database behind a URL: SQLite in WAL mode or PostgreSQL, with the same guarantees."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlsys_resources.database_urls import parsed_url, shown

BUSY_TIMEOUT_S = 30
"""Seconds a SQLite writer waits for another one."""

CONNECT_TIMEOUT_S = 10
"""Seconds to wait for a PostgreSQL server."""

WAL_ATTEMPTS = 50
"""How often the change to WAL is tried: SQLite does not queue for that one lock."""

WAL_PAUSE_S = 0.05
"""Seconds between two of those attempts."""

SCHEMA_LOCK = 0x6D6C737973
"""The PostgreSQL advisory lock under which tables are created ("mlsys")."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DatabaseUnavailable(RuntimeError):
    """The database could not be reached or opened."""


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime as whole microseconds since 1970 UTC: exact and ordered on every backend."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Return the microseconds to store; raises ValueError for a naive datetime."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; give an aware UTC datetime")
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Return the stored moment in UTC."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Database:
    """Opens a URL on first use, creates the tables it is given, and hands out transactions.

    ``guard`` is called first in each write transaction; what it raises ends it with nothing written.
    Raises ValueError for a URL that is neither SQLite nor PostgreSQL.
    """

    def __init__(self, url: str, tables: sa.MetaData, *, guard: Callable[[sa.Connection], None] | None = None) -> None:
        self._url = _supported(url)
        self._tables = tables
        self._guard = guard

    def __repr__(self) -> str:
        return f"Database({shown(self._url.render_as_string(hide_password=False))!r})"

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Hold one consistent view of the database; writing in it is a mistake."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Hold one write transaction: committed on leaving, rolled back on an error."""
        with _write(self._engine) as connection:
            if self._guard is not None:
                self._guard(connection)
            yield connection

    def insert_if_absent(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
        """Insert one row and return True, or return False if any unique key of it is taken."""
        dialect = sqlite if self._is_sqlite else postgresql
        return connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing()).rowcount == 1

    def in_turn(self, connection: sa.Connection, name: str) -> None:
        """Have the write transactions that say this name come one after another: each sees what those before wrote.

        A number that the database counts up then never becomes visible after a larger one.
        """
        if not self._is_sqlite:  # SQLite's BEGIN IMMEDIATE already has one writer at a time
            key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def close(self) -> None:
        """Close the pooled connections; the next use opens new ones."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = self._sqlite_engine() if self._is_sqlite else self._postgresql_engine()
        try:
            self._create_tables(engine)
        except sa.exc.DatabaseError as error:
            engine.dispose()
            raise DatabaseUnavailable(
                f"{self!r} cannot be opened ({str(error.orig).strip()}); check that the server runs, that the"
                " address and the password are right, that the folder can be written, that the file is whole"
                " (mlsys doctor), and that no process stopped in the midst of a write"
            ) from error
        return engine

    def _sqlite_engine(self) -> sa.Engine:
        Path(str(self._url.database)).resolve().parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(self._url, connect_args={"timeout": BUSY_TIMEOUT_S})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _postgresql_engine(self) -> sa.Engine:
        return sa.create_engine(self._url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})

    def _create_tables(self, engine: sa.Engine) -> None:
        with _write(engine) as connection:
            if not self._is_sqlite:  # SQLite's BEGIN IMMEDIATE already keeps others out
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            self._tables.create_all(connection)


@contextlib.contextmanager
def _write(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as idle:
        connection = idle.execution_options(writes=True)
        with connection.begin():
            yield connection


def _supported(url: str) -> sa.URL:
    parsed = parsed_url(url)
    if parsed is None:
        raise ValueError(
            "the database URL cannot be parsed; allowed are sqlite:///… and postgresql://…, what is no letter or digit"
            " in a password written as in a web address (%40 for @)"
        )
    backend = parsed.get_backend_name()
    if backend == "postgres":  # the spelling many hosts give out
        backend = "postgresql"
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg2")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+pysqlite")
    raise ValueError(
        f"a database URL starting {parsed.drivername!r} (database {parsed.database!r}) is not supported;"
        " allowed are sqlite:///<file> and postgresql://…"
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not guessed by the driver
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    _switch_to_wal(connection)


def _switch_to_wal(connection: Any) -> None:
    for attempt in range(1, WAL_ATTEMPTS + 1):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or attempt == WAL_ATTEMPTS:
                raise
            time.sleep(WAL_PAUSE_S)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another wrote meanwhile;
    # one that starts as a writer waits its turn.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
