"""A state folder with the rows of a person whose value is erased, and what learned from them."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from mlsys_assets import FixedClock, MLSystem, days, utc
from mlsys_assets.commands.erasure_plan import Plan, plan
from mlsys_assets.commands.erasure_steps import begin, carry_out
from mlsys_assets.data_ingestion.quarantine import QUARANTINE
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.tables import TIMESTAMP
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.run_log import RunLog
from mlsys_resources.value_search import mentions

SYSTEMS = Path(__file__).parents[2] / "systems"
WHO, WHY, NEXT = "P-90210", "a person asked for it, ticket 17", "P-90211"
"""Whose rows are erased, why, and whose must stay."""
TICKS = [utc("2013-01-01"), utc("2013-02-05"), utc("2013-03-05")]
"""Of three months, each in a file of its own."""
NOW = utc("2013-03-19")
PEOPLE = (NEXT, WHO, NEXT)
"""Who asked in each tick: of the first, the first model knew."""


@pytest.fixture(scope="session")
def rain() -> MLSystem:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly_erased", SYSTEMS / "rain_weekly.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.rain


def opened(home: Path) -> Resources:
    return build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(NOW).now)


def _fill(home: Path) -> None:
    """Three ticks of a few rows, a model trained before and one after the person's, and traces all around."""
    stores = opened(home)
    for n, (tick, who) in enumerate(zip(TICKS, PEOPLE, strict=True)):
        at, names = pa.array([tick, tick], TIMESTAMP), [f"asked {n}a", f"asked {n}b"]
        for table, columns in {
            "weather": {"observation": names, "owner": pa.array([who, NEXT]), "known_at": at},
            "features": {"observation": names, "predict_at": at, "x": pa.array([0.5 * n, 1.0])},
            "labels": {"observation": names, "known_at": at, "label": pa.array([1.0, 0.0])},
            "predictions": {"observation": names, "score": pa.array([0.1, 0.2])},
        }.items():
            rows = pa.table(columns)
            stores.lake.write_ticks(
                "rain", table, rows.append_column("tick", at), schema=rows.schema, ticks=[tick], run_id=f"run {n}"
            )
        record = json.dumps({"by": who, "x": "?"})
        broken = [("not a number", "x", "?", record, tick, "file", n)]
        rows = pa.table(list(map(list, zip(*broken, strict=True))), schema=QUARANTINE).append_column("tick", at[:1])
        stores.lake.write_ticks("rain", "weather_quarantine", rows, schema=QUARANTINE, ticks=[tick], run_id=f"run {n}")
        people = pa.table({"owner": sorted({*PEOPLE[: n + 1]})})
        stores.lake.write_snapshot("rain", "people", people, schema=people.schema, run_id=f"run {n}")
        _train(stores, n + 1, tick + days(14))
    stores.lake.write_snapshot(
        "rain", "profile", pa.table({"category": [WHO, NEXT], "count": [1, 5]}),
        schema=pa.schema([("category", pa.string()), ("count", pa.int64())]), run_id="run",
    )  # fmt: skip
    stores.operations.save_online(
        "rain", signature="s", at=NOW, snapshots="{}", put={("last", WHO.encode()): b"x"}, after=None
    )
    (home / "service_logs").mkdir()
    (home / "service_logs" / "web.log").write_text(f"asked for {WHO} and {WHO}1\n")
    stores.operations.close()


def _train(stores: Resources, version: int, as_of: datetime) -> None:
    tags, sample = {"asked_by": WHO, "as_of": as_of.isoformat()}, {"samples/validation.csv": b"id\nasked 1a\n"}
    run = stores.models.log_run(RunLog("rain", "zero_rule", tags=tags, artifacts={**sample, "plots/curve.svg": b"x"}))
    stores.models.log_run(RunLog("rain", "killed", tags=tags, artifacts=sample))  # before its record
    content = to_files(ZeroRulePredictor(version / 10))
    saved = stores.models.save(run, content=content, record={"passport.json": b"{}"})
    versions = {table: stores.lake.version("rain", table) for table in ("features", "labels")}
    for kind, name, context in (
        ("training_set", "training_set", {"versions": versions}), ("candidate", "zero_rule",
         {"source": saved.source, "manifest_sha256": saved.manifest_sha256, "mlflow_run": run}),
    ):  # fmt: skip
        stores.operations.record(Decision("rain", as_of, kind, name, "adequate", "", {}, context))
    found = stores.models.register(
        "rain", "zero_rule", run_id=run, content=content, record={"passport.json": b"{}"}, as_of=as_of
    )
    stores.operations.set_alias(
        "rain", "champion", version=found.version, content_hash=found.content_hash, as_of=as_of,
        expected_revision=version - 1, reason="better",
    )  # fmt: skip


@dataclass
class Home:
    path: Path
    system: MLSystem

    @property
    def stores(self) -> Resources:
        return opened(self.path)

    def planned(self, column: str = "owner", value: str = WHO) -> Plan:
        return plan(self.system, [self.system], self.stores, column=column, value=value)

    def erased(self) -> list[str]:
        """Erase as the command does, and return what is left."""
        stores, found = self.stores, self.planned()
        erasure = begin(stores, found, system="rain", reason=WHY, now=NOW)
        left = carry_out(stores, found, erasure, systems=("rain",), say=lambda _: None)
        stores.operations.close()
        return left

    def require_gone(self) -> None:
        """Nothing of the person is left, and nothing of anybody else is missing."""
        stores = self.stores
        assert mentions(self.path, WHO) == []
        raw = [path for path in self.path.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes()]
        assert [path.name for path in raw] == ["web.log"]  # where it is the beginning of another's name
        assert (self.path / "service_logs" / "web.log").read_text() == f"asked for [erased] and {WHO}1\n"
        others = ["asked 0a", "asked 0b", "asked 1b", "asked 2a", "asked 2b"]
        for table in ("weather", "features", "labels", "predictions"):
            assert stores.lake.read("rain", table)["observation"].to_pylist() == others, table
        assert stores.lake.read("rain", "people")["owner"].to_pylist() == [NEXT]
        assert stores.lake.read("rain", "profile")["category"].to_pylist() == [NEXT]
        assert stores.lake.read("rain", "weather_quarantine").num_rows == 2
        assert stores.operations.retired("rain") == {2, 3}
        assert stores.operations.alias("rain", "champion").version == 1
        assert [d.name for d in stores.operations.decisions("rain", "retirement")] == ["version 2", "version 3"]
        (erasure,) = stores.operations.decisions("rain", "erasure")
        assert (erasure.reason, erasure.evidence["requests"], erasure.evidence["rows"]["rain.labels"]) == (WHY, 1, 1)
        assert stores.operations.online_position("rain") is None
        (done,) = stores.operations.erasures("rain")
        assert done.done_at == NOW


@pytest.fixture(scope="session")
def asked(made_once: Callable[..., Path]) -> Path:
    return made_once("asked", _fill)


@pytest.fixture
def home(asked: Path, rain: MLSystem, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(asked, tmp_path / "home")), rain)
