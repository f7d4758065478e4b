"""The same weeks, driven by a real daemon: its schedule and sensors on, the clock simulated."""

import json
import re
import signal
import time
import urllib.request
from dataclasses import replace

import psutil
import pytest

from mlsys_assets import utc

PATIENCE_S = 600
UNTIL = "2013-04-16"


@pytest.mark.prove
def test_a_real_daemon_decides_as_the_replay_does(six_weeks, mlsys, tmp_path) -> None:
    with mlsys(tmp_path, "up", "--port", "0", "--mlflow-port", "0") as services:
        try:
            told = _until(services, "Ctrl-C")
            (dagster,), (mlflow,) = (re.findall(rf"(http://\S+)\s+{name}", told) for name in ("Dagster", "MLflow"))
            with mlsys(tmp_path, "clock", "rain", "--to", UNTIL) as moved:
                assert f"{UNTIL} 00:00" in moved.communicate()[0]
            end = time.monotonic() + PATIENCE_S
            life, wanted = replace(six_weeks, folder=tmp_path), six_weeks.decisions(until=utc(UNTIL))
            while life.decisions() != wanted and time.monotonic() < end:
                assert services.poll() is None
                time.sleep(1)
            assert life.decisions() == wanted
            assert _instigators(dagster) == {
                "rain_alerts": "RUNNING",
                "rain_data_report": "STOPPED",
                "rain_arbiter": "RUNNING",
                "rain_catch_up": "RUNNING",
                "rain_clock": "STOPPED",
                "rain_retrain_by_drift": "RUNNING",
                "rain_retrain_by_label_volume": "RUNNING",
                "rain_retrain_by_performance_drop": "RUNNING",
                "rain_tick": "RUNNING",
                "reaper": "RUNNING",
            }
            _compared_in_mlflow(mlflow, life)
            with mlsys(tmp_path, "run", "rain") as second:
                assert "mlsys up" in second.communicate()[1]
                assert second.returncode == 1
        finally:
            family = psutil.Process(services.pid).children(recursive=True)
            services.send_signal(signal.SIGINT)
            services.communicate()
    assert psutil.wait_procs(family, timeout=10)[1] == []


def _until(process, text: str) -> str:
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(said + process.stderr.read())


def _compared_in_mlflow(mlflow: str, life) -> None:
    """Its server finds the champions and the challengers, with what the gate said."""
    found = {role: _runs(mlflow, f"tags.role = '{role}'") for role in ("champion", "challenger")}
    promoted = list(life.said("promotion", "champion").values()).count("promoted")
    assert len(found["champion"]) == promoted >= 1
    assert sorted(run["gate"] for run in found["challenger"]) == sorted(life.said("gate", "champion").values())


def _runs(mlflow: str, text: str) -> list[dict[str, str]]:
    (rain,) = [e for e in _asked(f"{mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 10})["experiments"]
               if e["name"] == "rain"]  # fmt: skip
    query = {"experiment_ids": [rain["experiment_id"]], "filter": text}
    runs = _asked(f"{mlflow}/api/2.0/mlflow/runs/search", query)["runs"]
    return [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in runs]


def _asked(address: str, question: dict) -> dict:
    asked = urllib.request.Request(address, json.dumps(question).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


GRAPH = """{repositoriesOrError {... on RepositoryConnection {nodes {
  schedules {name scheduleState {status}} sensors {name sensorState {status}}}}}}"""


def _instigators(dagster: str) -> dict[str, str]:
    (found,) = _asked(f"{dagster}/graphql", {"query": GRAPH})["data"]["repositoriesOrError"]["nodes"]
    states = {s["name"]: s["scheduleState"]["status"] for s in found["schedules"]}
    return dict(sorted((states | {s["name"]: s["sensorState"]["status"] for s in found["sensors"]}).items()))
