"""A system that reuses another's sources and features: nothing of them is computed or written twice."""

import runpy
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from mlsys_assets import (
    DeclarationError,
    Every,
    Request,
    Requests,
    TimeWindow,
    Trailing,
    Weekly,
    Workspace,
    build_definitions,
    days,
    hours,
    mean,
    utc,
)
from mlsys_assets.clocks import clock_of
from mlsys_assets.dagster_adapter import key
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import Replay
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.sensors import build_sensors
from mlsys_assets.runs import RunFailed, Runner
from mlsys_assets.tables import FEATURES, LABELS
from mlsys_resources.resources import Resources, build_resources

SYSTEMS = Path(__file__).parent / "systems"
AS_OF, UNTIL, LATER = utc("2013-03-12"), utc("2013-03-13"), utc("2013-03-14")
SOURCES = ("weather", "outcomes", "unobserved")


@pytest.fixture(scope="module")
def declared() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        found = runpy.run_path(str(SYSTEMS / "damp.py"))
    return {name: found[name] for name in ("rain", "damp", "DAMP")}


@pytest.fixture(scope="module")
def rain(declared):
    return declared["rain"]


@pytest.fixture(scope="module")
def damp(declared):
    return declared["damp"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Resources:
    return build_resources({"MLSYS_HOME": str(tmp_path_factory.mktemp("home"))}, clock=lambda: UNTIL)


@pytest.fixture(scope="module")
def instance(stores):
    with open_instance(stores.home) as instance:
        yield instance


@pytest.fixture(scope="module")
def runner(rain, damp, stores, instance) -> Runner:
    return Runner(damp, build_definitions(rain, damp, resources=stores), instance)


def _versions(stores: Resources, system: str, *tables: str) -> dict[str, tuple]:
    return {table: stores.lake.history(system, table) for table in tables}


@pytest.fixture(scope="module")
def lived(rain, damp, stores, instance, runner) -> tuple[dict, dict]:
    """Bring rain's data in, and train and predict damp by its own jobs; return rain's commits before and after."""
    Runner(rain, runner.definitions, instance).ticks("rain_ingest", TimeWindow(rain.calendar.start, UNTIL))
    before = _versions(stores, "rain", *stores.lake.tables("rain"))
    runner.ticks("damp_ingest", TimeWindow(rain.calendar.start, UNTIL))
    runner.as_of("damp_train", AS_OF)
    runner.ticks("damp_tick", TimeWindow(AS_OF, UNTIL))
    return before, _versions(stores, "rain", *stores.lake.tables("rain"))


def test_the_reused_tables_are_read_and_never_written(stores, lived) -> None:
    before, after = lived
    assert {*SOURCES, FEATURES, LABELS} <= before.keys()
    assert before == after
    own = set(stores.lake.tables("damp"))
    assert {LABELS, "predictions", "performance", "drift"} <= own
    assert not own & {*SOURCES, *(f"{name}_quarantine" for name in SOURCES), FEATURES}


def test_its_champion_is_trained_on_its_own_label_and_the_features_that_it_selects(
    rain, damp, declared, stores, lived
) -> None:
    (record,) = stores.operations.decisions("damp", "training_set")
    assert record.context["versions"][FEATURES] == stores.lake.version("rain", FEATURES)
    model = stores.operations.model("damp", stores.operations.alias("damp", "champion").version)
    assert model.as_of == AS_OF
    trained_on = set(stores.lake.read("damp", "training_profile", columns=["column"])["column"].to_pylist())
    assert trained_on == {c.name for c in damp.feature_columns} < {c.name for c in rain.feature_columns}
    outcomes, key = stores.lake.read("rain", "outcomes"), rain.requests.key
    labels = stores.lake.read("damp", LABELS, columns=[key, "label"]).drop_null()
    told = dict(zip(labels[key].to_pylist(), labels["label"].to_pylist(), strict=True))
    humid = dict(zip(outcomes[key].to_pylist(), outcomes["humid"].to_pylist(), strict=True))
    assert told == {name: float(value > declared["DAMP"]) for name, value in humid.items() if value is not None}
    assert 0.1 < sum(told.values()) / len(told) < 0.5


def test_the_other_tells_what_a_value_of_its_features_took(rain, instance, lived) -> None:
    told = instance.get_latest_materialization_event(key(rain, FEATURES)).asset_materialization.metadata
    assert 0 < told["cost of a value [µs]"].value < 1e5
    assert "| origin_wet_hours_12h | rows |" in told["catalogue"].value


def test_it_predicts_every_request_of_the_tick(damp, stores, instance, lived) -> None:
    asked = _asked(stores)
    made = stores.lake.read("damp", "predictions")
    assert made["observation"].equals(asked["observation"])
    assert len(made) == 72
    assert set(stores.lake.read("damp", "drift")["column"].to_pylist()) == {c.name for c in damp.feature_columns}
    check = dg.AssetCheckKey(key(damp, "drift"), "features_are_those_trained_on")
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert found.event.dagster_event.asset_check_evaluation_data.passed  # columns that are not selected are not seen


def test_its_error_is_told_by_how_much_was_known_of_the_key(damp, stores, instance, lived) -> None:
    event = instance.get_latest_materialization_event(key(damp, "performance")).asset_materialization
    lines = [line.strip("| ").split(" | ") for line in event.metadata["cold start"].value.splitlines()]
    assert lines[0] == ["origin_wet_hours_12h", "labelled", "positive", "log loss"]
    asked = _asked(stores)
    wet = dict(zip(asked["observation"].to_pylist(), asked["origin_wet_hours_12h"].to_pylist(), strict=True))
    labels = stores.lake.read("damp", LABELS, columns=["observation", "label"]).to_pylist()
    labelled = [wet[row["observation"]] for row in labels if row["observation"] in wet and row["label"] is not None]
    assert [int(line[1]) for line in lines[2:]] == [
        *(sum(low <= n < high for n in labelled) for low, high in ((0, 1), (1, 5), (5, 20), (20, 99))), 0,
    ]  # fmt: skip
    assert sum(n > 0 for n in labelled) > 5
    assert all(line[3].startswith("insufficient data") for line in lines[2:])  # one day is no interval


def test_both_load_side_by_side_and_its_assets_hang_on_the_others(rain, damp, runner) -> None:
    dg.Definitions.validate_loadable(runner.definitions)
    graph = runner.definitions.resolve_asset_graph()
    made = {
        job: {k.path[-1] for k in runner.definitions.resolve_job_def(f"damp_{job}").asset_layer.executable_asset_keys}
        for job in ("ingest", "tick", "predict")
    }
    assert made == {
        "ingest": {"labels"},
        "tick": {"labels", "predictions", "performance", "drift", "diagnosis", "weekly_page"},
        "predict": {"predictions"},
    }
    mine = [k for k in graph.get_all_asset_keys() if k.path[0] == "damp"]
    assert len([k for k in graph.get_all_asset_keys() if k.path[0] == "rain"]) == len(mine) + len(SOURCES) + 1
    parents = {table: graph.get(key(damp, table)).parent_keys for table in ("labels", "training_set", "predictions")}
    assert parents["labels"] == {key(rain, "outcomes"), key(rain, "unobserved")}
    assert parents["training_set"] == {key(rain, FEATURES), key(damp, LABELS)}
    assert parents["predictions"] == {key(rain, FEATURES), key(rain, "weather")}


@pytest.mark.parametrize(("job", "at"), [("ingest", UNTIL), ("predict", UNTIL), ("train", LATER)])
def test_a_tick_that_the_other_has_not_brought_in_is_not_made_up(damp, stores, runner, lived, job, at) -> None:
    before = _versions(stores, "damp", LABELS, "predictions"), stores.operations.ledger_hash("damp")
    with pytest.raises(RunFailed, match=r"lacks the tick 2013-03-13; first run the job rain_ingest"):
        runner.as_of(f"damp_{job}", at)
    assert before == (_versions(stores, "damp", LABELS, "predictions"), stores.operations.ledger_hash("damp"))


def test_by_schedule_and_in_a_replay_it_waits_for_the_other_and_says_what_to_run(rain, damp, tmp_path) -> None:
    monthly = {"triggers": (Every(days(28)),), "simulated_from": AS_OF}
    home = replace(rain, **monthly)
    guest = replace(damp, reuses=home, **monthly)
    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: UNTIL)
    definitions, words = build_definitions(home, guest, resources=stores), "`mlsys run rain --until 2013-03-12T00:00`"
    with open_instance(tmp_path) as instance:
        replayed = Replay(Runner(guest, definitions, instance), stores, doing=None)
        with pytest.raises(RunFailed, match=words):
            next(replayed.run(AS_OF))
        catch_up = next(s for s in build_sensors(guest) if s.name == "damp_catch_up")
        context = dg.build_sensor_context(
            instance, sensor_name=catch_up.name, resources=stores.for_dagster(),
            repository_def=definitions.get_repository_def(),
        )  # fmt: skip
        with context:
            assert words in catch_up.evaluate_tick(context).skip_message
        assert Controller(guest, stores, instance).due().as_of == AS_OF == clock_of(guest, stores).now()


def test_features_left_out_are_all_those_of_the_other(rain, damp) -> None:
    everything = replace(damp, features=())
    assert everything.features == rain.features
    assert everything.feature_schema == rain.feature_schema
    assert damp.feature_schema.names == [name for name in rain.feature_schema.names if name != "all_rain_3h"]
    assert [damp.home(t) for t in (*SOURCES, FEATURES, LABELS)] == ["rain"] * 4 + ["damp"]
    assert [rain.home(t) for t in (*SOURCES, FEATURES, LABELS)] == ["rain"] * 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rain: {"reuses": "rain"}, "reuses is 'rain'; it must be MLSystem"),
        (lambda rain: {"name": "Rain"}, "reuses 'rain', a system of its own name"),
        (lambda rain: {"reuses": replace(rain, name="third", reuses=rain)}, "name 'rain'"),
        (
            lambda rain: {"calendar": Weekly("2013-01-01", end="2013-04-02")},
            "from 2013-01-01 00:00 to 2013-04-02 00:00:00+00:00 by 7 days, 0:00:00, another than that of 'rain'",
        ),
        (lambda rain: {"requests": Requests(rain.sources[0], key="observation")}, "write requests=rain.requests"),
        (lambda rain: {"sources": rain.sources[:2]}, "'unobserved' of 'rain' is left out"),
        (lambda rain: {"sources": (*rain.sources[:2], copy(rain.sources[2]))}, "'unobserved' is none of 'rain'"),
        (lambda rain: {"features": rain.features[:2]}, "cold_start is 'origin_wet_hours_12h'; allowed: precip"),
        (lambda rain: {"features": (Request("precip"),)}, "features[0] is a Request that 'rain' does not compute"),
        (lambda rain: {"features": (rain.features[0], copy(rain.features[2]))}, "rain.features[0] to [3]"),
    ],
)
def test_what_is_not_shared_is_a_mistake_that_is_told(rain, damp, change, words) -> None:
    with pytest.raises(DeclarationError) as error:
        replace(damp, **change(rain))
    assert any(words in mistake for mistake in error.value.mistakes), error.value


def test_what_is_reused_must_be_loaded_too(rain, damp, stores) -> None:
    for beside, words in (((), "'rain', which is not here"), ((replace(rain),), "another object than the system")):
        with pytest.raises(DeclarationError) as error:
            build_definitions(*beside, damp, resources=stores)
        assert words in str(error.value)


def test_columns_that_the_other_has_not_computed_are_told(rain, damp, stores, instance, lived) -> None:
    more = replace(rain, features=(*rain.features, Trailing(rain.sources[0], "origin", hours(6), more=mean("humid"))))
    guest = replace(damp, reuses=more, features=more.features)
    runner = Runner(guest, build_definitions(more, guest, resources=stores), instance)
    with pytest.raises(RunFailed, match="origin_more_6h added, none gone"):
        runner.as_of("damp_train", AS_OF)


def test_a_notebook_reads_the_features_where_they_are(rain, damp, stores, lived) -> None:
    workspace = Workspace(rain, damp, environment={"MLSYS_HOME": str(stores.home)})
    split = workspace.split("damp", AS_OF)
    assert split.train.features.column_names == [c.name for c in damp.feature_columns]
    assert len(split.train) > 2000
    tried = workspace.try_features("damp", damp.features[:1], TimeWindow(AS_OF, UNTIL))
    assert tried["precip"].equals(_asked(stores)["precip"])


def _asked(stores: Resources) -> pa.Table:
    return stores.lake.read("rain", FEATURES, window=("predict_at", AS_OF, UNTIL))


def test_mlflow_is_told_which_tables_it_was_trained_on(stores, lived) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{stores.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("damp")
    run = client.search_runs([experiment.experiment_id], "tags.stage = 'candidate'")[0]
    told = {d.dataset.name: d.dataset.source for d in run.inputs.dataset_inputs}
    assert "lake/rain/features" in told["features"]
    assert "lake/damp/labels" in told["labels"]


def test_a_replay_goes_on_as_far_as_the_other_has_come(rain, damp, stores, instance, lived) -> None:
    guest = replace(damp, name="humid", triggers=(Every(days(28)),), simulated_from=AS_OF)
    runner = Runner(guest, build_definitions(rain, damp, guest, resources=stores), instance)
    life = Replay(runner, stores, doing=lambda _: nullcontext()).run(LATER)
    assert [next(life), next(life)] == [AS_OF, UNTIL]
    with pytest.raises(RunFailed, match=r"humid reuses rain, whose table outcomes lacks the tick 2013-03-13"):
        next(life)
    assert clock_of(guest, stores).now() == UNTIL
    said = [d.verdict for d in stores.operations.decisions("humid", "retraining")]
    assert said == ["train", "hold"]
    assert len(stores.lake.read("humid", "predictions")) == 72
