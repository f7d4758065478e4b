"""The deployment's own commands, from its own environment file, on a real PostgreSQL: no container engine is needed."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from mlsys_assets.commands.process_trees import fell, grow

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
PATIENCE_S = 120
PASSWORD = "a-canary-of-twelve-and-more"


@dataclass(frozen=True)
class Deployment:
    """Where the services listen, and what they were started with."""

    folder: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    def command(self, service: str) -> list[str]:
        """Return a service's command of the compose file, on loopback, at free ports and in this folder."""
        return self._here(SERVICES[service]["command"])

    def is_healthy(self, service: str) -> bool:
        """Return what the service's own check says."""
        kind, *command = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return (
            subprocess.run(self._here(command), env=self.environment, capture_output=True, check=False).returncode == 0
        )

    def _here(self, words: Sequence[str]) -> list[str]:
        found = []
        for word in words:
            here = word.replace("0.0.0.0", "127.0.0.1").replace("/mlflow/", f"{self.folder}/mlflow/")
            here = here.replace("/opt/dagster/", f"{self.folder}/dagster/").replace("--workers=2", "--workers=1")
            for name, port in self.ports.items():
                here = re.sub(rf"\b{name}\b", str(port), here)
            found.append(here)
        return [str(Path(sys.executable).with_name(found[0])), *found[1:]]

    def run(self, service: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(service), env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    @contextmanager
    def started(self, service: str) -> Iterator[None]:
        tree = grow(service, self.command(service), environment=self.environment, log=self.folder / f"{service}.log")
        try:
            yield
        finally:
            fell([tree], signal.SIGTERM)
            tree.root.wait(timeout=30)

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()


@pytest.fixture(scope="module")
def deployment(postgres_server, tmp_path_factory) -> Iterator[Deployment]:
    """The environment of ``env.example`` with the three databases, a password, and a folder for each volume."""
    folder = tmp_path_factory.mktemp("deployment")
    for name in ("dagster", "mlflow", "state"):
        (folder / name).mkdir()
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = dict(zip(("3000", "4000", "5000"), (s.getsockname()[1] for s in sockets), strict=True))
    lines = (DEPLOY / "env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    names = re.findall(r"CREATE DATABASE (\w+);", (DEPLOY / "databases.sql").read_text())
    with admin.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    for variable, value in given.items():
        if "@postgres/" in value:
            there = postgres_server.replace("postgres@/postgres?", f"postgres:{PASSWORD}@/{value.rpartition('/')[2]}?")
            given[variable] = there
        elif "change-me" in value:
            given[variable] = PASSWORD
    given |= {
        "MLSYS_TRACKING_URI": f"http://127.0.0.1:{ports['5000']}",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "DAGSTER_HOME": str(folder / "dagster"), "MLSYS_HOME": str(folder / "state"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    (folder / "basic_auth.ini").write_text(
        (DEPLOY / "basic_auth.ini").read_text().replace("/mlflow/", f"{folder}/mlflow/")
    )
    (folder / "dagster" / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text().replace("/opt", str(folder)))
    place = (DEPLOY / "workspace.yaml").read_text().replace("host: code", "host: 127.0.0.1")
    (folder / "dagster" / "workspace.yaml").write_text(place.replace("4000", str(ports["4000"])))
    yield Deployment(folder, ports, os.environ | given)
    with admin.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def asked(
    port: int, path: str, *, question: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """Return the status, headers and body that a service answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = None if question is None else json.dumps(question)
    kind = {} if question is None else {"content-type": "application/json"}
    try:
        connection.request("GET" if question is None else "POST", path, body, {**kind, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def until(ready: Any, deployment: Deployment, *services: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if ready():
                return
        except (OSError, http.client.HTTPException, KeyError, TypeError, ValueError):
            pass  # it does not listen yet
        time.sleep(0.3)
    raise AssertionError("\n".join(deployment.log(service)[-2000:] for service in services))


SEARCH = "/api/2.0/mlflow/experiments/search"


def test_mlflow_refuses_who_is_not_known_and_what_a_browser_was_tricked_into(deployment) -> None:
    with deployment.started("mlflow"):
        port = deployment.ports["5000"]
        until(lambda: asked(port, "/health")[0] == 200, deployment, "mlflow")
        mine = {"host": f"mlflow:{port}"}  # as the other services call it
        known, wrong = (
            mine | {"authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}
            for password in (PASSWORD, "guess")
        )
        question = {"max_results": 1}
        assert asked(port, SEARCH, question=question, headers=mine)[0] == 401
        assert asked(port, SEARCH, question=question, headers=wrong)[0] == 401
        assert asked(port, "/", headers=mine)[0] == 401
        assert asked(port, SEARCH, question=question, headers=known)[0] == 200
        # DNS rebinding and a form on somebody else's page.
        assert asked(port, SEARCH, question=question, headers=known | {"host": "evil.example"})[0] == 403
        assert asked(port, SEARCH, question=question, headers=known | {"origin": "http://evil.example"})[0] == 403
        _, headers, _ = asked(port, f"{SEARCH}?max_results=1", headers=known | {"origin": "http://evil.example"})
        assert "access-control-allow-origin" not in headers
        text = known | {"content-type": "text/plain"}
        assert asked(port, SEARCH, question=question, headers=text)[0] in (400, 403, 415)
    assert PASSWORD not in deployment.log("mlflow")


GRAPH = """{repositoriesOrError {... on RepositoryConnection {nodes {location {name} jobs {name}}}}
  instance {daemonHealth {allDaemonStatuses {required healthy}}}}"""


@pytest.mark.prove
def test_dagster_serves_the_code_location_from_postgresql(deployment) -> None:
    """The tables are made once before, as by the service `prepare`; then all start at once."""
    shutil.rmtree(deployment.folder / "dagster" / "kept", ignore_errors=True)
    prepared = deployment.run("prepare")
    assert prepared.returncode == 0, prepared.stderr
    port = deployment.ports["3000"]

    def graph() -> Any:
        return json.loads(asked(port, "/graphql", question={"query": GRAPH})[2])["data"]

    def healthy() -> bool:
        found = graph()["instance"]["daemonHealth"]["allDaemonStatuses"]
        return all(daemon["healthy"] for daemon in found if daemon["required"])

    with deployment.started("code"):
        until(
            lambda: socket.create_connection(("127.0.0.1", deployment.ports["4000"])).close() or True,
            deployment,
            "code",
        )
        until(lambda: deployment.is_healthy("code"), deployment, "code")
        with deployment.started("daemon"), deployment.started("webserver"):
            until(healthy, deployment, "daemon", "webserver")
            (location,) = graph()["repositoriesOrError"]["nodes"]
    assert location["location"]["name"] == "mlsys"
    assert {"flights_tick", "flights_train"} <= {job["name"] for job in location["jobs"]}
    assert not [db for name in ("dagster", "state") for db in (deployment.folder / name).rglob("*.db")]
    for service in ("code", "daemon", "webserver"):
        assert "Traceback" not in deployment.log(service)
        assert PASSWORD not in deployment.log(service)


@pytest.mark.prove
def test_mlflow_does_not_start_without_a_password(deployment) -> None:
    (deployment.folder / "mlflow" / "users.db").unlink(missing_ok=True)
    silent = Deployment(
        deployment.folder, deployment.ports, {**deployment.environment, "MLFLOW_AUTH_ADMIN_PASSWORD": ""}
    )
    with silent.started("mlflow"):
        until(lambda: "password" in silent.log("mlflow"), silent, "mlflow")
        with pytest.raises(OSError, match="refused"):
            asked(silent.ports["5000"], "/health")
