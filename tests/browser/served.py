"""`mlsys up` on a state folder, from its first page to its end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Served:
    """Where the pages of a state folder are."""

    dagster: str
    mlflow: str


def mlsys(home: Path, *arguments: str, workspace: str) -> tuple[list[str], dict[str, str]]:
    """Return a command on a state folder, and its environment."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "systems")))
    environment = os.environ | {"MLSYS_WORKSPACE": workspace, "PYTHONPATH": paths, "MLSYS_HOME": str(home)}
    return [sys.executable, "-m", "mlsys_assets.cli", *arguments], environment


@contextmanager
def served(home: Path, *, workspace: str, said: Path) -> Iterator[Served]:
    """Run the services of a state folder on free ports; what they say goes to a file."""
    command, environment = mlsys(home, "up", "--port", "0", "--mlflow-port", "0", workspace=workspace)
    with said.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
    try:
        until = time.monotonic() + PATIENCE_S
        while "Ctrl-C" not in said.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(said.read_text())
            time.sleep(0.2)
        found = dict(re.findall(r"(http://\S+) +(Dagster|MLflow):", said.read_text()))
        addresses = {name: url for url, name in found.items()}
        yield Served(addresses["Dagster"], addresses["MLflow"])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
