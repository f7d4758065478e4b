"""Evidently's report of a real tick: its files, its link, its check; and what is left of one that fails."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlsys_assets import FixedClock, MLSystem, build_definitions, utc
from mlsys_assets.dagster_adapter import data_report_job
from mlsys_assets.instance import open_instance
from mlsys_assets.production_monitoring import evidently_report as module
from mlsys_assets.production_monitoring.sensors import data_report_sensor
from mlsys_resources.resources import Resources, build_resources

SYSTEMS = Path(__file__).parents[2] / "systems"
TICK, NOW = "2013-03-12", utc("2013-03-19")

FAKE = """
import json, pathlib, sys
import pyarrow as pa
place = pathlib.Path(sys.argv[1])
sides = [pa.ipc.open_file(str(place / f"{name}.arrow")).read_all() for name in ("reference", "current")]
rows = [{"metric": f"ValueDrift(column={name},method=wasserstein,threshold=0.1)", "value": 0.4 * i}
        for i, name in enumerate(sides[1].column_names)]
(place / "report.html").write_text("a page")
(place / "values.json").write_text(json.dumps({"evidently": "0", "metrics": rows, "failed": {}, "notes": {}}))
"""


@pytest.fixture(scope="module")
def rain() -> Iterator[MLSystem]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly", SYSTEMS / "rain_weekly.py")
        lived = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(lived)
        yield lived.rain


@pytest.fixture
def stores(rain_lived: Path, tmp_path: Path) -> Resources:
    shutil.copytree(rain_lived, tmp_path / "home")
    return build_resources({"MLSYS_HOME": str(tmp_path / "home")}, clock=FixedClock(NOW).now)


Reported = tuple[dict[str, Any], dg.AssetCheckEvaluation]


@pytest.fixture
def report(rain: MLSystem, stores: Resources) -> Callable[..., Reported]:
    """Run the job of the report on a tick, and return what the graph shows and what the check says."""
    job = build_definitions(rain, resources=stores).resolve_job_def(data_report_job(rain))

    def run(**config: int) -> Reported:
        asked = {"ops": {"rain__data_report": {"config": config}}} if config else {}
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with open_instance(stores.home) as instance:
            done = job.execute_in_process(instance=instance, partition_key=TICK, run_config={**asked, **quiet})
        (event,) = done.asset_materializations_for_node("rain__data_report")
        (check,) = done.get_asset_check_evaluations()
        return {name: value.value for name, value in event.metadata.items()}, check

    return run


def test_the_files_of_a_tick_are_linked_and_what_evidently_calls_drifted_is_named(
    report, stores: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(module, "CHILD", tmp_path / "fake.py")
    shown, check = report(columns=3)
    folder = stores.home / "reports" / "rain" / TICK
    assert sorted(path.name for path in folder.iterdir()) == ["evidently.html", "evidently.json"]
    assert shown["page"] == (folder / "evidently.html").as_uri()
    assert (folder / "evidently.html").read_text() == "a page"
    names = [
        one["metric"].split("=")[1].split(",")[0]
        for one in json.loads((folder / "evidently.json").read_text())["metrics"]
    ]
    assert len(names) == 4  # three columns, and the score
    assert names[-1] == "score"
    assert names[1] in shown["drifted, says Evidently"]
    assert (check.passed, check.check_name) == (True, "evidently_could_report")
    assert [path.name for path in folder.parent.iterdir()] == [TICK]  # nothing is left beside it


def test_a_child_that_fails_is_a_warning_and_an_earlier_report_goes(
    report, stores: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stores.home / "reports" / "rain" / TICK
    folder.mkdir(parents=True)
    for name in ("evidently.html", "evidently.json"):
        (folder / name).write_text("of last week")
    (tmp_path / "fake.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(module, "CHILD", tmp_path / "fake.py")
    shown, check = report(seconds=1)
    assert "took more than 1 s" in shown["no report"]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert list(folder.iterdir()) == []


@pytest.mark.prove
def test_evidently_reports_on_a_real_tick(report, stores: Resources) -> None:
    shown, check = report()
    assert check.passed, check.description
    values = json.loads((stores.home / "reports" / "rain" / TICK / "evidently.json").read_text())
    assert any("RocAuc" in one["metric"] for one in values["metrics"])
    assert "| column | distance |" in shown["drifted, says Evidently"]
    assert len((stores.home / "reports" / "rain" / TICK / "evidently.html").read_text()) > 1_000_000


def test_the_sensor_asks_once_a_week_for_the_last_tick_that_is_diagnosed(rain: MLSystem, stores: Resources) -> None:
    sensor = data_report_sensor(rain)
    with open_instance(stores.home) as instance:
        context = dg.build_sensor_context(instance=instance, resources={"stores": stores.for_dagster()["stores"]})
        asked = sensor(context)
        assert asked.partition_key == TICK
        again = sensor(context)
    assert isinstance(again, dg.SkipReason)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
