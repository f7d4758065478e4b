"""A connection to MLflow that answers or fails in bounded time, and starts a new store safely."""

import contextlib
import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa

from mlsys_resources.database import CONNECT_TIMEOUT_S
from mlsys_resources.database_urls import secrets_of, shown

MOST_SHOWN = 500
"""Characters of an underlying error that a message repeats."""

MLFLOW_AND_BELOW = frozenset({"mlflow", "psycopg2", "requests", "sqlalchemy", "sqlite3", "urllib3"})
"""The packages whose errors mean that MLflow, or what it stands on, did not do its part."""


FIRST_START_LOCK = 0x6D6C666C6F77
"""The PostgreSQL advisory lock under which MLflow's tables are created ("mlflow")."""


class ModelStoreError(RuntimeError):
    """The model store could not do what was asked, and left nothing half-registered."""


@dataclass(frozen=True, slots=True)
class HttpBounds:
    """How long one request to an MLflow server may take: ``timeout_s`` a try, ``retries`` more tries."""

    timeout_s: int = 20
    retries: int = 2
    backoff_s: int = 1


def connect(tracking_uri: str, bounds: HttpBounds) -> Any:
    """Return an ``MlflowClient``; the first start of a database is made by one process at a time.

    Raises ModelStoreError where the store cannot be opened.
    """
    _configure(bounds)
    # Each first start would be told twice, on everybody's terminal.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    uri = driver_uri(tracking_uri)
    with warnings.catch_warnings():
        # MLflow 3.17 maps some tables with an option that SQLAlchemy 2.1 wants gone.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        from mlflow.tracking import MlflowClient

        with failing_clearly(tracking_uri, "the model store could not be opened"), _first_start(uri):
            return MlflowClient(uri, uri)  # creates the tables of a new database


def is_http(tracking_uri: str) -> bool:
    """Return whether the URI names an MLflow server, not a database."""
    return urlsplit(tracking_uri).scheme in ("http", "https")


def driver_uri(tracking_uri: str) -> str:
    """Return the URI with PostgreSQL's driver spelled out: SQLAlchemy 2.1 would take one that is not installed."""
    scheme, separator, rest = tracking_uri.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") and separator else tracking_uri


def pages(tracking_uri: str) -> str:
    """Return where people open the pages of an MLflow server, to which they log in by themselves.

    >>> pages("https://ann:secret@models.example:8443/mlflow/")
    'https://models.example:8443/mlflow'
    """
    parts = urlsplit(tracking_uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


@contextlib.contextmanager
def failing_clearly(tracking_uri: str, what: str) -> Iterator[None]:
    """Turn an error of MLflow, its database, its server or the disk into a ModelStoreError that begins with ``what``.

    Other errors, callers' mistakes among them, pass as they are.
    """
    try:
        yield
    except Exception as error:
        origin = type(error).__module__.partition(".")[0]
        if origin in MLFLOW_AND_BELOW:
            advice = f"check that MLflow at {shown(tracking_uri)} runs and that the address is right"
        elif isinstance(error, OSError):
            advice = "check the disk's space and the rights in its folders"
        else:
            raise
        found = _without_secrets(f"{type(error).__name__}: {error}", tracking_uri)
        raise ModelStoreError(f"{what} ({found:.{MOST_SHOWN}}); {advice}, then run the step again") from error


def _without_secrets(text: str, tracking_uri: str) -> str:
    for secret in secrets_of(tracking_uri):
        text = text.replace(secret, "***")
    return text


def _configure(bounds: HttpBounds) -> None:
    # MLflow takes these from the process environment only, and some of them when it is imported.
    os.environ.update(  # noqa: TID251
        MLFLOW_HTTP_REQUEST_TIMEOUT=str(bounds.timeout_s),
        MLFLOW_HTTP_REQUEST_MAX_RETRIES=str(bounds.retries),
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR=str(bounds.backoff_s),
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    )


@contextlib.contextmanager
def _first_start(uri: str) -> Iterator[None]:
    if not uri.startswith("sqlite:///"):
        with contextlib.nullcontext() if is_http(uri) else _alone(uri):  # a server is started once, by its deployment
            yield
        return
    import fcntl

    file = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists() or not file.stat().st_size:
            _make(file)
        _switch_to_wal(file)
        yield


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let others that start the same PostgreSQL database wait; one that does not answer is not asked for a minute."""
    engine = sa.create_engine(uri, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(FIRST_START_LOCK)))
        yield


def _make(file: Path) -> None:
    """Make MLflow's database aside and put it in place whole.

    MLflow makes it by some fifty migrations, each in several commits on SQLite, and cannot go on from the midst of one:
    a process killed there would leave a store that never opens again. They take seconds: a further store of this
    process begins with the tables of the first.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    new = file.with_name(f"{file.name}.new")
    for each in (file, new):  # an earlier attempt, and what SQLite itself drops beside a database that is not there
        for ending in ("", "-journal", "-wal", "-shm"):
            each.with_name(each.name + ending).unlink(missing_ok=True)
    if _tables:
        new.write_bytes(_tables[0])
    SqlAlchemyStore(f"sqlite:///{new}", str(file.with_name("mlartifacts"))).engine.dispose()
    if not _tables:
        _tables.append(_without_experiments(new))
    _switch_to_wal(new)
    new.replace(file)


_tables: list[bytes] = []
"""MLflow's database with nothing in it, once this process has made one."""


def _without_experiments(file: Path) -> bytes:
    """Return a new database without the experiment that MLflow begins with, which names a place for its files."""
    with contextlib.closing(sqlite3.connect(file)) as database, contextlib.closing(sqlite3.connect(":memory:")) as copy:
        database.backup(copy)
        copy.execute("DELETE FROM experiments")
        copy.commit()
        return copy.serialize()


def _switch_to_wal(file: Path) -> None:
    """Leave SQLite's slow mode, in which MLflow starts it, and where every reader stops every writer."""
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("PRAGMA journal_mode = WAL")
