"""The confusion table is scikit-learn's, and its intervals are those of the days."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_fscore_support

from mlsys_assets.measures.intervals import Support, bootstrap
from mlsys_assets.measures.metrics import Weights
from mlsys_assets.offline_evaluation.choices.confusion import confusion_table, precision_recall


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, Weights]:
    rng = np.random.default_rng(8)
    score = rng.beta(1, 3, 3_000)
    return (rng.random(3_000) < score).astype(float), score, bootstrap(np.arange(3_000) // 100, seed=1)


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.5])
def test_counts_and_shares_are_scikit_learns(rows, threshold: float) -> None:
    label, score, weights = rows
    table = confusion_table(label, score, threshold=threshold, weights=weights)
    tn, fp, fn, tp = confusion_matrix(label, score >= threshold).ravel()
    counts = (table.true_negative, table.false_positive, table.false_negative, table.true_positive)
    assert counts == (tn, fp, fn, tp)
    *expected, support = precision_recall_fscore_support(label, score >= threshold)
    for word, by_class in zip(("precision", "recall", "f1"), expected, strict=True):
        assert [table.by_class[c][word].value for c in (0, 1)] == pytest.approx(by_class.tolist())
        assert all(e.low < e.value < e.high for e in (table.by_class[0][word], table.by_class[1][word]))
    assert [table.support[c] for c in (0, 1)] == support.tolist()
    assert table.rows == len(label)
    assert table.as_dict()["by_class"]["1"]["recall"]["rows"] == 3_000


def test_a_threshold_that_nothing_reaches_has_no_precision(rows) -> None:
    label, score, weights = rows
    table = confusion_table(label, score, threshold=1.5, weights=weights)
    assert not table.by_class[1]["precision"].sufficient
    assert table.by_class[1]["recall"].value == 0
    assert table.by_class[0]["recall"].value == 1


def test_few_rows_are_insufficient_data_and_counted_all_the_same(rows) -> None:
    label, score, _ = rows
    table = confusion_table(label[:3], score[:3], threshold=0.2, weights=bootstrap(np.zeros(3, int), seed=0))
    assert table.rows == 3
    assert not any(e.sufficient for found in table.by_class.values() for e in found.values())


def test_the_area_is_held_against_the_prevalence_of_the_same_draws(rows) -> None:
    label, score, weights = rows
    found = precision_recall(label, score, weights=weights)
    assert found.pr_auc.value == pytest.approx(average_precision_score(label, score))
    assert found.prevalence.value == label.mean()
    assert found.gain.value == pytest.approx(found.pr_auc.value - found.prevalence.value)
    assert found.gain.low > 0
    noise = precision_recall(label, np.random.default_rng(2).random(len(label)), weights=weights)
    assert noise.gain.low < 0 < noise.gain.high
    assert not precision_recall(label, score, weights=weights, support=Support(10_000)).gain.sufficient


def test_lengths_that_differ_are_told(rows) -> None:
    label, score, weights = rows
    with pytest.raises(ValueError, match=r"have \[2999, 3000\] rows"):
        confusion_table(label, score[1:], threshold=0.2, weights=weights)
