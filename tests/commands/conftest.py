"""A state folder as a doctor sees it: two systems with models, and what is found in it."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlsys_assets.commands.doctor import examine
from mlsys_assets.types import Finding
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)

BUILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import dagster as dg
import pyarrow as pa
from mlsys_assets.state_folder import own
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources
from mlsys_resources.run_log import RunLog

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")

@dg.asset
def table():
    pass

with own(Path(sys.argv[1]), command="mlsys run", environment=os.environ) as owned:
    stores = build_resources(os.environ, clock=lambda: JULY)
    schema = pa.schema([pa.field("x", pa.int64())])
    rows = pa.table({"x": [1, 2], "tick": pa.array([JULY, AUGUST], MOMENT)})
    stores.lake.write_ticks("flights", "weather", rows, schema=schema, ticks=[JULY, AUGUST], run_id="r")
    stores.lake.write_snapshot("flights", "planes", pa.table({"x": [1]}), schema=schema, run_id="r")
    stores.lake.write_snapshot("rain", "gauges", pa.table({"x": [1]}), schema=schema, run_id="r")
    for number, as_of in enumerate((JULY, AUGUST)):
        stores.operations.record(Decision("flights", as_of, "gate", "better", "pass", "AUC is higher", {"auc": 0.75}))
        run = stores.models.log_run(RunLog("flights", "lightgbm"))
        made = stores.models.register("flights", "lightgbm", run_id=run, content={"model.txt": b"tree %d" % number},
                                      record={"passport.json": b"{}"}, as_of=as_of)
        stores.operations.set_alias("flights", "champion", version=made.version, content_hash=made.content_hash,
                                    as_of=as_of, expected_revision=number, reason="gate passed")
        stores.models.mirror_alias("flights", "champion")
    stores.operations.record(Decision("rain", JULY, "gate", "better", "fail", "AUC is lower"))
    defs = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("job", [table])])
    done = defs.resolve_job_def("job").execute_in_process(instance=owned.instance, run_config={
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
    if "dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    stores.operations.close()
"""
"""Two systems, two champions one after the other, one run."""


class Practice:
    """Builds a state folder in another process, and has the doctor examine it."""

    def built(self, folder: Path, *how: str) -> Path:
        code = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder), *how]
        done = subprocess.run(code, capture_output=True, text=True, check=False)
        assert done.returncode == (-9 if how else 0), done.stderr
        return folder

    def content(self, folder: Path) -> dict[str, str]:
        """Every file's hash, and every folder."""
        return {
            str(path.relative_to(folder)): "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
        }

    def examined(self, home: Path, system: str | None = None) -> list[Finding]:
        """What the doctor finds; it may change nothing."""
        before = self.content(home) if home.is_dir() else {}
        found = list(examine(build_resources({"MLSYS_HOME": str(home)}, clock=lambda: JULY), system=system))
        assert (self.content(home) if home.is_dir() else {}) == before
        return found

    def problems(self, found: list[Finding]) -> dict[str, list[str]]:
        told: dict[str, list[str]] = {}
        for each in found:
            if not each.passed:
                told.setdefault(each.name, []).append(each.summary)
        return told


@pytest.fixture(scope="session")
def practice() -> Practice:
    """Build and examine state folders."""
    return Practice()


@pytest.fixture(scope="session")
def healthy(practice: Practice, made_once: Callable[..., Path]) -> Path:
    """A folder with nothing wrong; nobody changes it."""
    return made_once("healthy", practice.built)


@pytest.fixture
def home(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "home"))
