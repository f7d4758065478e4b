"""The services of a state folder, for real: they work together, and nothing of them is left."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from mlsys_assets import utc
from mlsys_assets.commands.up import Places, _beats, places, services_of
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.run_log import RunLog

PATIENCE_S = 300.0
JULY = utc("2013-07-01")
COMMAND = [sys.executable, "-m", "mlsys_assets.cli", "up"]

# -- what is started ------------------------------------------------------------------------------


def resources(home: Path, **env: str) -> Resources:
    return build_resources({"MLSYS_HOME": str(home), **env}, clock=lambda: JULY)


def test_every_service_works_on_the_one_state_folder_and_listens_on_this_machine(tmp_path: Path) -> None:
    at = Places("127.0.0.1", 3000, 5000, resources(tmp_path, DAGSTER_HOME="/elsewhere"))
    webserver, daemon, mlflow = services_of(at, JULY)
    for service in (webserver, daemon, mlflow):
        env = service.environment
        assert (env["MLSYS_HOME"], env["DAGSTER_HOME"]) == (str(tmp_path), str(tmp_path))
        assert env["MLSYS_MLFLOW_UI"] == "http://127.0.0.1:5000"
        assert env["DAGSTER_DISABLE_TELEMETRY"]
    for service, port in ((webserver, "3000"), (mlflow, "5000")):
        options = dict(zip(service.command, service.command[1:], strict=False))
        assert (options["--host"], options["--port"]) == ("127.0.0.1", port)
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert mlflow.environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == f"file://{tmp_path}/mlartifacts"


def test_an_mlflow_server_that_is_there_is_used(tmp_path: Path) -> None:
    at = places(resources(tmp_path, MLSYS_TRACKING_URI="https://models.example"), host="::1", port=0, mlflow_port=-1)
    assert [service.name for service in services_of(at, JULY)] == ["dagster-webserver", "dagster-daemon"]
    assert at.dagster == f"http://[::1]:{at.port}"
    assert at.mlflow == "https://models.example"


def test_links_go_where_the_environment_says(tmp_path: Path) -> None:
    at = Places("localhost", 3000, 5000, resources(tmp_path, MLSYS_MLFLOW_UI="https://tunnel.example"))
    assert at.mlflow == services_of(at, JULY)[0].environment["MLSYS_MLFLOW_UI"] == "https://tunnel.example"


def test_a_password_is_not_among_the_arguments_that_everybody_can_read(tmp_path: Path) -> None:
    at = Places("localhost", 3000, 5000, resources(tmp_path, MLSYS_TRACKING_URI="postgresql://me:secret@there/mlflow"))
    services = services_of(at, JULY)
    assert not any("secret" in part for service in services for part in service.command)
    assert not any("secret" in repr(service) for service in services)
    assert services[-1].environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql+psycopg2://me:secret@there/mlflow"


@pytest.mark.parametrize(
    ("statuses", "works"),
    [
        ([], False),
        ([(True, True, 1.0), (True, True, 0.0)], True),
        ([(True, True, 1.0), (True, False, 1.0)], False),
        ([(True, True, 1.0), (True, True, -1.0)], False),  # the heartbeat of the time before
        ([(True, True, 1.0), (True, False, None)], False),
        ([(True, True, 1.0), (False, False, None)], True),
    ],
)
def test_the_daemon_works_once_all_that_is_needed_says_so(statuses: list[tuple[Any, ...]], works: bool) -> None:
    told = [
        {"required": required, "healthy": healthy, "lastHeartbeatTime": None if s is None else JULY.timestamp() + s}
        for required, healthy, s in statuses
    ]
    answer = {"data": {"instance": {"daemonHealth": {"allDaemonStatuses": told}}}}
    assert _beats(json.dumps(answer).encode(), JULY) is works
    assert not _beats(None, JULY)
    assert not _beats(b'{"data": null, "errors": [{"message": "database is locked"}]}', JULY)


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", "0", "--mlflow-port", str(port), "--home", str(tmp_path / "home")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"mlsys: --mlflow-port {port} cannot be listened on at 127.0.0.1")
    assert not {"service_logs", "mlflow.db"} & {p.name for p in (tmp_path / "home").iterdir()}


# -- the whole ------------------------------------------------------------------------------------

GRAPH = """{
  assetNodes {assetKey {path}}
  repositoriesOrError {... on RepositoryConnection {nodes {
    location {name}
    schedules {name scheduleState {status}}
    sensors {name sensorState {status}}
  }}}
  runsOrError {... on Runs {results {runId status pipelineName}}}
  instance {daemonHealth {allDaemonStatuses {daemonType healthy required}}}
}"""


SENSORS = (
    "flights_retrain_by_label_volume", "flights_retrain_by_performance_drop", "flights_retrain_by_drift",
    "flights_arbiter", "flights_catch_up", "flights_alerts", "reaper",
)  # fmt: skip


@dataclass
class Up:
    process: "subprocess.Popen[str]"
    home: Path
    said: Path
    dagster: str
    mlflow: str

    @property
    def family(self) -> list[psutil.Process]:
        """The services, what they started, and what these left behind: all that works on the folder."""
        return [p for p in psutil.process_iter() if self._works_here(p)]

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MLSYS_HOME") == str(self.home)
        except psutil.Error:
            return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """The command, running on a fresh home from another working folder."""
    # Without what keeps the tests' own Dagster quiet, so that the command has to; and nothing leaves the machine.
    env = {k: v for k, v in os.environ.items() if not k.startswith("DAGSTER_")}
    env |= {"DAGSTER_TELEMETRY_URL": "http://127.0.0.1:1", "PYTHONPATH": str(Path(__file__).parents[2])}
    home, said = tmp_path / "home", tmp_path / "said.txt"
    (tmp_path / "elsewhere").mkdir()
    with said.open("w") as out:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--mlflow-port", "0", "--home", str(home)],
            stdout=out, stderr=subprocess.STDOUT, text=True, env=env, cwd=tmp_path / "elsewhere",
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE_S
        while "Ctrl-C" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.2)
        urls = re.findall(r"^ +(http://127\.0\.0\.1:\d+) +(Dagster|MLflow):", said.read_text(), flags=re.MULTILINE)
        found = {name: url for url, name in urls}
        yield Up(process, home, said, found["Dagster"], found["MLflow"])
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)


def ask(url: str, question: dict[str, Any] | None = None, **headers: str) -> Any:
    data = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def refused_by_name(up: Up) -> None:
    """Hold that nobody else runs on the folder, or deletes it, while the services do."""
    before = sorted(p.name for p in up.home.iterdir())
    for more in ([], ["--fresh"]):
        done = subprocess.run(
            [sys.executable, "-m", "mlsys_assets.cli", "run", "--until", "2013-07-08", *more, "--home", str(up.home)],
            capture_output=True, text=True, check=False, cwd=up.said.parent,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert re.match(rf"mlsys: .*{up.home}.* mlsys up \(?.*{up.process.pid}", done.stderr), done.stderr
    assert set(before) <= {p.name for p in up.home.iterdir()}


def test_the_services_work_together_and_nothing_of_them_is_left(up: Up) -> None:
    told = ask(f"{up.dagster}/graphql", {"query": GRAPH})["data"]
    assert {"schedule", "labels", "features", "predictions"} <= {n["assetKey"]["path"][-1] for n in told["assetNodes"]}
    (repository,) = told["repositoriesOrError"]["nodes"]
    assert {s["name"]: s["scheduleState"]["status"] for s in repository["schedules"]} == {
        "flights_tick": "RUNNING", "flights_clock": "STOPPED",
    }  # fmt: skip
    assert {s["name"]: s["sensorState"]["status"] for s in repository["sensors"]} == dict.fromkeys(
        SENSORS, "RUNNING"
    ) | {"flights_data_report": "STOPPED"}
    # What is due on a fresh folder is asked for at once: the ticks before the first champion, and nothing else.
    assert {run["pipelineName"] for run in told["runsOrError"]["results"]} <= {"flights_tick"}
    assert len(told["runsOrError"]["results"]) <= 1
    daemons = {d["daemonType"]: d["healthy"] for d in told["instance"]["daemonHealth"]["allDaemonStatuses"]}
    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "BACKFILL", "ASSET", "MONITORING"} <= daemons.keys()
    assert all(daemons.values()), daemons

    run = resources(up.home).models.log_run(RunLog("flights", "one", artifacts={"note.json": b'{"seen": 1}'}))
    experiments = ask(f"{up.mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 10})["experiments"]
    assert [e["name"] for e in experiments if e["name"] != "Default"] == ["flights"]
    assert ask(f"{up.mlflow}/get-artifact?path=note.json&run_uuid={run}") == {"seen": 1}
    with pytest.raises(urllib.error.HTTPError, match="403"):  # a page whose name was pointed at this machine
        ask(f"{up.mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 10}, host="10.0.0.1")

    assert not {"logs", ".logs_queue"} & {p.name for p in up.home.iterdir()}  # what Dagster sends away
    logs = {p.name: p.read_text() for p in (up.home / "service_logs").iterdir()}
    assert logs.keys() == {"dagster-webserver.log", "dagster-daemon.log", "mlflow.log"}
    assert not any("Traceback" in log for log in logs.values()), logs

    refused_by_name(up)

    assert "INFO mlflow" not in up.said.read_text()
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) >= 6  # three services, two code servers, one worker
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(PATIENCE_S) == 0
    left = [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert left == up.family == []  # a run that was under way among them
    for url in (up.dagster, up.mlflow):
        socket.create_server(("127.0.0.1", urlsplit(url).port)).close()
