"""Steps done again, too late, or after a death: what was decided stands, and is decided the same."""

import importlib.util
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    FixedClock,
    LightGBM,
    MLSystem,
    NonInferiority,
    Requests,
    TimeSplit,
    TimeWindow,
    build_definitions,
    days,
    utc,
)
from mlsys_assets.commands.rollback import roll_back
from mlsys_assets.data_labeling.label import label_schema
from mlsys_assets.instance import open_instance
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.offline_evaluation.findings import JUDGED, REPORTED
from mlsys_assets.runs import RunFailed, Runner
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.run_log import RunLog

TRAIN = "rain_train"
FIRST, SECOND = utc("2013-03-05"), utc("2013-03-25")


@pytest.fixture(scope="module")
def rain() -> MLSystem:
    spec = importlib.util.spec_from_file_location("rain", Path(__file__).parent / "systems" / "rain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Any that beats the baselines may follow the champion: how gates judge is tested elsewhere.
    return replace(module.rain, gates=replace(module.rain.gates, champion=NonInferiority(recent=1.0, static=1.0)))


class Home:
    """A state folder, and what can be done with a system in it."""

    def __init__(self, folder: Path, system: MLSystem) -> None:
        self.folder, self.system = folder, system
        self.stores: Resources = build_resources({"MLSYS_HOME": str(folder)}, clock=FixedClock(SECOND).now)

    def of(self, system: MLSystem) -> "Home":
        return Home(self.folder, system)

    def run(self, what: str, when: datetime | TimeWindow) -> None:
        definitions = build_definitions(self.system, resources=self.stores)
        with open_instance(self.folder) as instance:
            runner = Runner(self.system, definitions, instance)
            runner.ticks(what, when) if isinstance(when, TimeWindow) else runner.as_of(what, when)

    def checks(self, job: str, tick: str) -> list[dg.AssetCheckEvaluation]:
        """Run a job on a tick and return what its checks said."""
        definition = build_definitions(self.system, resources=self.stores).resolve_job_def(job)
        with open_instance(self.folder) as instance:
            done = definition.execute_in_process(instance=instance, partition_key=tick)
        assert done.success
        return done.get_asset_check_evaluations()

    @property
    def ledger(self) -> str:
        return self.stores.operations.ledger_hash("rain")

    def said(self, kind: str, as_of: datetime) -> list[tuple[str, str]]:
        decisions = self.stores.operations.decisions("rain", kind)
        return [(d.verdict, d.reason) for d in decisions if d.as_of == as_of]


@pytest.fixture(scope="module")
def ingested(rain, tmp_path_factory) -> Path:
    home = Home(tmp_path_factory.mktemp("ingested"), rain)
    home.run("rain_ingest", TimeWindow.of("2013-01-01", "2013-03-25"))
    home.stores.models._client  # noqa: B018 - makes MLflow's database: two seconds that each copy then saves
    return home.folder


@pytest.fixture(scope="module")
def promoted(rain, ingested, tmp_path_factory) -> Path:
    """As ingested, and with two promotions, one after the other."""
    folder = tmp_path_factory.mktemp("promoted") / "home"
    shutil.copytree(ingested, folder)
    for as_of in (FIRST, SECOND):
        Home(folder, rain).run(TRAIN, as_of)
    return folder


@pytest.fixture
def home(rain, ingested, tmp_path) -> Home:
    return Home(shutil.copytree(ingested, tmp_path / "home"), rain)


@pytest.fixture
def later(rain, promoted, tmp_path) -> Home:
    home = Home(shutil.copytree(promoted, tmp_path / "home"), rain)
    alias = home.stores.operations.alias("rain", "champion")
    assert (alias.revision, alias.as_of) == (2, SECOND), home.said("gate", SECOND)
    return home


@pytest.mark.parametrize("as_of", [FIRST, SECOND])
def test_an_as_of_done_again_finds_what_was_decided(later: Home, as_of: datetime) -> None:
    before, champion = later.ledger, later.stores.operations.alias("rain", "champion")
    later.run(TRAIN, as_of)
    assert later.ledger == before
    assert later.stores.operations.alias("rain", "champion") == champion
    assert len(later.stores.operations.attempts("rain")) == 2


def test_what_arrives_late_changes_no_training_set_on_record(later: Home) -> None:
    """A label of January comes in February, into a tick that two decisions rested on."""
    before, lake = later.ledger, later.stores.lake
    tick, schema = utc("2013-01-26"), label_schema("observation")
    rows = lake.read("rain", "labels", ticks=[tick])
    changed = pa.concat_tables([rows[:-1], rows[-1:].set_column(1, schema.field(1), pa.array([1.0]))])
    placed = changed.append_column("tick", pa.repeat(pa.scalar(tick, pa.timestamp("us", tz="UTC")), len(changed)))
    lake.write_ticks("rain", "labels", placed, schema=schema, ticks=[tick], run_id="late")
    assert rows["label"][-1].as_py() == 0.0
    later.run(TRAIN, FIRST)
    assert later.ledger == before


def test_a_decision_that_comes_too_late_is_held_and_on_record(later: Home) -> None:
    between, champion = utc("2013-03-20"), later.stores.operations.alias("rain", "champion")
    later.run(TRAIN, between)
    assert later.said("gate", between)[0][0] == "pass"
    ((verdict, reason),) = later.said("promotion", between)
    assert (verdict, reason.split(",")[0]) == (
        "held",
        "too late: version 2 as of 2013-03-25 00:00 stands by a later decision",
    )
    assert later.stores.operations.alias("rain", "champion") == champion


def test_a_rollback_holds_what_is_decided_as_of_the_same_time(home: Home) -> None:
    """A person went back as of the very moment that a training was due: that came first, and stands."""
    operations, models = home.stores.operations, home.stores.models
    for revision, rate in enumerate((0.1, 0.9)):
        run = models.log_run(RunLog("rain", "zero_rule"))
        made = models.register(
            "rain", "zero_rule", run_id=run, content=to_files(ZeroRulePredictor(rate)), record={}, as_of=FIRST
        )
        operations.set_alias(
            "rain", "champion", version=made.version, content_hash=made.content_hash, as_of=FIRST,
            expected_revision=revision, reason="by hand",
        )  # fmt: skip
    assert roll_back("rain", operations, models, reason="it always rains", now=FixedClock(SECOND).now).done
    back = operations.alias("rain", "champion")
    assert (back.version, back.revision) == (1, 3)
    home.run(TRAIN, SECOND)
    assert home.said("gate", SECOND)[0][0] == "pass"
    ((verdict, reason),) = home.said("promotion", SECOND)
    assert (verdict, reason.split(",")[0]) == (
        "held",
        "too late: version 1 as of 2013-03-25 00:00 stands by a later decision",
    )
    assert operations.alias("rain", "champion") == back


def test_a_death_between_the_move_and_its_record_is_mended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    record = OperationsStore.record

    def dies(store: OperationsStore, decision) -> bool:
        if decision.kind == "promotion":
            raise RuntimeError("killed here")
        return record(store, decision)

    with monkeypatch.context() as patch:
        patch.setattr(OperationsStore, "record", dies)
        with pytest.raises(RunFailed, match="killed here"):
            home.run(TRAIN, SECOND)
    moved = home.stores.operations.alias("rain", "champion")
    assert moved.revision == 1
    assert home.said("promotion", SECOND) == []
    home.run(TRAIN, SECOND)
    assert [verdict for verdict, _ in home.said("promotion", SECOND)] == ["promoted"]
    assert home.stores.operations.alias("rain", "champion") == moved
    assert len(home.stores.operations.attempts("rain")) == 1


def test_a_sealed_test_is_opened_again_only_with_a_reason(later: Home) -> None:
    more = replace(later.system, candidates=(*later.system.candidates, LightGBM(rounds=2, leaves=2, name="stump")))
    again = later.of(more)
    with pytest.raises(
        RunFailed, match=r"test_read_once: opened without a reason as of 2013-03-25: recent_test 2 times"
    ):
        again.run(TRAIN, SECOND)
    definitions = build_definitions(more, resources=again.stores)
    with open_instance(again.folder) as instance:
        found = definitions.resolve_job_def(TRAIN).execute_in_process(
            instance=instance, partition_key="2013-03-25", asset_selection=[dg.AssetKey(["rain", "evaluation"])],
            run_config={"ops": {"rain__evaluation": {"config": {"reason": "a stump was added"}}}},
        )  # fmt: skip
    assert found.success
    assert {r.reason for r in again.stores.operations.test_reads("rain")} == {
        "scheduled comparison", "a stump was added", REPORTED, JUDGED
    }  # fmt: skip


def test_without_a_static_test_the_recent_one_decides(home: Home) -> None:
    system = replace(home.system, split=TimeSplit(validation=days(14), test=days(14)))
    home.of(system).run(TRAIN, SECOND)
    assert home.said("gate", SECOND)[0] == ("pass", "beats every baseline; there is no champion yet")
    reads = home.stores.operations.test_reads("rain")
    assert {(r.split, "report" in r.reason) for r in reads} == {("recent_test", False), ("recent_test", True)}


def test_a_static_test_that_has_not_come_yet_is_insufficient_data(home: Home) -> None:
    split = replace(home.system.split, static_test=(TimeWindow.of("2013-03-27", "2013-03-29"),))
    home.of(replace(home.system, split=split)).run(TRAIN, SECOND)
    assert home.said("gate", SECOND) == [("insufficient data", "too few rows in static_test to compare")]
    assert [verdict for verdict, _ in home.said("promotion", SECOND)] == ["held"]


def test_too_early_an_as_of_says_what_is_missing(home: Home) -> None:
    with pytest.raises(RunFailed, match=r"split_is_adequate: insufficient data as of 2013-01-20.*wait for more"):
        home.run(TRAIN, utc("2013-01-20"))
    assert home.said("training_set", utc("2013-01-20"))[0][0] == "insufficient data"


def test_other_features_than_those_on_record_are_refused(later: Home) -> None:
    fewer = replace(later.system, features=later.system.features[:2])
    with pytest.raises(RunFailed, match="all_rain_3h gone"):
        later.of(fewer).run(TRAIN, SECOND)


def test_requests_that_nobody_knew_of_in_time_are_refused(home: Home) -> None:
    """Asked for when the hour begins, known when it is over: the hour's own rain would be a feature."""
    asked = home.system.requests.source
    early = Requests(asked, key="observation", predict_at="event_time")
    with pytest.raises(RunFailed, match="became known after their prediction time"):
        home.of(replace(home.system, requests=early)).run("rain_ingest", TimeWindow.of("2013-03-20", "2013-03-21"))


def test_a_tick_is_predicted_by_the_champion_of_its_time(later: Home) -> None:
    """Whatever was promoted since; for a tick that had none, nothing is predicted, and a check says so."""
    later.run("rain_ingest", TimeWindow.of("2013-03-25", "2013-03-26"))
    for window in (TimeWindow.of("2013-03-05", "2013-03-06"), TimeWindow.of("2013-03-24", "2013-03-26")):
        later.run("rain_predict", window)
    found = later.stores.lake.read("rain", "predictions", columns=["tick", "model_hash"]).to_pylist()
    first, second = (m.content_hash for m in later.stores.operations.models("rain"))
    assert first != second
    assert {(f"{row['tick']:%m-%d}", row["model_hash"]) for row in found} == {
        ("03-05", first), ("03-24", first), ("03-25", second)
    }  # fmt: skip
    assert all(check.passed for check in later.checks("rain_predict", "2013-03-05"))
    (check,) = [one for one in later.checks("rain_predict", "2013-03-04") if not one.passed]
    assert (check.check_name, check.passed, check.severity) == (
        "a_champion_predicts", False, dg.AssetCheckSeverity.WARN,
    )  # fmt: skip
    assert "0 of 1 ticks had a champion when they began; not predicted: 2013-03-04" in check.description
    for table in ("predictions", "baseline_predictions"):
        assert later.stores.lake.read("rain", table, ticks=[utc("2013-03-04")]).num_rows == 0
    again = later.stores.lake.read("rain", "predictions", columns=["tick", "model_hash"]).to_pylist()
    assert sorted(map(str, again)) == sorted(map(str, found))


def test_baselines_of_the_champions_training_predict_beside_it(later: Home) -> None:
    """Those fitted with it, on the same requests, whatever was trained since."""
    tick = utc("2013-03-06")
    later.run("rain_predict", TimeWindow.of("2013-03-06", "2013-03-07"))
    read = later.stores.lake.read
    asked = read("rain", "features", columns=["observation"], window=("predict_at", tick, utc("2013-03-07")))
    fitted = {d.name: d.evidence["model"] for d in later.stores.operations.decisions("rain", "candidate", until=FIRST)}
    beside = read("rain", "baseline_predictions", ticks=[tick])
    for name in ("zero_rule", "group_rate"):
        mine = beside.filter(pc.equal(beside["model"], name))
        assert mine["observation"].equals(asked["observation"])
        assert set(mine["model_hash"].to_pylist()) == {fitted[name]}
    assert set(beside["model"].to_pylist()) == {"zero_rule", "group_rate"}
