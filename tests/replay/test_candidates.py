"""Candidates that fail are on record with their reasons and the others go on; searches and fits are told in MLflow."""

import shutil
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import numpy as np
import pytest

from mlsys_assets import (
    Compressed,
    FixedClock,
    Integers,
    LightGBM,
    LogisticRegression,
    MedianPruner,
    Mlp,
    NonInferiority,
    OnnxExport,
    RandomForest,
    Stacking,
    Tuned,
    WalkForward,
    ZeroRule,
    build_definitions,
    days,
    hours,
    utc,
)
from mlsys_assets.instance import open_instance
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.runs import RunFailed, Runner
from mlsys_resources.resources import build_resources

AS_OF = utc("2013-03-12")


@dataclass(frozen=True)
class Fails(LightGBM):
    """Cannot be fitted."""

    name: str = "fails"

    def fit(self, train, validation, *, seed, threads):
        raise FitError(f"{self.name}: it has no will to")


@dataclass(frozen=True)
class Dices(LightGBM):
    """Is another at each fit."""

    name: str = "dices"

    def fit(self, train, validation, *, seed, threads):
        return super().fit(train, validation, seed=int(np.random.default_rng().integers(1 << 30)), threads=threads)


SEARCH = Tuned(LightGBM(rounds=20), {"leaves": Integers(3, 15)}, trials=4, pruner=MedianPruner(1, 2))


@dataclass
class Made:
    """What materializing the candidates made."""

    stores: Any
    event: Any
    checks: dict[str, Any]

    def runs(self, where: str) -> list[Any]:
        experiment = self.stores.models._client.get_experiment_by_name("rain")
        asked = f"tags.as_of = '{AS_OF.isoformat()}' and {where}"
        return self.stores.models._client.search_runs([experiment.experiment_id], asked)

    def history(self, run: Any, metric: str) -> list[float]:
        return [m.value for m in self.stores.models._client.get_metric_history(run.info.run_id, metric)]


@pytest.fixture(scope="module")
def made(rain, born, tmp_path_factory) -> Made:
    """Candidates of all sorts, a week after the first champion."""
    candidates = (*rain.candidates, LogisticRegression(c=1e-3), SEARCH, Fails(), Dices(column_share=0.5))
    system = replace(rain, candidates=candidates)
    home = shutil.copytree(born, tmp_path_factory.mktemp("candidates") / "home")
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(AS_OF).now)
    assets = list(build_definitions(system, resources=stores).resolve_asset_graph().assets_defs)
    chosen = [dg.AssetKey(["rain", name]) for name in ("training_set", "candidates")]
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(assets, selection=chosen, instance=instance, partition_key=rain.calendar.key(AS_OF))
    (event,) = done.asset_materializations_for_node("rain__candidates")
    return Made(stores, event, {c.check_name: c for c in done.get_asset_check_evaluations()})


def test_what_fails_is_on_record_with_its_reason_and_the_others_go_on(made: Made) -> None:
    said = {d.name: d for d in made.stores.operations.decisions("rain", "candidate", since=AS_OF, until=AS_OF)}
    assert {name: d.verdict for name, d in said.items()} == {
        "zero_rule": "fitted", "group_rate": "fitted", "lightgbm": "fitted", "logistic_regression": "fitted",
        "tuned": "fitted", "fails": "failed", "dices": "failed",
    }  # fmt: skip
    assert said["fails"].reason == "fails: it has no will to"
    assert "two fits with seed" in said["dices"].reason
    assert not made.checks["every_candidate_fitted"].passed
    assert "no will to" in made.checks["every_candidate_fitted"].description
    table = made.event.metadata["candidates"].value
    assert table.count("[run](") == len(said)
    (failed,) = made.runs("tags.candidate = 'fails'")
    assert failed.data.tags["failed"] == "fails: it has no will to"


@dataclass(frozen=True)
class FailsToo(ZeroRule):
    """A baseline that cannot be fitted."""

    def fit(self, train, validation, *, seed, threads):
        raise FitError(f"{self.name}: nor has this one")


@pytest.mark.parametrize("baselines", [True, False], ids=["baselines fitted", "none fitted"])
def test_where_no_model_candidate_can_be_fitted_the_training_ends_with_the_reason(rain, grown, baselines: bool) -> None:
    kept = [c for c in rain.candidates if c.baseline] if baselines else [FailsToo()]
    life = grown(replace(rain, candidates=(*kept, Fails())))
    before = life.stores.operations.alias("rain", "champion")
    with open_instance(life.folder) as instance:
        runner = Runner(life.system, build_definitions(life.system, resources=life.stores), instance)
        with pytest.raises(
            RunFailed, match="no model candidate could be fitted as of 2013-03-12: fails: it has no will"
        ):
            runner.as_of("rain_train", AS_OF)
    assert life.stores.operations.alias("rain", "champion") == before
    said = {d.kind for d in life.stores.operations.decisions("rain", since=AS_OF, until=AS_OF)}
    assert {"candidate"} <= said
    assert said.isdisjoint({"evaluation", "gate", "refit", "promotion"})
    life.live(AS_OF + days(7))  # and the life goes on


def test_each_candidate_is_debugged(made: Made) -> None:
    assert made.checks["overfits_one_batch"].passed
    assert made.checks["shuffled_labels_teach_nothing"].passed
    for name in ("lightgbm", "logistic_regression", "tuned"):
        assert name in made.checks["same_seed_same_model"].description


def test_all_five_are_told_of_every_run_that_was_fitted(made: Made) -> None:
    """Losses, metrics, a sample of rows with label and score, speed, processor and memory."""
    runs = made.runs("tags.stage = 'candidate' and tags.candidate != 'fails' and tags.candidate != 'dices'")
    assert len(runs) == 5
    for run in runs:
        told = run.data.metrics
        for part in ("train", "validation"):
            assert made.history(run, f"{part} log_loss by round"), run.data.tags
        assert {"validation log_loss", "validation roc_auc", "validation pr_auc"} <= told.keys()
        assert told["fit rows_per_s"] > 0
        assert told["predict rows_per_s"] > 0
        assert told["fit cpu_s"] >= 0
        assert told["fit peak_memory_mb"] > 50
        assert made.history(run, "system/process_memory_megabytes")
        assert {d.dataset.name for d in run.inputs.dataset_inputs} == {"features", "labels"}
        (sample,) = (made.stores.artifact_root / "rain" / run.info.run_id / "artifacts").glob("samples/*")
        assert sample.read_text().startswith("id,predict_at,label,score,log_loss\n")


def test_each_trial_is_a_run_of_its_own(made: Made) -> None:
    trials = made.runs("tags.stage = 'trial'")
    (record,) = [d for d in made.stores.operations.decisions("rain", "candidate") if d.name == "tuned"]
    assert len(trials) == record.evidence["trials"] == 4
    parent = record.context["mlflow_parent"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent}
    assert sorted(run.data.tags["trial"] for run in trials) == ["0", "1", "2", "3"]
    complete = [run for run in trials if run.data.tags["state"] == "complete"]
    best = min(run.data.metrics["value"] for run in complete)
    assert best == pytest.approx(record.evidence["validation log_loss"])
    assert all(len(made.history(run, "validation log_loss by round")) >= 2 for run in trials)
    assert "search of tuned" in made.event.metadata
    assert "errors in common" in made.event.metadata
    assert not list((made.stores.home / "searches").rglob("*.log"))


def test_mlflow_shows_the_columns_of_each_model(made: Made) -> None:
    from mlflow.models import Model

    for run in made.runs("tags.candidate = 'lightgbm'"):
        (folder,) = (made.stores.artifact_root / "rain" / run.info.run_id / "artifacts").glob("model-*")
        columns = Model.load(str(folder)).signature.inputs.input_names()
        assert "precip" in columns


def test_a_champion_may_be_of_any_kind(rain, life_of) -> None:
    """A stack of a forest, a network and a graph: evaluated, reported, refitted, registered, and it predicts."""
    bases = (RandomForest(trees=10), Mlp((8,), epochs=5, batch=256), Compressed(LightGBM(rounds=20), OnnxExport()))
    stack = Stacking(bases, WalkForward(2, days(10), hours(6)))
    gates = replace(rain.gates, slice_margin=1.0, champion=NonInferiority(recent=1.0, static=1.0))
    life = life_of(replace(rain, candidates=(ZeroRule(), stack), gates=gates)).live(utc("2013-03-12"))
    (gate,) = life.decisions("gate")
    assert (gate.verdict, gate.evidence["challenger"]) == ("pass", "stack"), gate.reason
    champion = life.stores.operations.alias("rain", "champion")
    loaded = from_files(life.stores.models.load("rain", champion.version).content)
    assert [part.kind for _, part in loaded.parts] == ["estimator", "mlp", "onnx"]
    made = life.stores.lake.read("rain", "predictions")
    assert made.num_rows > 400
    assert set(made["model_hash"].to_pylist()) == {champion.content_hash}
