"""Voters that err independently are right together as the binomial says; those that err alike gain nothing."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binom, pearsonr

from mlsys_assets.models.ensembles.error_correlation import error_correlation, majority_accuracy, majority_vote


def voters(
    accuracy: float, count: int, *, alike: float, rows: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels and decisions: on a share ``alike`` of the rows all are right or wrong together, elsewhere each alone."""
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.5).astype(float)
    together = rng.random(rows) < alike
    right = np.where(together, rng.random(rows) < accuracy, rng.random((count, rows)) < accuracy)
    return label, {f"voter_{i}": np.where(own, label, 1 - label) for i, own in enumerate(right)}


def test_three_independent_voters_of_70_percent_are_right_in_78_4_percent() -> None:
    assert majority_accuracy(0.7, 3) == pytest.approx(0.784)
    label, scores = voters(0.7, 3, alike=0.0, rows=200_000, seed=0)
    assert (majority_vote(scores) == label).mean() == pytest.approx(0.784, abs=0.003)
    found = error_correlation(label, scores)
    off = ~np.eye(3, dtype=bool)
    assert found.errors[off] == pytest.approx(0.0, abs=0.01)
    assert found.q[off] == pytest.approx(0.0, abs=0.02)
    assert found.disagreement[off] == pytest.approx(2 * 0.7 * 0.3, abs=0.005)


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.7, 1.0])
def test_what_they_gain_shrinks_as_they_err_alike(alike: float) -> None:
    """Known: of voters who are together on a share of rows, that share is the correlation of their being right."""
    label, scores = voters(0.7, 3, alike=alike, rows=100_000, seed=1)
    found = error_correlation(label, scores)
    assert found.errors[0, 1] == pytest.approx(alike, abs=0.01)
    assert (majority_vote(scores) == label).mean() == pytest.approx(alike * 0.7 + (1 - alike) * 0.784, abs=0.005)


@given(st.floats(0, 1), st.integers(0, 20))
def test_the_majority_is_scipys_binomial(accuracy: float, half: int) -> None:
    count = 2 * half + 1
    assert majority_accuracy(accuracy, count) == pytest.approx(binom.sf(half, count, accuracy), abs=1e-9)


@given(st.integers(0, 500), st.integers(2, 4), st.integers(2, 60), st.floats(0.2, 0.8))
def test_it_is_counted_by_hand(seed: int, models: int, rows: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    label = np.r_[0.0, 1.0, rng.integers(0, 2, size=rows - 2)]
    scores = {f"m{i}": rng.random(rows) for i in range(models)}
    found = error_correlation(label, scores, threshold=threshold)
    a, b = scores["m0"], scores["m1"]
    off = [e - np.where(label > 0, e[label > 0].mean(), e[label <= 0].mean()) for e in (label - a, label - b)]
    vary = min(np.abs(one).max() for one in off) > 1e-9
    assert found.errors[0, 1] == pytest.approx(pearsonr(*off)[0] if vary else np.nan, abs=1e-9, nan_ok=True)
    cells = {(x, y): 0 for x in (True, False) for y in (True, False)}
    for one, other, truth in zip(a, b, label, strict=True):
        cells[(one >= threshold) == (truth > 0), (other >= threshold) == (truth > 0)] += 1
    n11, n10, n01, n00 = cells[True, True], cells[True, False], cells[False, True], cells[False, False]
    assert found.disagreement[0, 1] == pytest.approx((n10 + n01) / rows)
    below = n11 * n00 + n01 * n10
    assert found.q[0, 1] == pytest.approx((n11 * n00 - n01 * n10) / below if below else np.nan, nan_ok=True)
    assert np.array_equal(found.q, found.q.T, equal_nan=True)


def test_the_table_begins_with_the_most_alike_and_the_picture_is_svg() -> None:
    rng = np.random.default_rng(0)
    label, a = (rng.random(500) < 0.4).astype(float), rng.random(500)
    found = error_correlation(label, {"a": a, "b": rng.random(500), "near_a": np.clip(a + 0.01, 0, 1)})
    head, _, first, *_ = found.table().splitlines()
    assert head.startswith("| pair | correlation of errors | disagreement | Q |")
    assert first.startswith("| a, near_a | ")
    drawn = ET.fromstring(found.picture())
    cells = [e for e in drawn.iter() if e.tag.endswith("rect") and len(e)]
    assert [cell.get("fill") for cell in cells[:3]] == ["#08519c", "#9ecae1", "#08519c"] or len(cells) == 9


def test_what_cannot_be_told_is_said_and_not_made_up() -> None:
    label = np.ones(3)
    found = error_correlation(label, {"a": np.full(3, 0.7), "b": np.full(3, 0.9)})
    assert np.isnan(found.errors).all()
    assert np.isnan(found.q).all()
    assert "| – | 0.000 | – |" in found.table()
    assert "insufficient data" in found.picture()
    empty = error_correlation(np.empty(0), {"a": np.empty(0)})
    assert np.isnan(empty.disagreement).all()


@pytest.mark.parametrize(
    ("label", "scores", "words"),
    [
        ([1.0], {}, "needs models, got none"),
        ([1.0, 0.0], {"a": [0.1]}, "of 'a': 1 scores for 2 labels"),
        ([1.0], {"a": [1.5]}, "probabilities are in"),
        ([1.0], {"a": [np.nan]}, "not finite"),
    ],
)
def test_what_are_no_scores_is_refused(label, scores, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        error_correlation(np.array(label), {name: np.array(score) for name, score in scores.items()})


@pytest.mark.parametrize(("accuracy", "count", "words"), [(0.7, 4, "even"), (1.2, 3, "accuracy"), (0.7, 0, "voters")])
def test_votes_that_cannot_be_counted_are_refused(accuracy: float, count: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        majority_accuracy(accuracy, count)
    with pytest.raises(ValueError, match="a vote needs models"):
        majority_vote({})
