"""The definitions: light to load, complete, and open to what others add."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    DeclarationError,
    NaturalLabel,
    Retraining,
    TimeSplit,
    TimeWindow,
    build_definitions,
    days,
    hours,
    utc,
)
from mlsys_assets.dagster_adapter import as_ofs
from mlsys_assets.instance import open_instance
from mlsys_assets.runs import Runner
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.value_analysis.studies.assets import STUDIES
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

HEAVY = ("mlflow", "sklearn", "lightgbm", "evidently", "pandas", "deltalake", "duckdb", "ibis", "matplotlib")
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def rain():
    spec = importlib.util.spec_from_file_location("rain", TESTS / "systems" / "rain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rain


def test_loading_the_definitions_loads_nothing_heavy() -> None:
    code = f"import sys; import mlsys_assets.systems.workspace; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")


def test_the_graph_is_whole(tmp_path, clock) -> None:
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    groups = [graph.get(key).group_name for key in graph.get_all_asset_keys()]
    stages = {g.removeprefix("flights_") for g in groups}
    assert stages == {
        "data_ingestion", "data_labeling", "data_sampling", "features", "models", "offline_evaluation", "prediction",
        "production_monitoring", "retraining", "rollout", "value_analysis",
    }  # fmt: skip
    assert all(key.path[0] == "flights" for key in graph.get_all_asset_keys())


def test_each_asset_is_made_by_the_jobs_that_should_make_it(tmp_path, clock) -> None:
    """A tick brings data in, predicts and watches; a training makes all else; between them they make everything."""
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    made = {
        name: {key.path[1] for key in defs.resolve_job_def(f"flights_{name}").asset_layer.executable_asset_keys}
        for name in ("ingest", "tick", "train", "predict", "study", "data_report", "policy_replay")
    }
    watched = {"performance", "drift", "diagnosis", "weekly_page", "monthly_cost"}
    assert made["ingest"] == {s.name for s in flights.sources} | {"labels", "features"}
    assert made["predict"] == {"predictions"}
    assert made["tick"] == made["ingest"] | made["predict"] | watched
    assert {"training_profile", "report", "challenger_report"} <= made["train"]
    assert made["study"] == set(STUDIES)
    assert made["data_report"] == {"data_report"}
    assert made["policy_replay"] == {"policy_frontier"}
    asked_for = made["study"] | made["data_report"] | made["policy_replay"]
    assert not asked_for & (made["train"] | made["tick"])
    assert not made["train"] & made["tick"]
    told = {"retraining_decision"}  # by the arbiter's sensor
    everything = {key.path[1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert made["train"] | made["tick"] | asked_for | told == everything


def test_schedules_and_sensors_are_there_and_the_clock_of_a_simulation_is_moved_only_when_asked(
    tmp_path, clock
) -> None:
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    assert {s.name: (s.cron_schedule, s.default_status.value) for s in defs.schedules} == {
        "flights_tick": ("* * * * *", "RUNNING"),
        "flights_clock": ("* * * * *", "STOPPED"),
    }
    assert {s.name: s.default_status.value for s in defs.sensors} == dict.fromkeys(
        (
            "flights_retrain_by_label_volume",
            "flights_retrain_by_performance_drop",
            "flights_retrain_by_drift",
            "flights_arbiter",
            "flights_catch_up",
            "flights_alerts",
            "reaper",
        ),
        "RUNNING",
    ) | {"flights_data_report": "STOPPED"}


@pytest.mark.parametrize(
    ("changes", "schedules"),
    [
        ({"simulated_from": None}, {"flights_tick": "0 0 * * 1"}),  # by the wall clock: when a week ends, a Monday
        ({"triggers": (), "retraining": Retraining()}, {}),
    ],
)
def test_what_a_system_does_not_declare_has_no_schedule(tmp_path, clock, changes, schedules) -> None:
    other = replace(flights, **changes)
    defs = build_definitions(other, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    dg.Definitions.validate_loadable(defs)
    assert {s.name: s.cron_schedule for s in defs.schedules} == schedules
    always = {"flights_alerts", "flights_data_report", "reaper"}
    assert ({s.name for s in defs.sensors} > always) == bool(schedules)
    assert {s.name for s in defs.sensors} >= always


@pytest.mark.parametrize("pairs", [1, pytest.param(5, marks=pytest.mark.prove)])
def test_twelve_systems_load_in_twice_the_time_of_one(pairs: int) -> None:
    """By the processor time of whole processes, as every `dagster` and `mlsys` process pays it."""
    ratios = []
    for _ in range(pairs):
        one, twelve = (_cpu_s(TWELVE.format(systems=n)) for n in (1, 12))
        ratios.append(twelve / one)
    assert sorted(ratios)[len(ratios) // 2] <= 2.0, ratios


TWELVE = """
from dataclasses import replace
from mlsys_assets import Workspace
from mlsys_assets.systems.flights.system import flights
systems = [replace(flights, name=f"flights_{{n}}") for n in range({systems})]
defs = Workspace(*systems).definitions
defs.get_repository_def()
assert len(list(defs.sensors)) == 7 * {systems} + 1
"""


def _cpu_s(code: str) -> float:
    before = sum(os.times()[2:4])
    subprocess.run([sys.executable, "-c", code], check=True)
    return sum(os.times()[2:4]) - before


def test_every_asset_says_what_it_is_whose_and_of_which_columns(tmp_path, clock) -> None:
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    graph = defs.resolve_asset_graph()
    for node in (graph.get(key) for key in graph.get_all_asset_keys()):
        name = node.key.to_user_string()
        assert len(node.description or "") > 40, name
        assert node.owners, name
        assert node.kinds, name
        assert node.tags["stage"] == (node.group_name or "").removeprefix("flights_"), name
        assert all(len(graph.get_check_spec(check).description or "") > 20 for check in node.check_keys), name
        schema = node.metadata.get("dagster/column_schema")
        undescribed = [column.name for column in schema.columns if not column.description] if schema else []
        assert set(undescribed) <= {m.name for m in flights.metrics}, (name, undescribed)
    everything = [
        graph.get(dg.AssetKey(["flights", s.name])).metadata["dagster/column_schema"] for s in flights.sources
    ]
    assert all({"event_time", "known_at", "source_file"} <= {c.name for c in found.columns} for found in everything)


def test_a_source_may_be_somebody_elses(tmp_path, clock) -> None:
    *others, last = flights.sources
    theirs = replace(last, owner="carriers@example.org")
    never = {state: theirs if source is last else source for state, source in flights.label.never.items()}
    label = replace(flights.label, never=never)
    mine = replace(flights, sources=(*others, theirs), label=label, owner="desk")
    graph = build_definitions(
        mine, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock)
    ).resolve_asset_graph()
    assert graph.get(dg.AssetKey(["flights", last.name])).owners == ["carriers@example.org"]
    assert graph.get(dg.AssetKey(["flights", "labels"])).owners == ["team:desk"]


def test_a_system_that_tells_no_costs_has_no_asset_of_them(tmp_path, clock) -> None:
    silent = replace(flights, costs=None)
    defs = build_definitions(silent, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    dg.Definitions.validate_loadable(defs)
    assert dg.AssetKey(["flights", "monthly_cost"]) not in defs.resolve_asset_graph().get_all_asset_keys()


def test_no_run_of_a_job_may_take_for_ever(tmp_path, clock) -> None:
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    jobs = [defs.resolve_job_def(f"flights_{name}") for name in ("ingest", "tick", "train", "predict")]
    assert {job.tags["dagster/max_runtime"] for job in jobs} == {"3600"}


def test_mistakes_are_all_listed_at_declaration() -> None:
    late = flights.label
    with pytest.raises(DeclarationError) as error:
        replace(
            flights,
            sources=(*flights.sources, flights.sources[0]),
            label=NaturalLabel(
                "late", source=late.source, compute=late.compute, delay=hours(24), window=hours(1), never=late.never
            ),
            split=TimeSplit(validation=days(30), test=days(30), embargo=hours(1)),
            candidates=(flights.candidates[0], flights.candidates[0]),
            slices=(*flights.slices, type(flights.slices[0])("nowhere")),
        )
    told = str(error.value)
    for part in (
        "sources are named 'airlines'",
        "shorter than its delay",
        "embargo",
        "candidates are named",
        "nowhere",
    ):
        assert part in told, told


def test_two_systems_of_one_name_are_refused(tmp_path, clock) -> None:
    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock)
    shouted = replace(flights, name="Flights")
    for other, words in (
        (flights, "named 'flights'"),
        (shouted, "named 'flights' and 'Flights'"),
        ("rain", "systems[1]"),
    ):
        with pytest.raises(DeclarationError, match=re.escape(words)) as error:
            build_definitions(flights, other, resources=stores, stages={"rolout": list, "models": None})
        assert "Did you mean 'rollout'?" in str(error.value)
        assert "stage 'models' is None" in str(error.value)


def test_a_second_system_a_hand_written_asset_and_a_replaced_stage(tmp_path, clock, rain) -> None:
    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock)

    @dg.asset(deps=[dg.AssetKey(["flights", "features"])])
    def busiest_origin(stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        origins = stores.lake.read("flights", "features", columns=["origin"])["origin"]
        counts = {c["values"]: c["counts"] for c in pc.value_counts(origins).to_pylist()}
        return dg.MaterializeResult(metadata={"origin": max(counts, key=counts.__getitem__), "rows": len(origins)})

    def approval(system) -> list[dg.AssetsDefinition]:
        @dg.asset(key=[system.name, "promotion"], deps=[[system.name, "refitted_model"]],
                  partitions_def=as_ofs(system), group_name=f"{system.name}_rollout")  # fmt: skip
        def promotion(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> None:
            at = context.partition_time_window.start
            stores.operations.record(Decision(system.name, at, "promotion", "champion", "held", "nobody approved it"))

        return [promotion]

    both = build_definitions(flights, rain, resources=stores)
    hand = dg.Definitions(assets=[busiest_origin], jobs=[dg.define_asset_job("hand", [busiest_origin])])
    merged = dg.Definitions.merge(both, hand)
    replaced = build_definitions(rain, resources=stores, stages={"rollout": approval})
    for defs in (both, merged, replaced):
        dg.Definitions.validate_loadable(defs)
    as_of, next_day = utc("2013-03-26"), utc("2013-03-27")
    with open_instance(tmp_path) as instance:
        Runner(flights, merged, instance).ticks("flights_ingest", TimeWindow.of("2012-12-31", "2013-01-07"))
        found = merged.resolve_job_def("hand").execute_in_process(instance=instance)
        runner = Runner(rain, merged, instance)
        runner.ticks("rain_ingest", TimeWindow(utc("2013-01-01"), next_day))
        runner.as_of("rain_train", as_of)
        runner.ticks("rain_predict", TimeWindow(as_of, next_day))
        champion = stores.operations.alias("rain", "champion")
        Runner(rain, replaced, instance).as_of("rain_train", next_day)

    (event,) = found.asset_materializations_for_node("busiest_origin")
    features = stores.lake.read("flights", "features", columns=["origin"])
    assert event.metadata["rows"].value == features.num_rows > 5_000
    assert event.metadata["origin"].value == "EWR"
    said = {(d.kind, d.as_of): d for d in stores.operations.decisions("rain")}
    assert said["gate", as_of].verdict == "pass", said["gate", as_of].reason
    asked = stores.lake.read("rain", "features", window=("predict_at", as_of, next_day))
    assert stores.lake.read("rain", "predictions")["observation"].equals(asked["observation"])
    assert said["promotion", next_day].verdict == "held"
    assert stores.operations.alias("rain", "champion") == champion
