"""The event log written in batches says what Dagster's own, written event by event, says."""

import warnings
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from mlsys_assets.instance import settings
from mlsys_resources.dagster_storage import PooledSqliteEventLogStorage

DAYS = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-01-09")
KEYS = DAYS.get_partition_keys()
OURS = f"{PooledSqliteEventLogStorage.__module__}\n  class: {PooledSqliteEventLogStorage.__name__}"
THEIRS = f"dagster._core.storage.event_log\n  class: {SqliteEventLogStorage.__name__}"


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # as build_definitions does, for backfill policies

    @dg.asset(
        partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), code_version="1",
        check_specs=[dg.AssetCheckSpec("sound", asset="table")],
    )  # fmt: skip
    def table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for key in context.partition_keys:
            context.add_asset_metadata({"rows": int(key[-1])}, partition_key=key)
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="sound")])


def _told(home: Path, *, swap: bool = False) -> dict[str, object]:
    home.mkdir()
    written = settings(home, server=False)
    assert OURS in written
    (home / "dagster.yaml").write_text(written.replace(OURS, THEIRS) if swap else written)
    defs = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("job", [table])])
    with dg.DagsterInstance.from_config(str(home)) as instance:
        ranges = [(KEYS[0], KEYS[-1]), (KEYS[2], KEYS[4])]
        runs = [
            defs.resolve_job_def("job").execute_in_process(
                instance=instance,
                tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
            )
            for first, last in ranges
        ]
        assert all(run.success for run in runs)
        logs = [instance.all_logs(run.run_id) for run in runs]
        events = [
            sorted((str(e.dagster_event.event_type), str(e.dagster_event.partition)) for e in log if e.is_dagster_event)
            for log in logs
        ]
        key = dg.AssetKey("table")
        made = instance.fetch_materializations(dg.AssetRecordsFilter(key), limit=100).records
        last = instance.get_latest_materialization_event(key)
        return {
            "events": events,
            "materializations": sorted(
                (r.partition_key, r.asset_materialization.metadata["rows"].value,
                 r.asset_materialization.tags["dagster/code_version"], runs[1].run_id == r.run_id)
                for r in made
            ),
            "partitions": instance.get_materialized_partitions(key),
            "last": (last.asset_materialization.partition, last.run_id == runs[1].run_id),
            "tags": len(instance.get_event_tags_for_asset(key)),
            "check": str(instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, "sound"), limit=10)[0].status),
        }  # fmt: skip


@pytest.mark.parametrize("batch", ["0", "3", "1000"])
def test_a_batch_says_what_its_events_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: str) -> None:
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    wanted = _told(tmp_path / "theirs", swap=True)
    assert len(wanted["materializations"]) == len(KEYS) + 3
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch)
    assert _told(tmp_path / "ours") == wanted


def test_a_batch_is_written_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing falls back to writing one by one, which Dagster does in silence."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    single: list[str] = []
    store = PooledSqliteEventLogStorage.store_event

    def watched(self: PooledSqliteEventLogStorage, event: dg.EventLogEntry) -> None:
        single.append(str(event.dagster_event.event_type_value if event.is_dagster_event else ""))
        store(self, event)

    monkeypatch.setattr(PooledSqliteEventLogStorage, "store_event", watched)
    _told(tmp_path / "ours")
    assert not {"ASSET_MATERIALIZATION", "ASSET_MATERIALIZATION_PLANNED"} & set(single)


def test_the_database_of_a_later_run_is_as_the_first_was_made(tmp_path) -> None:
    storage = PooledSqliteEventLogStorage(str(tmp_path))
    made = []
    for run in ("first", "second"):
        with storage.run_connection(run) as connection:
            tables = connection.execute(sa.text("SELECT name, sql FROM sqlite_master ORDER BY name")).all()
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()
            mode = connection.execute(sa.text("PRAGMA journal_mode")).all()
            events = connection.execute(sa.text("SELECT count(*) FROM event_logs")).scalar()
        made.append((tables, revision, mode, events))
    storage.dispose()
    assert made[0] == made[1]
    assert sorted(p.name for p in tmp_path.glob("*.db")) == ["first.db", "index.db", "second.db"]
    assert not list(tmp_path.glob(".*"))


def test_a_database_that_another_process_made_is_not_copied_over(tmp_path, monkeypatch) -> None:
    storage = PooledSqliteEventLogStorage(str(tmp_path))
    with storage.run_connection("first"):
        pass
    other = PooledSqliteEventLogStorage(str(tmp_path))
    with other.run_connection("second") as connection:
        connection.execute(sa.text("CREATE TABLE own (x)"))
    there = Path.exists  # as if it was made right after this process had looked
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "second.db" and there(path))
    with storage.run_connection("second") as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM own")).scalar() == 0
    for each in (storage, other):
        each.dispose()
