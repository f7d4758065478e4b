"""The rows and slices that cost most come first, and unusual rows are told from those that are merely hard."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.measures.intervals import Support, bootstrap
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.offline_evaluation.slicing.decision_rates import Decisions, decisions
from mlsys_assets.offline_evaluation.slicing.error_analysis import (
    Quadrant,
    Quadrants,
    worst_rows,
    worst_slices,
)
from mlsys_assets.offline_evaluation.slicing.slices import Bands, Slice
from mlsys_assets.types import TimeWindow

from .drawn_flights import world

DRAWN = world(3_000, days=20, seed=5)
LABEL = DRAWN.labels(0)
IDS = pa.array([f"f{i}" for i in range(3_000)])
TEST = OpenedTest(IDS, DRAWN.at, DRAWN.features, LABEL, TimeWindow.of("2013-03-01", "2013-03-21"))
WEIGHTS = bootstrap(DRAWN.day, seed=0)


def test_the_worst_rows_are_those_with_the_largest_log_loss() -> None:
    found = worst_rows(TEST, DRAWN.score, n=10, columns=("carrier", "hour"))
    each = -stats.bernoulli(DRAWN.score).logpmf(LABEL)
    order = np.argsort(-each, kind="stable")[:10]
    assert found.column_names == ["id", "at", "label", "score", "loss", "feature carrier", "feature hour"]
    assert found["id"].to_pylist() == [f"f{i}" for i in order]
    np.testing.assert_allclose(found["loss"], each[order])
    np.testing.assert_array_equal(found["score"], DRAWN.score[order])
    assert found["feature carrier"].to_pylist() == [DRAWN.features["carrier"][int(i)].as_py() for i in order]
    assert len(worst_rows(TEST, DRAWN.score, n=9_999)) == 3_000
    certain = worst_rows(TEST, np.where(LABEL > 0, 0.0, DRAWN.score), n=1)
    assert np.isfinite(certain["loss"][0].as_py())


def test_rows_without_scores_and_columns_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="2 scores for 3000 labels"):
        worst_rows(TEST, np.zeros(2), n=1)
    with pytest.raises(ValueError, match="1 labels or scores are not finite"):
        worst_rows(TEST, np.where(np.arange(3_000) == 7, np.nan, DRAWN.score), n=1)
    with pytest.raises(ColumnError):
        worst_rows(TEST, DRAWN.score, n=1, columns=("nowhere",))


@pytest.mark.parametrize("metric", [LogLoss(), RocAuc()], ids=lambda m: m.name)
def test_the_worst_slices_come_first_and_those_without_support_last(metric) -> None:
    slicings = (Slice("carrier"), Bands("distance", edges=(150, 1_000)))
    support = Support(least_of_each_class=20)
    found = worst_slices(TEST, DRAWN.score, slicings, metric=metric, weights=WEIGHTS, support=support)
    assert len(found) == 10
    assert found[-1][0] == "distance=below 150"
    assert not found[-1][1].sufficient
    values = [e.value for _, e in found if e.sufficient]
    assert values == sorted(values, reverse=not metric.higher_is_better)
    (name, worst) = found[0]
    column, group = name.split("=")
    rows = next(mask for s in slicings if s.name == column for text, mask in s.groups(DRAWN.features) if text == group)
    oracle = {"log_loss": metrics.log_loss, "roc_auc": metrics.roc_auc_score}[metric.name]
    assert worst.value == pytest.approx(oracle(LABEL[rows], DRAWN.score[rows]))


UNUSUAL = np.random.default_rng(9).random(3_000) < 0.1
DECIDED = decisions(LABEL, DRAWN.score, threshold=0.3)
QUADRANTS = Quadrants.of(UNUSUAL, DECIDED)


def test_every_row_is_in_one_quadrant() -> None:
    table = metrics.confusion_matrix(UNUSUAL, DECIDED.acted != LABEL)
    assert QUADRANTS.counts() == {
        Quadrant.EDGE_CASE: table[1, 1],
        Quadrant.HANDLED_OUTLIER: table[1, 0],
        Quadrant.HARD: table[0, 1],
        Quadrant.ORDINARY: table[0, 0],
    }
    assert (QUADRANTS.rows(Quadrant.EDGE_CASE) == (UNUSUAL & (DECIDED.acted != LABEL))).all()
    with pytest.raises(ValueError, match="2 rows are told unusual or not, and 3000 were decided"):
        Quadrants.of(np.zeros(2, dtype=bool), DECIDED)


def test_a_condition_that_is_commoner_among_edge_cases_is_found_as_fishers_test_finds_it() -> None:
    edge = QUADRANTS.rows(Quadrant.EDGE_CASE)
    rng = np.random.default_rng(1)
    for share, found in ((0.4, True), (0.1, False)):
        storm = rng.random(3_000) < np.where(edge, share, 0.1)
        excess = QUADRANTS.excess(storm, weights=WEIGHTS, support=Support(20))
        exact = stats.fisher_exact(metrics.confusion_matrix(edge, storm), alternative="greater")
        assert excess.value == pytest.approx(storm[edge].mean() - storm[~edge].mean())
        assert (excess.low > 0) == (exact.pvalue < 0.025) == found


def test_whether_unusual_rows_are_decided_worse() -> None:
    same = QUADRANTS.excess_error(weights=WEIGHTS)
    assert same.low < 0 < same.high
    wrong = UNUSUAL & (np.random.default_rng(2).random(3_000) < 0.4)
    worse = Quadrants.of(UNUSUAL, Decisions(LABEL, np.where(wrong, 1 - LABEL, DECIDED.acted)))
    assert worse.excess_error(weights=WEIGHTS).low > 0.1
    none = Quadrants.of(UNUSUAL & False, DECIDED)
    assert not none.excess_error(weights=WEIGHTS).sufficient
    assert not none.excess(UNUSUAL, weights=WEIGHTS).sufficient
