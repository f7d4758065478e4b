"""The folder that holds all state, and the Dagster instance in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

INSTANCE = """\
# Written by mlsys: the instance of this state folder. Sections left out are Dagster's own.
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
local_artifact_storage:
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
concurrency:
  runs:
    max_concurrent_runs: 2    # a run trains with all cores: more at once only share them
  pools:
    default_limit: 1          # one writer a table, one promotion at a time
run_monitoring:
  enabled: true               # a run that never starts, or never ends, is failed, not waited for
  start_timeout_seconds: 300
  max_runtime_seconds: 14400
"""


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a state folder, which is made if there is none.

    Raises NotADirectoryError or PermissionError if the folder cannot be used.
    """
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    wanted = INSTANCE.format(home=home)
    if not settings.exists() or settings.read_text() != wanted:
        fresh = settings.with_suffix(f".{os.getpid()}")
        fresh.write_text(wanted)
        fresh.replace(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance
