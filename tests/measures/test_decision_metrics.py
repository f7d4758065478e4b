"""Precision, recall and F1 of either class are scikit-learn's, in every draw; the line under a PR curve is no skill."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from mlsys_assets.measures.decision_metrics import F1, Precision, Recall
from mlsys_assets.measures.intervals import bootstrap
from mlsys_assets.measures.metrics import Metric, value
from mlsys_assets.measures.prevalence import PrAucGain, Prevalence

KINDS = (Precision, Recall, F1)


@given(seed=st.integers(0, 999), n=st.integers(1, 60), threshold=st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.0]))
def test_they_are_scikit_learns(seed: int, n: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    label, score = (rng.random(n) < 0.3).astype(float), rng.integers(0, 6, n) / 5
    expected = precision_recall_fscore_support(label, score >= threshold, labels=[0, 1], zero_division=np.nan)
    for kind, by_class in zip(KINDS, expected, strict=False):
        found = [value(kind(threshold, of), label, score) for of in (0, 1)]
        assert found == pytest.approx(by_class.tolist(), nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_draw_is_that_of_the_rows_drawn(kind) -> None:
    rng = np.random.default_rng(1)
    label, score, block = (rng.random(90) < 0.4).astype(float), rng.random(90), np.arange(90) // 9
    weights, metric = bootstrap(block, seed=2), kind(0.6, 0)
    found = metric.draws(label, score, weights)
    for draw in range(0, len(found), 41):
        drawn = np.repeat(np.arange(90), weights.counts[draw].astype(int)[block])
        assert found[draw] == pytest.approx(value(metric, label[drawn], score[drawn]))


def test_scores_that_tell_nothing_gain_nothing_over_the_prevalence() -> None:
    label = (np.random.default_rng(0).random(400) < 0.2).astype(float)
    assert value(PrAucGain(), label, np.full(400, 0.3)) == pytest.approx(0, abs=1e-12)
    assert value(Prevalence(), label, label) == label.mean()
    score = np.random.default_rng(1).random(400) + label
    assert value(PrAucGain(), label, score) == pytest.approx(average_precision_score(label, score) - label.mean())


def test_they_are_metrics_with_names_of_their_own() -> None:
    metrics = [kind(0.3, of) for kind in KINDS for of in (1, 0)] + [Prevalence(), PrAucGain()]
    assert all(isinstance(m, Metric) for m in metrics)
    assert [m.name for m in metrics][:3] == ["precision", "precision_of_0", "recall"]
    assert len({m.name for m in metrics}) == len(metrics)
    assert all(kind().mistakes() == [] for kind in KINDS)
    assert len(Precision("x", of=2).mistakes()) == 2  # type: ignore[arg-type]
