"""The same six weeks, driven by a real daemon: its schedule and sensors on, the clock simulated."""

import json
import re
import signal
import time
import urllib.request

import psutil

PATIENCE_S = 600


def test_a_real_daemon_decides_as_the_replay_does(six_weeks, mlsys, tmp_path) -> None:
    with mlsys(tmp_path, "up", "--port", "0", "--mlflow-port", "0") as services:
        try:
            (dagster,) = re.findall(r"(http://\S+)\s+Dagster", _until(services, "Ctrl-C"))
            with mlsys(tmp_path, "clock", "rain", "--to", "2013-04-16") as moved:
                assert "2013-04-16 00:00" in moved.communicate()[0]
            end = time.monotonic() + PATIENCE_S
            while (said := _ledger(mlsys, tmp_path)) != six_weeks.hash and time.monotonic() < end:
                assert services.poll() is None
                time.sleep(3)
            assert said == six_weeks.hash
            assert _instigators(dagster) == {
                "rain_arbiter": "RUNNING",
                "rain_catch_up": "RUNNING",
                "rain_clock": "STOPPED",
                "rain_retrain_by_drift": "RUNNING",
                "rain_retrain_by_label_volume": "RUNNING",
                "rain_retrain_by_performance_drop": "RUNNING",
                "rain_tick": "RUNNING",
            }
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


def _ledger(mlsys, home) -> str:
    with mlsys(home, "ledger", "rain", "--hash") as process:
        return process.communicate()[0].strip()


GRAPH = """{repositoriesOrError {... on RepositoryConnection {nodes {
  schedules {name scheduleState {status}} sensors {name sensorState {status}}}}}}"""


def _instigators(dagster: str) -> dict[str, str]:
    asked = urllib.request.Request(
        f"{dagster}/graphql", json.dumps({"query": GRAPH}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        (found,) = json.load(answer)["data"]["repositoriesOrError"]["nodes"]
    states = {s["name"]: s["scheduleState"]["status"] for s in found["schedules"]}
    return dict(sorted((states | {s["name"]: s["sensorState"]["status"] for s in found["sensors"]}).items()))
