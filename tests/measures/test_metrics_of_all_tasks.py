"""Metrics of every task equal scikit-learn's, with and without weights of rows, and on every resample."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import metrics as sk

from mlsys_assets.measures.decision_metrics import F1, BalancedAccuracy, MatthewsCorrelation, Precision, Recall
from mlsys_assets.measures.intervals import bootstrap
from mlsys_assets.measures.metrics import Accuracy, Brier, Ece, LogLoss, PrAuc, RocAuc, Weights, value
from mlsys_assets.measures.prevalence import PrAucGain
from mlsys_assets.measures.ranking_metrics import MeanAveragePrecision, MeanReciprocalRank, Ndcg
from mlsys_assets.measures.regression_metrics import R2, MeanAbsoluteError, PinballLoss, RootMeanSquaredError

K = 4


def binary(seed: int, n: int = 600):
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(size=n), 2)
    score[:4] = (0.0, 1.0, 0.0, 1.0)  # certain, and twice wrong
    label = (rng.uniform(size=n) < score).astype(float)
    label[:4] = (0, 1, 1, 0)
    return label, score


def classes(seed: int, n: int = 600):
    rng = np.random.default_rng(seed)
    score = rng.dirichlet(np.ones(K), size=n)
    label = np.array([rng.choice(K, p=p) for p in score]).astype(float)
    return label, score


def numbers(seed: int, n: int = 600):
    rng = np.random.default_rng(seed)
    score = rng.normal(1e3, 1, size=n)
    return score + rng.normal(size=n), score


BINARY = {
    LogLoss(): lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
    Brier(): lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    Accuracy(): lambda y, p, w: sk.accuracy_score(y, p >= 0.5, sample_weight=w),
    RocAuc(): lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    PrAuc(): lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    Precision(0.3): lambda y, p, w: sk.precision_score(y, p >= 0.3, sample_weight=w),
    Recall(0.3): lambda y, p, w: sk.recall_score(y, p >= 0.3, sample_weight=w),
    F1(0.3): lambda y, p, w: sk.f1_score(y, p >= 0.3, sample_weight=w),
    BalancedAccuracy(0.3): lambda y, p, w: sk.balanced_accuracy_score(y, p >= 0.3, sample_weight=w),
    MatthewsCorrelation(0.3): lambda y, p, w: sk.matthews_corrcoef(y, p >= 0.3, sample_weight=w),
}
MULTICLASS = {
    LogLoss(): lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(K)),
    Brier(): lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w, labels=range(K), scale_by_half=False),
    Accuracy(): lambda y, p, w: sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    RocAuc(): lambda y, p, w: np.mean([sk.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(K)]),
    PrAuc(): lambda y, p, w: np.mean([sk.average_precision_score(y == k, p[:, k], sample_weight=w) for k in range(K)]),
    Precision(): lambda y, p, w: sk.precision_score(y, p.argmax(axis=1), average="macro", sample_weight=w),
    Recall(): lambda y, p, w: sk.recall_score(y, p.argmax(axis=1), average="macro", sample_weight=w),
    F1(): lambda y, p, w: sk.f1_score(y, p.argmax(axis=1), average="macro", sample_weight=w),
    BalancedAccuracy(): lambda y, p, w: sk.balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=w),
}
REGRESSION = {
    MeanAbsoluteError(): lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    RootMeanSquaredError(): lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    R2(): lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    PinballLoss(0.9): lambda y, p, w: sk.mean_pinball_loss(y, p, alpha=0.9, sample_weight=w),
}
ALL = [
    *((m, oracle, binary) for m, oracle in BINARY.items()),
    *((m, oracle, classes) for m, oracle in MULTICLASS.items()),
    *((m, oracle, numbers) for m, oracle in REGRESSION.items()),
]
NAMED = [f"{data.__name__}-{m.name}" for m, _, data in ALL]


@pytest.mark.parametrize(("metric", "oracle", "data"), ALL, ids=NAMED)
def test_equal_to_scikit_learn(metric, oracle, data) -> None:
    label, score = data(1)
    assert value(metric, label, score) == pytest.approx(oracle(label, score, None), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("metric", "oracle", "data"), ALL, ids=NAMED)
def test_equal_to_scikit_learn_with_weights(metric, oracle, data) -> None:
    label, score = data(2)
    own = np.random.default_rng(3).exponential(size=len(label))
    own[::7] = 0.0
    assert value(metric, label, score, row=own) == pytest.approx(oracle(label, score, own), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("metric", "oracle", "data"), ALL, ids=NAMED)
def test_each_resample_of_weighted_rows_equals_scikit_learn(metric, oracle, data) -> None:
    label, score = data(4)
    rng = np.random.default_rng(5)
    own, block = rng.exponential(size=len(label)), rng.integers(0, 9, len(label))
    drawn = bootstrap(block, seed=6, draws=5)
    found = metric.draws(label, score, Weights(block, drawn.counts, own))
    for counts, one in zip(drawn.counts, found, strict=True):
        weight = counts[block] * own
        kept = weight > 0
        assert one == pytest.approx(oracle(label[kept], score[kept], weight[kept]), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(("metric", "oracle", "data"), ALL, ids=NAMED)
def test_the_order_of_rows_is_nothing(metric, oracle, data) -> None:
    label, score = data(7)
    order = np.random.default_rng(8).permutation(len(label))
    assert value(metric, label[order], score[order]) == pytest.approx(value(metric, label, score), rel=1e-12)


@dataclass(frozen=True)
class Ranked:
    label: np.ndarray
    score: np.ndarray
    query: np.ndarray
    queries: int

    @classmethod
    def drawn(cls, seed: int, *, ties: bool) -> "Ranked":
        rng = np.random.default_rng(seed)
        query = np.repeat(np.arange(30), 8)
        score = np.round(rng.normal(size=240), 1 if ties else 9)
        return cls(rng.integers(0, 3, size=240).astype(float), score, query, 30)

    def of(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.query == query
        return self.label[rows], self.score[rows]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [None, 3])
def test_ndcg_equals_scikit_learn(k, ties) -> None:
    data = Ranked.drawn(1, ties=ties)
    own = np.random.default_rng(2).exponential(size=data.queries)
    table = [np.reshape(part, (data.queries, 8)) for part in (data.label, data.score)]
    expected = sk.ndcg_score(*table, k=k, sample_weight=own)
    found = value(Ndcg(k), data.label, data.score, query=data.query, row=own[data.query])
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_mean_average_precision_is_the_mean_of_scikit_learn_s(ties) -> None:
    data = Ranked.drawn(3, ties=ties)
    mixed = np.random.default_rng(4).permutation(240)  # the rows of a query need not stand together
    each = [sk.average_precision_score(y > 0, s) for y, s in map(data.of, range(data.queries))]
    found = value(MeanAveragePrecision(), data.label[mixed], data.score[mixed], query=data.query[mixed])
    assert found == pytest.approx(np.mean(each), abs=1e-12)


def test_mean_reciprocal_rank_is_the_mean_over_all_orders_of_ties() -> None:
    data, rng = Ranked.drawn(5, ties=True), np.random.default_rng(6)
    label = (data.label == 2).astype(float)
    expected = []
    for query in range(data.queries):
        rows = data.query == query
        if label[rows].any():
            tries = [label[rows][np.lexsort((rng.random(8), -data.score[rows]))].argmax() + 1 for _ in range(4000)]
            expected.append(np.mean(1 / np.array(tries)))
    found = value(MeanReciprocalRank(), label, data.score, query=data.query)
    assert found == pytest.approx(np.mean(expected), abs=2e-3)


def test_a_query_counts_as_often_as_its_block_is_drawn() -> None:
    data = Ranked.drawn(7, ties=False)
    block = data.query % 5
    drawn = bootstrap(block, seed=1, draws=4)
    found = Ndcg().draws(data.label, data.score, Weights(block, drawn.counts, query=data.query))
    each = np.array([value(Ndcg(), *data.of(q)) for q in range(data.queries)])
    for counts, one in zip(drawn.counts, found, strict=True):
        assert one == pytest.approx(np.average(each, weights=counts[np.arange(data.queries) % 5]), abs=1e-12)


@pytest.mark.parametrize("metric", [Ndcg(), MeanAveragePrecision(), MeanReciprocalRank()], ids=lambda m: m.name)
def test_a_ranking_with_nothing_relevant_cannot_be_told(metric) -> None:
    assert np.isnan(value(metric, np.zeros(5), np.arange(5.0)))
    assert np.isnan(value(metric, np.zeros(0), np.zeros(0)))


def test_the_error_of_calibration_of_classes_is_that_of_the_likeliest() -> None:
    label, score = classes(9)
    sure, right = score.max(axis=1), (score.argmax(axis=1) == label).astype(float)
    assert value(Ece(), label, score) == pytest.approx(value(Ece(), right, sure), abs=1e-12)


def test_metrics_that_one_class_cannot_tell_are_no_number() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ones = np.ones(20)
        for metric in (RocAuc(), BalancedAccuracy()):
            assert np.isnan(value(metric, ones, np.linspace(0, 1, 20)))
        assert np.isnan(value(Recall(), 0 * ones, ones))
        assert np.isnan(value(Precision(), ones, 0 * ones))
        assert np.isnan(value(R2(), ones, np.linspace(0, 1, 20)))
        assert value(MatthewsCorrelation(), ones, ones) == 0.0


def test_small_units_and_other_numbers_for_yes_change_nothing() -> None:
    label, score = numbers(10)
    assert value(R2(), 1e-9 * label, 1e-9 * score) == pytest.approx(value(R2(), label, score), rel=1e-6)
    yes, p = binary(11)
    assert value(RocAuc(), 2 * yes, p) == pytest.approx(value(RocAuc(), yes, p), rel=1e-12)


def test_a_gain_over_the_prevalence_of_each_class() -> None:
    label, score = classes(12)
    expected = np.mean([sk.average_precision_score(label == k, score[:, k]) - (label == k).mean() for k in range(K)])
    assert value(PrAucGain(), label, score) == pytest.approx(expected, abs=1e-12)


def test_a_correlation_of_two_classes_refuses_more() -> None:
    with pytest.raises(ValueError, match="of two classes"):
        value(MatthewsCorrelation(), *classes(1))


def test_rows_that_count_for_less_than_nothing_are_refused() -> None:
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="row weights must be finite"):
            Weights.once(2, row=np.array([1.0, wrong]))
