"""Thinning keeps the period and takes whole days; a study measures what it says it does."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation, View
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.candidate import FitError
from mlsys_assets.offline_evaluation.studies.learning_curve import QUICK_SHARES, LearningCurveStudy, thinned
from mlsys_assets.types import DeclarationError, TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-07-01")
GROUPS = 40


def view(kind: type[View], days: int, a_day: int, *, seed: int, first: str = "2013-01-01") -> View:
    random = np.random.default_rng(seed)
    n = days * a_day
    group = random.integers(0, GROUPS, n)
    label = (random.random(n) < 0.1 + 0.8 * group / GROUPS).astype(float)
    at = np.datetime64(first, "us") + (np.arange(n) // a_day).astype("timedelta64[D]")
    features = pa.table({"group": [f"g{g}" for g in group]})
    return kind(pa.array([f"{seed}-{i}" for i in range(n)]), at, features, label, WINDOW)


TRAIN, VALIDATION = view(Train, 64, 20, seed=1), view(Validation, 10, 40, seed=2, first="2013-04-01")
TEST = view(OpenedTest, 20, 100, seed=3, first="2013-05-01")
RATE = GroupRate(by=("group",), strength=1)


@given(st.integers(1, len(TRAIN)), st.integers(0, 5))
def test_whole_days_are_taken_each_size_in_the_next(rows: int, seed: int) -> None:
    part = thinned(TRAIN, rows, seed=seed)
    assert len(part) == rows
    assert (np.diff(part.at) >= np.timedelta64(0)).all()
    _, counts = np.unique(part.at, return_counts=True)
    assert sorted(counts) == sorted([20] * (rows // 20) + ([rows % 20] if rows % 20 else []))
    more = thinned(TRAIN, min(rows + 13, len(TRAIN)), seed=seed)
    assert set(part.ids.to_pylist()) <= set(more.ids.to_pylist())


def test_the_days_are_of_the_whole_period_and_of_each_seed_others() -> None:
    places = [
        np.mean([(thinned(TRAIN, 160, seed=s).at - TRAIN.at[0]).mean() / np.timedelta64(1, "D") for s in range(300)])
    ]
    assert places[0] == pytest.approx(31.5, abs=1.5)
    first, second = (set(thinned(TRAIN, 160, seed=s).ids.to_pylist()) for s in (0, 1))
    assert first != second
    with pytest.raises(ValueError, match="between 1 and 1280 rows"):
        thinned(TRAIN, 1281, seed=0)


def test_each_point_is_the_mean_of_models_fitted_on_its_rows() -> None:
    study = LearningCurveStudy(shares=(0.1, 0.5, 1.0), seeds=(4, 5))
    curve = study.measure(RATE, TRAIN, VALIDATION, test=TEST)
    assert [p.rows for p in curve.points] == [128, 640, 1280]
    assert [p.days for p in curve.points] == [7, 32, 64]
    for point in curve.points:
        losses = []
        for seed in (4, 5):
            fitted = RATE.fit(thinned(TRAIN, point.rows, seed=seed), VALIDATION, seed=seed, threads=1)
            losses.append(log_loss(TEST.label, fitted.predict(TEST.features)))
        assert point.found.values.tolist() == pytest.approx(losses)
        assert point.estimate.low < point.estimate.value < point.estimate.high
    losses = [p.estimate.value for p in curve.points]
    assert losses == sorted(losses, reverse=True)
    assert "1,280 rows,    64 days" in curve.text()
    assert curve.plot().startswith("<svg")
    assert curve.thumbnail().startswith("![")
    assert [p["rows"] for p in curve.as_dict()["points"]] == [128, 640, 1280]


def test_a_quick_curve_ends_in_the_model_that_is_there() -> None:
    full = RATE.fit(TRAIN, VALIDATION, seed=0, threads=1).predict(TEST.features)
    curve = LearningCurveStudy.quick(RocAuc()).measure(RATE, TRAIN, VALIDATION, test=TEST, full=full)
    assert [p.rows for p in curve.points] == [64, 128, 256, 1280]
    whole = LearningCurveStudy(RocAuc(), shares=(1.0,), seeds=(0,)).measure(RATE, TRAIN, VALIDATION, test=TEST)
    assert curve.points[-1].estimate == whole.points[-1].estimate
    assert sum(QUICK_SHARES) < 0.4


def test_what_cannot_be_measured_says_so() -> None:
    nobody = TEST.take(np.zeros(len(TEST), dtype=bool))
    few = TEST.take(np.arange(200))
    study = LearningCurveStudy(shares=(0.5, 1.0), seeds=(0,))
    assert not study.measure(RATE, TRAIN, VALIDATION, test=few).sufficient
    assert not study.measure(RATE, TRAIN, VALIDATION, test=nobody).sufficient
    assert "insufficient data" in study.measure(RATE, TRAIN, VALIDATION, test=few).text()
    with pytest.raises(FitError, match="both classes"):
        LearningCurveStudy(shares=(0.0008,)).measure(RATE, TRAIN, VALIDATION, test=TEST)
    with pytest.raises(TypeError, match="Train view only"):
        study.measure(RATE, TEST, VALIDATION, test=TEST)


def test_mistakes_are_listed() -> None:
    for wrong, said in (
        (LearningCurveStudy(shares=(0.5, 1.5)), "a share is 1.5"),
        (LearningCurveStudy(shares=(0.5, 0.25)), "must rise"),
        (LearningCurveStudy(shares=()), "shares is empty"),
        (LearningCurveStudy(shares=0.5), "was a comma forgotten"),
        (LearningCurveStudy(seeds=(1, 1)), "seeds are (1, 1); give 1 or more, each once"),
        (LearningCurveStudy(LogLoss), "is the class LogLoss"),
    ):
        assert said in "\n".join(wrong.mistakes())
    with pytest.raises(DeclarationError, match="must rise"):
        LearningCurveStudy(shares=(0.5, 0.25)).measure(RATE, TRAIN, VALIDATION, test=TEST)
    assert LearningCurveStudy().mistakes() == LearningCurveStudy.quick(RocAuc()).mistakes() == []
