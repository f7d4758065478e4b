"""What `mlsys up` runs on a state folder: Dagster's web pages, Dagster's daemon, MLflow's web pages."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mlsys_assets.commands.asked import asked_workspace, program, shown
from mlsys_assets.commands.services import Service, pick_ports, reply, serve
from mlsys_assets.instance import open_instance
from mlsys_assets.state_folder import own
from mlsys_assets.types import SystemClock
from mlsys_resources.mlflow_connection import HttpBounds, connect, driver_uri, is_http, pages
from mlsys_resources.resources import HOME, MLFLOW_UI, Resources, state_folder, workspace_module

DAEMONS = b'{"query": "{instance {daemonHealth {allDaemonStatuses {required healthy lastHeartbeatTime}}}}"}'


@dataclass(frozen=True)
class Places:
    """Where the services of a state folder listen, and where their pages are.

    Parameters
    ----------
    host, port, mlflow_port
        The address of Dagster's pages, and of MLflow's: None where an MLflow server of somebody else's is used.
    stores
        The stores that they show.
    """

    host: str
    port: int
    mlflow_port: int | None
    stores: Resources = field(repr=False)

    @property
    def dagster(self) -> str:
        """The address of Dagster's pages."""
        return _url(self.host, self.port)

    @property
    def mlflow(self) -> str:
        """The address of MLflow's pages: the one that is declared, for links, or the one started here."""
        ours = self.stores.tracking_uri if self.mlflow_port is None else _url(self.host, self.mlflow_port)
        return pages(self.stores.env.get(MLFLOW_UI) or ours)

    @property
    def logs(self) -> Path:
        """The folder of what the services say."""
        # Not "logs": whatever lies there is sent away, and deleted, by Dagster's web server, each hour of any instance
        # in this folder (dagster._core.telemetry_upload; `telemetry: enabled: false` does not stop it).
        return self.stores.home / "service_logs"


def places(stores: Resources, *, host: str, port: int, mlflow_port: int) -> Places:
    """Return where the services are to listen; raises ValueError for a host or port not allowed, or taken."""
    wanted = {"--port": port} | ({} if is_http(stores.tracking_uri) else {"--mlflow-port": mlflow_port})
    found = pick_ports(host, wanted)
    return Places(host, found["--port"], found.get("--mlflow-port"), stores)


def up(at: Places, *, since: datetime, told: Callable[[str], None], running: Callable[[], None]) -> None:
    """Run the services until this process is told to stop.

    Parameters
    ----------
    at
        Where they listen.
    since
        The time now: the daemon works once it says so later.
    told
        Called with a line whenever there is something to tell.
    running
        Called once, when all services do their work.

    Raises ServiceFailed, and whatever the state folder and MLflow's database raise that cannot be used.
    """
    told(f"preparing {at.stores.home} ...")
    # Both bring their tables up to date when they are opened: here, once, before several processes do.
    with open_instance(at.stores.home, at.stores.env):
        pass
    if at.mlflow_port is not None:
        connect(at.stores.tracking_uri, HttpBounds())
    services = services_of(at, since)
    told(f"starting {', '.join(service.name for service in services)} ...")
    serve(services, logs=at.logs, told=told, running=running)


def told_when_running(at: Places, *, logs: Path, moves: Sequence[str]) -> list[str]:
    """Return what people are told once all services work: where to look, and the commands that move clocks."""
    return [
        "",
        f"  {at.dagster:<26}Dagster: the asset graph with its checks and plots, schedules, sensors, runs",
        f"  {at.mlflow:<26}MLflow: the models compared, and the registry",
        f"  {logs!s:<26}what the services say",
        "",
        *(f"  {move}\n{'':<28}lets a week pass for a system on data of the past" for move in moves),
        f"  {'Ctrl-C':<26}stops them all",
        "",
    ]


def services_of(at: Places, since: datetime) -> list[Service]:
    """Return the services, none of them started."""
    home = str(at.stores.home)
    shared = {
        **at.stores.env,
        HOME: home,
        "DAGSTER_HOME": home,
        "DAGSTER_DISABLE_TELEMETRY": "yes",  # nothing is sent anywhere; what dagster.yaml says stops only a part of it
        MLFLOW_UI: at.mlflow,
        "PYTHONUNBUFFERED": "1",
    }
    workspace = ("-m", workspace_module(at.stores.env))  # as a module, so that it is found from any working folder
    pages = ("-m", "dagster_webserver", *workspace, "--host", at.host, "--port", str(at.port))
    found = [
        Service(
            "dagster-webserver", _python(*pages), shared, lambda: reply(at.host, at.port, "/server_info") is not None
        ),
        Service(
            "dagster-daemon", _python("-m", "dagster._daemon", "run", *workspace), shared,
            lambda: _beats(reply(at.host, at.port, "/graphql", question=DAEMONS), since),
            outlived=True,
        ),
    ]  # fmt: skip
    return found if at.mlflow_port is None else [*found, _mlflow(at, at.mlflow_port, shared)]


def _mlflow(at: Places, port: int, shared: Mapping[str, str]) -> Service:
    command = _python(
        "-m", "mlflow", "server", "--host", at.host, "--port", str(port), "--workers", "1", "--no-serve-artifacts",
        # Its own default lets in every private address, under whatever name a browser was tricked into.
        "--allowed-hosts", f"localhost:{port},127.0.0.1:{port},[::1]:{port}",
    )  # fmt: skip
    environment = {
        **shared,
        # Here rather than among the arguments, which everybody on the machine can read: it may hold a password.
        "MLFLOW_BACKEND_STORE_URI": driver_uri(at.stores.tracking_uri),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": at.stores.artifact_root.as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # several more processes, for judging texts by other models
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return Service("mlflow", command, environment, lambda: reply(at.host, port, "/health") is not None)


def _beats(answer: bytes | None, since: datetime) -> bool:
    """Return whether each daemon that is needed is healthy by a heartbeat of this start, not of the one before."""
    data = None if answer is None else json.loads(answer)["data"]
    if data is None:  # nobody answers, or only with an error
        return False
    statuses = data["instance"]["daemonHealth"]["allDaemonStatuses"]
    needed = [status for status in statuses if status["required"]]
    return bool(needed) and all(
        status["healthy"] and (status["lastHeartbeatTime"] or 0) >= since.timestamp() for status in needed
    )


def _python(*arguments: str) -> Sequence[str]:
    return (sys.executable, *arguments)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def command(options: argparse.Namespace) -> int:
    """Own the state folder, and serve it until told to stop."""

    def say(line: str) -> None:
        print(line, flush=True)

    with own(state_folder(os.environ), command="mlsys up", environment=os.environ):
        workspace = asked_workspace()  # now that the environment says that this process and its children may write
        at = places(workspace.stores, host=options.host, port=options.port, mlflow_port=options.mlflow_port)
        home = "" if options.home is None else f" --home {shown(workspace.stores.home)}"
        simulated = [system.name for system in workspace.systems if system.simulated_from is not None]
        moves = [f"{program()} clock {name} --advance 7d{home}" for name in simulated]
        where = told_when_running(at, logs=shown(at.logs), moves=moves)
        up(at, since=SystemClock().now(), told=say, running=lambda: say("\n".join(where)))
    gc.freeze()  # as `mlsys run` does
    return 0
