"""Framings, objectives and thresholds on real flights: chosen until September, looked at in October and November."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from mlsys_assets import Accuracy, CostMatrix, LightGBM, LogLoss, MLSystem, PrAuc, RocAuc
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, TestRead, View
from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import value
from mlsys_assets.measures.pareto import pareto_front
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.task import Regression, with_target
from mlsys_assets.offline_evaluation.choices.blend_sweep import Aim, evenly, sweep
from mlsys_assets.offline_evaluation.choices.confusion import confusion_table, precision_recall
from mlsys_assets.offline_evaluation.choices.thresholds import ByCost, ByPrecision, ByRecall, ByShare
from mlsys_assets.offline_evaluation.choices.trade_offs import Option, interpretability, trade_offs
from mlsys_assets.offline_evaluation.choices.worth import Worth, worth_it
from mlsys_assets.offline_evaluation.comparison import Scored, compare
from mlsys_assets.systems.flights.system import NEW_YORK

AUTUMN, WINTER = (datetime(2013, month, 1, tzinfo=NEW_YORK) for month in (10, 12))
LATE = Regression("arr_delay", cut=15, unit="min")
VERY_LATE = 60
"""Minutes: late enough to miss what one flew for."""
MODELS = ("zero_rule", "group_rate", "lightgbm")
ONE_OF = 20
"""Of so many training rows one, where several fits are compared with each other only."""


@pytest.fixture(scope="module")
def costs(flights_system: MLSystem) -> CostMatrix:
    assert flights_system.costs is not None
    return flights_system.costs


@pytest.fixture(scope="module")
def tree(flights_system: MLSystem) -> LightGBM:
    (found,) = [c for c in flights_system.candidates if isinstance(c, LightGBM)]
    return found


@pytest.fixture(scope="module")
def delay_of(flights_rows: LabelledRows, flights_delay: np.ndarray) -> Callable[[View], np.ndarray]:
    return lambda view: flights_delay[pc.index_in(view.ids, value_set=flights_rows.ids).to_numpy()]


@pytest.fixture(scope="module")
def validation_score(flights_split: Split, flights_fitted: Mapping[str, Predictor]) -> np.ndarray:
    return flights_fitted["lightgbm"].predict(flights_split.validation.features)


@pytest.fixture(scope="module")
def autumn(flights_rows: LabelledRows, flights_fitted: Mapping[str, Predictor]) -> Scored:
    """October and November, 55,589 flights, by models that know what was known until September."""
    rows = flights_rows
    here = (rows.at >= moment(AUTUMN)) & (rows.at < moment(WINTER)) & ~np.isnan(rows.label)
    features = rows.features.filter(pa.array(here))
    scores = {name: flights_fitted[name].predict(features) for name in MODELS}
    return Scored("autumn", "", rows.at[here], rows.label[here], scores, dict.fromkeys(MODELS, ""))


@pytest.fixture(scope="module")
def recent(flights_split: Split) -> OpenedTest:
    reads: list[TestRead] = []
    view = flights_split.recent_test.open(reads.append, models="flights_objectives", reason="framings on the same rows")
    assert [read.reason for read in reads] == ["framings on the same rows"]
    return view


def test_accuracy_hides_what_a_model_is_worth(autumn: Scored, costs: CostMatrix) -> None:
    """Who says "on time" of all is right of 83 %; at the threshold that saves most, the best model is less often."""
    label, scores = autumn.label, autumn.scores
    accuracy = {name: value(Accuracy(), label, score) for name, score in scores.items()}
    acting = value(Accuracy(costs.threshold), label, scores["lightgbm"])
    assert accuracy["zero_rule"] == pytest.approx(1 - label.mean())
    assert accuracy["zero_rule"] == pytest.approx(0.8295, abs=0.0005)
    assert accuracy["group_rate"] < accuracy["zero_rule"]
    assert acting < accuracy["zero_rule"] < accuracy["lightgbm"] < accuracy["zero_rule"] + 0.03
    weights = bootstrap(day_blocks(autumn.at), seed=0)
    gained = difference(Accuracy(), label, (scores["lightgbm"], scores["zero_rule"]), weights=weights)
    saved = {
        n: difference(ExpectedCost(costs), label, (scores[n], scores["zero_rule"]), weights=weights) for n in scores
    }
    assert saved["group_rate"].high < 0  # wins where accuracy says that it loses
    assert saved["lightgbm"].high < -6
    print(f"accuracy {accuracy}, lightgbm at {costs.threshold:.0%} {acting:.4f}, gained at .5 {gained}")
    print(f"cost minus zero_rule { ({n: str(e) for n, e in saved.items()}) }")


def test_the_area_under_the_curve_is_held_against_the_share_that_is_late(autumn: Scored) -> None:
    weights = bootstrap(day_blocks(autumn.at), seed=0)
    found = precision_recall(autumn.label, autumn.scores["lightgbm"], weights=weights)
    assert found.prevalence.value == pytest.approx(0.171, abs=0.001)
    assert found.pr_auc.value == pytest.approx(average_precision_score(autumn.label, autumn.scores["lightgbm"]))
    assert found.gain.low > 0.2
    none = precision_recall(autumn.label, autumn.scores["zero_rule"], weights=weights)
    assert none.pr_auc.value == pytest.approx(none.prevalence.value)
    print(f"average precision {found.pr_auc}, prevalence {found.prevalence}, gain {found.gain}")


def test_the_confusion_table_is_scikit_learns(autumn: Scored, costs: CostMatrix) -> None:
    label, score = autumn.label, autumn.scores["lightgbm"]
    table = confusion_table(label, score, threshold=costs.threshold, weights=bootstrap(day_blocks(autumn.at), seed=0))
    *expected, support = precision_recall_fscore_support(label, score >= costs.threshold)
    for word, by_class in zip(("precision", "recall", "f1"), expected, strict=True):
        assert [table.by_class[c][word].value for c in (0, 1)] == pytest.approx(by_class.tolist(), rel=1e-12)
        assert all(table.by_class[c][word].low < table.by_class[c][word].high for c in (0, 1))
    assert [table.support[c] for c in (0, 1)] == support.tolist()
    print({word: str(found) for word, found in table.by_class[1].items()})


def test_dearer_misses_lower_the_threshold(
    flights_split: Split, validation_score: np.ndarray, costs: CostMatrix
) -> None:
    dearer = replace(costs, false_negative=2 * costs.false_negative)
    once, twice = (ByCost(c).choose(flights_split.validation, validation_score) for c in (costs, dearer))
    assert twice.threshold < once.threshold
    assert twice.recall > once.recall
    for found, matrix in ((once, costs), (twice, dearer)):
        assert found.threshold == pytest.approx(matrix.threshold, abs=0.04)
        assert found.cost <= matrix.realised(flights_split.validation.label, validation_score)
    print(f"{once.threshold:.4f} ({once.reason}), {twice.threshold:.4f} ({twice.reason})")


def test_no_test_row_has_a_say_in_a_threshold(
    flights_system: MLSystem, flights_rows: LabelledRows, flights_split: Split, flights_fitted: Mapping[str, Predictor],
    validation_score: np.ndarray, costs: CostMatrix,
) -> None:  # fmt: skip
    later = flights_rows.at >= moment(flights_split.recent_test.window.start)
    turned = replace(flights_rows, label=np.where(later, 1 - flights_rows.label, flights_rows.label))
    altered = flights_system.time_split.split(turned, as_of=AUTUMN)
    assert altered.recent_test.content_hash != flights_split.recent_test.content_hash
    score = flights_fitted["lightgbm"].predict(altered.validation.features)
    for policy in (ByCost(costs), ByRecall(0.8), ByPrecision(0.6), ByShare(0.1)):
        found = policy.choose(flights_split.validation, validation_score)
        assert policy.choose(altered.validation, score) == found
        print(f"{found.policy}: {found.threshold:.4f}, precision {found.precision:.4f}, recall {found.recall:.4f}")


def test_a_regression_of_the_delay_answers_the_same_question(
    flights_split: Split, flights_fitted: Mapping[str, Predictor], tree: LightGBM, recent: OpenedTest,
    delay_of: Callable[[View], np.ndarray], costs: CostMatrix,
) -> None:  # fmt: skip
    """Both framings on the same rows: the regression ranks worse and costs a little more, and serves any cut."""
    train, validation = (with_target(v, delay_of(v)) for v in (flights_split.train, flights_split.validation))
    assert LATE.label(train.label).tolist() == flights_split.train.label.tolist()
    fitted = RegressedLightGBM(LATE, tree).fit(train, validation, seed=0, threads=1)
    scores = {
        "classifier": flights_fitted["lightgbm"].predict(recent.features, threads=1),
        "regression": fitted.predict(recent.features, threads=1),
    }
    assert np.array_equal(from_files(to_files(fitted.predictor)).predict(recent.features), scores["regression"])
    scored = Scored("recent_test", recent.content_hash, recent.at, recent.label, scores, dict.fromkeys(scores, ""))
    found = compare(scored, ("regression", "classifier"), [RocAuc(), LogLoss(), ExpectedCost(costs)]).differences
    own = {m.name: {n: round(value(m, recent.label, s), 4) for n, s in scores.items()}
           for m in (RocAuc(), LogLoss(), ExpectedCost(costs))}  # fmt: skip
    print(own, {name: str(e) for name, e in found.items()})
    assert all(e.sufficient for e in found.values())
    assert -0.05 < found["roc_auc"].value < 0
    assert found["log_loss"].low > 0  # the classifier minimised it
    assert abs(found["expected_cost"].value) < 0.5
    assert scores["regression"].mean() == pytest.approx(scores["classifier"].mean(), abs=0.03)
    very = (delay_of(recent) > VERY_LATE).astype(float)
    assert value(RocAuc(), very, fitted.predictor.at(VERY_LATE).predict(recent.features)) > 0.65


@pytest.fixture(scope="module")
def few(flights_split: Split) -> View:
    return flights_split.train.take(np.arange(0, len(flights_split.train), ONE_OF))


def test_a_front_of_log_loss_and_missed_flights(
    few: View, flights_split: Split, tree: LightGBM, costs: CostMatrix
) -> None:
    validation, points = flights_split.validation, []
    for weight in (0.0, 1.0, 2.0, 4.0, 8.0):
        objective = Combined(1, weight, threshold=costs.threshold)
        fitted = replace(tree, rounds=30, objective=objective).fit(few, validation, seed=0, threads=1)
        score = fitted.predict(validation.features, threads=1)
        missed = ((score < costs.threshold) & (validation.label > 0)).mean()
        points.append((value(LogLoss(), validation.label, score), missed * costs.false_negative))
        print(f"log loss + {weight} x misses: log loss {points[-1][0]:.4f}, cost of misses {points[-1][1]:.2f}")
    found = pareto_front(np.array(points), ("lower", "lower"))
    by_hand = [not any(o != p and o[0] <= p[0] and o[1] <= p[1] for o in points) for p in points]
    assert found.tolist() == by_hand
    assert found.sum() >= 4
    assert points[-1][1] < points[0][1] / 2


def test_weights_of_two_objectives_change_the_order_and_train_nothing(
    few: View, flights_split: Split, tree: LightGBM, delay_of: Callable[[View], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """More than a quarter of an hour late, and more than an hour: a model each, and one order of flights."""
    validation, fits = flights_split.validation, []
    genuine: Callable[..., object] = LightGBM.fit
    monkeypatch.setattr(LightGBM, "fit", lambda *given, **more: (fits.append(given), genuine(*given, **more))[1])
    labels = {n: (delay_of(validation) > cut).astype(float) for n, cut in (("late", 15), ("very_late", VERY_LATE))}
    small: Candidate = replace(tree, rounds=30)
    parts = {
        name: small.fit(
            with_target(few, (delay_of(few) > cut).astype(float)), with_target(validation, labels[name]),
            seed=0, threads=1,
        ).predictor
        for name, cut in (("late", 15), ("very_late", VERY_LATE))
    }  # fmt: skip
    assert len(fits) == 2
    scores = {name: part.predict(validation.features, threads=1) for name, part in parts.items()}
    points = sweep(
        scores, [Aim(n, label, PrAuc()) for n, label in labels.items()], evenly("late", "very_late", steps=10)
    )
    for point in points:
        print(point)
    assert len({tuple(p.values.values()) for p in points}) == len(points)
    assert sum(p.on_front for p in points) >= 2
    one = Blend({"late": 1, "very_late": 1}).of(parts)
    other = one.reweighted({"late": 1, "very_late": 9})
    assert not np.array_equal(*(np.argsort(-b.predict(validation.features), kind="stable") for b in (one, other)))
    assert np.array_equal(from_files(to_files(one)).predict(validation.features), one.predict(validation.features))
    assert len(fits) == 2


def test_trade_offs_of_the_declared_candidates(
    recent: OpenedTest, flights_fitted: Mapping[str, Predictor], costs: CostMatrix
) -> None:
    weights = bootstrap(day_blocks(recent.at), seed=0)
    options = []
    for name, predictor in flights_fitted.items():
        before = time.process_time()
        score = predictor.predict(recent.features)
        spent = 1e6 * (time.process_time() - before) / len(recent)
        quality, cost = (estimate(m, recent.label, score, weights=weights) for m in (LogLoss(), ExpectedCost(costs)))
        size = sum(len(data) for data in to_files(predictor).values())
        options.append(Option(name, quality, spent, size, interpretability(predictor), cost))
    table = trade_offs(options, quality=("log_loss", "lower"), unit=costs.unit)
    for row in table.rows:
        print(row)
    assert {"zero_rule", "lightgbm"} <= set(table.front)
    quality = {o.model: o.quality.value for o in options}
    assert min(quality, key=quality.__getitem__) == "lightgbm"


def test_a_model_is_worth_its_price_here_and_would_not_be_at_any(
    recent: OpenedTest, flights_fitted: Mapping[str, Predictor], costs: CostMatrix
) -> None:
    scores = {name: flights_fitted[name].predict(recent.features) for name in MODELS}
    scored = Scored("recent_test", "", recent.at, recent.label, scores, dict.fromkeys(MODELS, ""))
    found = {price: worth_it(Worth(LogLoss(), 0.01, costs, price), scored, MODELS[:2], seed=0) for price in (0.01, 8.0)}
    assert found[0.01].passed
    assert not found[8.0].passed
    assert found[8.0].summary.startswith("machine learning is not worth it here: lightgbm surely gains")
    print(found[8.0].summary)
