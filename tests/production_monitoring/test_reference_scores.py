"""What reference and window must be before anything is told, and the cells that they are counted in."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, cell_of, counted, unfit_window

from .unlabelled_worlds import classes, reference_of_classes


def test_what_is_there_is_fit() -> None:
    score, _, at = classes(0.2, 500, seed=0)
    assert reference_of_classes(n=1_000).unfit == ""
    assert unfit_window(score, at) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, y, at: (s[:0], y[:0], at[:0]), "reference: no scores"),
        (lambda s, y, at: (s, 0 * y, at), "0 positive and 1000 negative rows on 30 days"),
        (lambda s, y, at: (s, y, at[:1].repeat(1_000)), "on 1 days; 30 of each on 7 days are needed"),
        (lambda s, y, at: (s[:1], y[:1], at[:1]), "rows on 1 days"),
        (lambda s, y, at: (0 * s + 0.3, y, at), "all 1000 scores are 0.3"),
        (lambda s, y, at: (np.where(s > 0.8, np.nan, s), y, at), "of 1000 scores are not finite, or outside"),
        (lambda s, y, at: (s + 1, y, at), "1000 of 1000 scores are not finite, or outside"),
        (lambda s, y, at: (s, np.where(y > 0, np.nan, y), at), "labels must be 0 or 1"),
    ],
    ids=["empty", "one class", "one day", "one row", "constant", "nan", "no probabilities", "unlabelled"],
)
def test_a_reference_that_is_unfit_says_why(change, reason) -> None:
    whole = reference_of_classes(n=1_000)
    assert reason in ReferenceScores(*change(whole.score, whole.label, whole.at)).unfit


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, at: (s[:0], at[:0]), "window: no scores"),
        (lambda s, at: (s[:1], at[:1]), "window: 1 predictions on 1 days; 100 on 5 days are needed"),
        (lambda s, at: (s, at[:1].repeat(500)), "window: 500 predictions on 1 days"),
        (lambda s, at: (np.where(s > 0.5, np.inf, s), at), "not finite"),
    ],
    ids=["empty", "one row", "one day", "infinite"],
)
def test_a_window_that_is_unfit_says_why(change, reason) -> None:
    score, _, at = classes(0.2, 500, seed=0)
    assert reason in unfit_window(*change(score, at))


def test_other_lengths_are_callers_mistakes() -> None:
    score, label, at = classes(0.2, 500, seed=0)
    with pytest.raises(ValueError, match="500 scores, 499 labels and 500 times"):
        ReferenceScores(score, label[1:], at)
    with pytest.raises(ValueError, match="500 scores at 499 times"):
        unfit_window(score, at[1:])


def test_cells_hold_rows_and_positives_evenly_however_rare_positives_are() -> None:
    rng = np.random.default_rng(0)
    label = (rng.uniform(size=50_000) < 0.01).astype(float)
    score = 1 / (1 + np.exp(-rng.normal(np.where(label > 0, 1.0, -5.0), 1.0)))
    reference = ReferenceScores(score, label, classes(0.2, 50_000, seed=0)[2])
    edges = reference.cells(20)
    assert (np.diff(edges) > 0).all()
    assert len(edges) == 19
    positives = np.bincount(cell_of(score, edges), weights=label, minlength=20)
    assert (positives > 20).sum() >= 5  # of equal rows, one cell would hold nearly all
    assert len(ReferenceScores(score.round(1), label, reference.at).cells(20)) <= 10


def test_counting_by_day_and_cell_is_what_a_loop_counts() -> None:
    score, label, at = classes(0.2, 300, seed=0)
    edges = np.array([0.1, 0.2, 0.5])
    rows, positive = counted(score, at, edges), counted(score, at, edges, of=label)
    days = np.unique(at.astype("datetime64[D]"))
    assert rows.shape == (len(days), 4)
    for d, day in enumerate(days):
        for c, (low, high) in enumerate(((-1, 0.1), (0.1, 0.2), (0.2, 0.5), (0.5, 2))):
            here = (at.astype("datetime64[D]") == day) & (score >= low) & (score < high)
            assert (rows[d, c], positive[d, c]) == (here.sum(), label[here].sum())


def test_a_score_on_an_edge_is_of_the_cell_above_it() -> None:
    edges = np.array([0.1, 0.2, 0.5])
    assert cell_of(edges, edges).tolist() == [1, 2, 3]
    assert cell_of(np.array([0.0, 0.19, 0.49, 1.0]), edges).tolist() == [0, 1, 2, 3]
