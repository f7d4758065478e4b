"""What an evaluation leaves in a life: a report of each challenger, tests that hold it, studies that were asked for."""

import shutil
from dataclasses import dataclass, replace

import dagster as dg
import numpy as np
import pyarrow.compute as pc
import pytest

from mlsys_assets import Invariant, LightGBM, build_definitions
from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.instance import open_instance
from mlsys_assets.measures.metrics import value
from mlsys_assets.production_monitoring.revisions import latest
from mlsys_assets.value_analysis.studies.assets import STUDIES

FIRST = "2013-03-05"


def last_told(life, table: str, partition: str) -> dict[str, dg.MetadataValue]:
    with open_instance(life.folder) as instance:
        found = instance.fetch_materializations(dg.AssetKey(["rain", table]), limit=100).records
    last = max((r for r in found if r.partition_key == partition), key=lambda r: r.storage_id)
    return dict(last.asset_materialization.metadata)


def test_each_challenger_has_its_report(six_weeks) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{six_weeks.folder / 'mlflow.db'}")
    chosen, gates = six_weeks.decisions("challenger"), six_weeks.decisions("gate")
    assert len(chosen) == len(gates) > 1
    for choice, gate in zip(chosen, gates, strict=True):
        (fit,) = [
            d for d in six_weeks.decisions("candidate", since=choice.as_of, until=choice.as_of)
            if d.name == choice.verdict
        ]  # fmt: skip
        run = fit.context["mlflow_run"]
        assert "evaluation.html" in [a.path for a in client.list_artifacts(run)]
        (file,) = six_weeks.folder.glob(f"mlartifacts/rain/{run}/artifacts/evaluation.html")
        page = file.read_text()
        assert gate.reason.split("(")[0].split("[")[0].strip()[:40] in page
        shown = last_told(six_weeks, "challenger_report", f"{choice.as_of:%Y-%m-%d}")
        assert run in shown["report"].value
        assert "/artifacts/evaluation.html" in shown["report"].value
        assert shown["verdict"].value == gate.verdict
        assert client.get_run(run).data.tags["threshold"] == f"{choice.evidence['threshold']:.6g}"


def test_the_report_finds_and_stops_nothing(six_weeks) -> None:
    """Its checks are evaluated at each training, and each says something."""
    key = dg.AssetKey(["rain", "challenger_report"])
    definitions = build_definitions(six_weeks.system, resources=six_weeks.stores)
    specs = [c for c in definitions.resolve_asset_graph().asset_check_keys if c.asset_key == key]
    assert len(specs) >= 6
    with open_instance(six_weeks.folder) as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(specs)
    assert set(records) == set(specs)
    for record in records.values():
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert evaluation.severity is dg.AssetCheckSeverity.WARN
        assert evaluation.description


def test_a_declared_test_that_fails_holds_the_challenger(rain, life_of) -> None:
    """A model that reads how wet it is cannot be invariant to it: nobody becomes champion, and why is on record."""
    stubborn = replace(rain, behavior=(Invariant("precip"),))
    life = life_of(stubborn).live(FIRST)
    (gate,) = life.decisions("gate")
    (tested,) = [d for d in life.decisions("behavior") if d.name == "invariant_to_precip"]
    assert (gate.verdict, tested.verdict) == ("fail", "fail")
    assert tested.reason in gate.reason
    assert gate.evidence["invariant_to_precip"] is False
    assert life.stores.operations.alias("rain", "champion") is None


@pytest.fixture(scope="module")
def studied(six_weeks, tmp_path_factory):
    life = replace(six_weeks, folder=shutil.copytree(six_weeks.folder, tmp_path_factory.mktemp("studied") / "home"))
    before = life.hash
    config = {f"rain__{name}": {"config": {"seeds": 1, "window_days": 14, "step_days": 7, "period_days": 14}}
              for name in STUDIES}  # fmt: skip
    with open_instance(life.folder) as instance:
        job = build_definitions(life.system, resources=life.stores).resolve_job_def("rain_study")
        assert job.execute_in_process(instance=instance, partition_key="2013-03-19", run_config={"ops": config}).success
    assert life.hash == before  # a study decides nothing
    return life


def test_more_data_is_studied_when_somebody_asks(studied) -> None:
    shown = last_told(studied, "learning_curve", "2013-03-19")
    assert "times the rows" in shown["what more would bring"].value
    assert shown["sizes"].value.count("\n") >= 4


def test_fresher_data_is_studied_when_somebody_asks(studied) -> None:
    shown = last_told(studied, "freshness", "2013-03-19")
    assert shown["freshness"].value
    assert "windows" in shown


def test_a_better_model_is_held_against_more_data_when_somebody_asks(studied) -> None:
    shown = last_told(studied, "gain_per_compute", "2013-03-19")
    assert "half of the days" in shown["in numbers"].value
    assert "lightgbm" in shown["in numbers"].value


def test_what_features_are_worth_is_studied_when_somebody_asks(studied) -> None:
    """Two fits at the least, whatever was asked for: one tells nothing of how stable a ranking is."""
    shown = last_told(studied, "feature_importance", "2013-03-19")
    assert shown["what matters"].value.startswith("by gain: ")
    assert "all of the request (together)" in shown["importance in numbers"].value
    assert shown["rank stability"].value.startswith("lightgbm, 2 fits\nby own: ")
    for picture in ("importance", "ranks", "importance against drift"):
        assert shown[picture].value.startswith("![")
        assert len(shown[picture].value) < 1000
    assert "pure_noise" not in shown["drift in numbers"].value


def test_which_features_can_go_is_studied_when_somebody_asks(studied) -> None:
    shown = last_told(studied, "feature_removal", "2013-03-19")
    assert shown["what can go"].value.startswith("lightgbm: ")
    assert shown["in numbers"].value.splitlines()[2].startswith("| 9 | 0.")
    assert set(shown["no longer needed"].value) <= {
        "Request origin and 3 more", "Trailing origin_wet_3h and 3 more", "Trailing all_rain_3h"
    }  # fmt: skip


def test_what_compression_costs_is_studied_when_somebody_asks(studied) -> None:
    shown = last_told(studied, "compression", "2013-03-19")
    assert "onnx" in shown["in numbers"].value
    assert shown["size and loss"].value.startswith("![")
    assert "first_50_percent is" in shown["does it pay"].value


def test_rows_are_not_split_at_random_without_a_reason(studied) -> None:
    shown = last_told(studied, "split_gap", "2013-03-19")
    assert shown["what a random split would promise"].value.startswith("not asked")
    assert not studied.decisions("random_split")


def test_a_forced_random_split_is_on_record_and_held_against_the_split_by_time(studied, tmp_path) -> None:
    life = replace(studied, folder=shutil.copytree(studied.folder, tmp_path / "home"))
    config = {"rain__split_gap": {"config": {"seeds": 1, "forced": "to show what it hides"}}}
    with open_instance(life.folder) as instance:
        job = build_definitions(life.system, resources=life.stores).resolve_job_def("rain_study")
        run = job.execute_in_process(
            instance=instance, partition_key="2013-03-19", run_config={"ops": config},
            asset_selection=[dg.AssetKey(["rain", "split_gap"])],
        )  # fmt: skip
        assert run.success
    (record,) = life.decisions("random_split")
    assert (record.verdict, record.evidence["rows"] > 0) == ("forced", True)
    assert "to show what it hides" in record.reason
    shown = last_told(life, "split_gap", "2013-03-19")
    assert "on the same rows" in shown["in numbers"].value


def test_the_tests_that_a_study_looks_at_are_on_record(studied, six_weeks) -> None:
    reads = [r for r in studied.stores.operations.test_reads("rain") if "study" in r.reason]
    assert len(reads) >= 1
    assert not [r for r in six_weeks.stores.operations.test_reads("rain") if "study" in r.reason]


def test_predictions_as_they_were_logged_give_the_number_that_was_monitored(six_weeks) -> None:
    """One metric module, offline and live: the same predictions and labels are the same number."""
    lake, metrics = six_weeks.stores.lake, six_weeks.system.metrics
    predictions, labels = lake.read("rain", "predictions"), lake.read("rain", "labels")
    found = pc.index_in(predictions["observation"], value_set=labels["observation"].combine_chunks())
    label, score = labels["label"].take(found).to_numpy(), predictions["score"].to_numpy()
    known_at = np.array(labels["known_at"].take(found).to_pylist(), dtype=object)
    tick = np.array(with_tick(predictions, six_weeks.system.calendar, "predict_at")["tick"].to_pylist(), dtype=object)
    seen = 0
    for row in latest(lake.read("rain", "performance")):
        if row["model"] != "champion":
            continue
        known = np.array([at is not None and at <= row["as_of"] for at in known_at])
        mine = (tick == row["predicted"]) & known & ~np.isnan(label)
        assert mine.sum() == row["labelled"]
        for metric in metrics:
            if row[metric.name] is not None:
                assert value(metric, label[mine], score[mine]) == pytest.approx(row[metric.name], rel=1e-12)
                seen += 1
    assert seen >= 5 * len(metrics)


def test_unequal_budgets_hold_the_challenger(rain, life_of) -> None:
    """One candidate says that it tried twenty settings, the other none: of the best of twenty more is expected."""

    @dataclass(frozen=True)
    class Tuned(LightGBM):
        def fit(self, train, validation, *, seed, threads):
            found = super().fit(train, validation, seed=seed, threads=threads)
            return replace(found, recipe={**found.recipe, "trials": 20})

    simple, tuned = LightGBM(rounds=30, leaves=7), Tuned(rounds=40, leaves=7, name="tuned")
    baselines = [c for c in rain.candidates if c.baseline]
    life = life_of(replace(rain, candidates=(*baselines, simple, tuned))).live(FIRST)
    (gate,) = life.decisions("gate")
    assert gate.verdict == "fail"
    assert "not comparable, trials: lightgbm 1, tuned 20" in gate.reason
