"""The Dagster instance of a state folder: its runs and events in SQLite files there, or in PostgreSQL."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException

from mlsys_resources.database import Database, DatabaseUnavailable
from mlsys_resources.database_urls import same_database
from mlsys_resources.resources import DAGSTER_URL, OPERATIONS_URL, TRACKING_URI

DRIVER = "postgresql+psycopg2"
"""How such a URL begins: Dagster hands it to SQLAlchemy as it is, which would take another driver of its own accord."""
WRITTEN = "# Written by mlsys"
"""How a dagster.yaml begins that is ours to write anew."""

FILES = """\
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config:
    base_dir: {home}/dagster/history
event_log_storage:
  module: mlsys_resources.dagster_storage
  class: PooledSqliteEventLogStorage
  config:
    base_dir: {home}/dagster/history/runs
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config:
    base_dir: {home}/dagster/schedules
"""
SERVER = f"""\
storage:
  postgres:
    postgres_url:
      env: {DAGSTER_URL}      # never written here: it holds a password
"""
INSTANCE = (
    WRITTEN
    + """: the instance of this state folder. Sections left out are Dagster's own.
{storage}local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config:
    base_dir: {home}/dagster
compute_logs:
  module: dagster._core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config:
    base_dir: {home}/dagster/compute_logs
telemetry:
  enabled: false
nux:
  enabled: false              # no form to fill in before the graph is seen
concurrency:
  runs:
    max_concurrent_runs: 1    # a run trains with all cores, and writes what the next one reads
  pools:
    default_limit: 1          # one writer a table, one promotion at a time
run_monitoring:
  enabled: true               # a run that never starts, or never ends, is failed, not waited for
  start_timeout_seconds: 300
  cancel_timeout_seconds: 180
  max_runtime_seconds: 14400  # of runs that are of no job of ours; those say for themselves how long they may take
  free_slots_after_run_end_seconds: 60
"""
)


@contextmanager
def open_instance(home: Path, environment: Mapping[str, str] | None = None) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a state folder, which is made if there is none.

    Parameters
    ----------
    home
        The folder.
    environment
        Where ``MLSYS_DAGSTER_URL`` may name a PostgreSQL database for runs and events; it is read from this process's
        environment again by Dagster itself. Without it, they are SQLite files in the folder.

    Raises NotADirectoryError or PermissionError if the folder cannot be used, FileExistsError if the dagster.yaml there
    is somebody else's, ValueError or DatabaseUnavailable for a URL that is wrong, DatabaseUnavailable if a database
    fails in the midst of the work.
    """
    url = (environment or {}).get(DAGSTER_URL) or None
    if url is not None:
        require_own_database(environment or {})
        require_server(url)
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    _write(home / "dagster.yaml", settings(home, server=url is not None))
    with _lost_clearly(), dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def settings(home: Path, *, server: bool) -> str:
    """Return the dagster.yaml of a state folder, with runs and events on a server or in files there."""
    return INSTANCE.format(home=home, storage=SERVER if server else FILES.format(home=home))


def require_own_database(environment: Mapping[str, str]) -> None:
    """Raise ValueError if Dagster's database is another's too: the tables of each, some of one name, are its own."""
    for other in (TRACKING_URI, OPERATIONS_URL):
        if same_database(environment[DAGSTER_URL], environment.get(other, "")):
            raise ValueError(
                f"{DAGSTER_URL} and {other} name one database, and each keeps tables there that the other would take "
                "for its own; name a database for each"
            )


@contextmanager
def _lost_clearly() -> Iterator[None]:
    """Turn a database's failure in the midst of the work into DatabaseUnavailable."""
    try:
        yield
    except (sa.exc.DBAPIError, DagsterPostgresException) as error:
        said: BaseException = error
        while said.__cause__ is not None:
            said = said.__cause__
        raise DatabaseUnavailable(
            f"a database failed in the midst of the work ({' '.join(str(said).split())}); what was committed stands, "
            "and nothing is half-done: once it answers, start again, and it goes on from there"
        ) from error


def require_server(url: str) -> None:
    """Raise ValueError unless the URL is PostgreSQL's, DatabaseUnavailable unless the server answers."""
    if not url.startswith(f"{DRIVER}://"):
        kind = f"begins with {url.partition('://')[0]!r}" if "://" in url else "is no URL"
        raise ValueError(
            f"{DAGSTER_URL} {kind}; allowed is postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE, or nothing for "
            "files in the state folder"
        )
    database = Database(url, sa.MetaData())
    with database.read():
        pass
    database.close()


def _write(settings: Path, wanted: str) -> None:
    there = settings.read_text() if settings.exists() else ""
    if there == wanted:
        return
    if there and not there.startswith(WRITTEN):
        raise FileExistsError(
            f"{settings} was not written by mlsys, which keeps its own there; nothing was changed: move it away, or "
            "name another folder (--home)"
        )
    fresh = settings.with_suffix(f".{os.getpid()}")
    fresh.write_text(wanted)
    fresh.replace(settings)
