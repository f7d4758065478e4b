"""A state folder as a doctor sees it, and a life that is reported of."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlsys_assets import FixedClock, MLSystem, Workspace, utc
from mlsys_assets.cli import main
from mlsys_assets.commands.doctor import examine
from mlsys_assets.report import report
from mlsys_assets.types import Finding
from mlsys_resources.resources import Resources, build_resources

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


SYSTEMS = Path(__file__).parents[1] / "systems"
UNTIL, TICKS = utc("2013-03-19"), 3


@dataclass
class Life:
    """The weekly rain system, what became of it, and what is told of that."""

    system: MLSystem
    stores: Resources
    told: dict[str, Any]
    cpu_s: float

    def known(self) -> dict[str, float]:
        """Return the labels that are known, by request."""
        labels = self.stores.lake.read("rain", "labels", columns=["observation", "label"]).to_pylist()
        return {row["observation"]: row["label"] for row in labels if row["label"] is not None}

    def predicted(self, model: str) -> list[tuple[datetime, float, float]]:
        """Return when each labelled request of a model was predicted, its label and its score."""
        table = "predictions" if model == "champion" else "baseline_predictions"
        rows, known = self.stores.lake.read("rain", table).to_pylist(), self.known()
        mine = [row for row in rows if model in ("champion", row.get("model")) and row["observation"] in known]
        return [(row["predict_at"], known[row["observation"]], row["score"]) for row in mine]


@pytest.fixture(scope="session")
def life(rain_lived: Path) -> Life:
    """The weekly rain system two weeks after the first champion; nobody may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly", SYSTEMS / "rain_weekly.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    rain = module.rain

    stores = build_resources({"MLSYS_HOME": str(rain_lived)}, clock=FixedClock(UNTIL).now)
    told = report(rain, stores)
    assert len(stores.operations.decisions("rain", "retraining")) == TICKS
    return Life(rain, stores, told, float((rain_lived / "work.txt").read_text()))


@pytest.fixture
def said(life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command on the life, as on a workspace whose only system it is."""
    from mlsys_assets.systems import workspace as module

    monkeypatch.setenv("MLSYS_HOME", str(life.stores.home))
    monkeypatch.setattr(module, "workspace", Workspace(life.system))

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    return run
