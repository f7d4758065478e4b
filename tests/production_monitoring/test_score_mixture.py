"""Shares from unlabelled scores: equal to EM's and to the confusion matrix's, with a fit that can be trusted."""

import numpy as np
import pytest

from mlsys_assets.models.prior_correction import estimate_prior
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, cell_of
from mlsys_assets.production_monitoring.score_mixture import (
    Counts,
    fit_of,
    likeliest_share,
    share_by_cells,
    share_by_confusion,
    standard_error,
)

from .unlabelled_worlds import START, classes, reference_of_classes


def counts_of(share: float, *, n: int = 10_000, seed: int = 0) -> tuple[Counts, ReferenceScores, np.ndarray]:
    reference, (score, _, at) = reference_of_classes(seed=seed), classes(share, n, seed=seed)
    return Counts.of(reference, score, at, seed=seed), reference, score


@pytest.mark.parametrize("share", [0.05, 0.22, 0.6])
def test_the_likeliest_share_is_where_em_ends_on_scores_calibrated_by_cell(share) -> None:
    counts, reference, score = counts_of(share)
    cell = cell_of(reference.score, counts.edges)
    rate = np.bincount(cell, weights=reference.label) / np.bincount(cell)
    expected = estimate_prior(rate[cell_of(score, counts.edges)], train_prior=reference.prior)
    assert likeliest_share(counts)[0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("share", [0.05, 0.22, 0.6])
def test_the_confusion_matrix_is_solved(share) -> None:
    """Lipton et al. (2018): the joint of prediction and label times the weights of the classes is the prediction's."""
    counts, reference, score = counts_of(share)
    edge = counts.edges[np.abs(counts.edges - 0.4).argmin()]
    above = reference.score >= edge
    joint = np.array(
        [
            [((above == guess) & (reference.label == label)).mean() for label in (0, 1)]
            for guess in (False, True)
        ]
    )  # fmt: skip
    weights = np.linalg.solve(joint, [(score < edge).mean(), (score >= edge).mean()])
    found, apart = share_by_confusion(counts, threshold=0.4)
    assert found[0] == pytest.approx(weights[1] * reference.prior, abs=1e-9)
    assert apart[0] == pytest.approx(above[reference.label > 0].mean() - above[reference.label == 0].mean())


@pytest.mark.parametrize("share", [0.1, 0.22, 0.5])
def test_all_estimates_find_the_share_and_a_mixture_is_found_one(share) -> None:
    counts, _, _ = counts_of(share)
    found = likeliest_share(counts)
    for one in (found, share_by_confusion(counts, threshold=0.4)[0], share_by_cells(counts)):
        told = counts.estimate(one)
        assert told.value == pytest.approx(share, abs=0.04)
        assert told.low < share < told.high
    fit = fit_of(counts, found)
    assert fit.effect < 0.05
    assert fit.p_value > 0.01


def test_the_standard_error_is_that_of_many_worlds() -> None:
    told, moved = [], []
    for seed in range(80):
        counts, _, _ = counts_of(0.3, n=2_000, seed=seed)
        share = likeliest_share(counts)
        told.append(standard_error(counts, float(share[0])))
        moved.append(share[0] - counts.priors[0])
    assert np.mean(told) == pytest.approx(np.std(moved), rel=0.2)


@pytest.mark.parametrize("share", [0.05, 0.6])
def test_the_standard_error_is_that_of_rows_drawn_anew_each_side_by_itself(share) -> None:
    """A simulation: positives, negatives and the window's rows are drawn from the cells as they are, and so is the
    reference's share, of which there are as few rows as of the window's."""
    rng, draws = np.random.default_rng(0), 2_000
    base, _, _ = counts_of(share, n=20_000)
    positives, negatives = base.positive[0].sum(), base.negative[0].sum()
    drawn = rng.binomial(int(positives + negatives), base.priors[0], draws)
    window = base.classes[1][0] + likeliest_share(base)[0] * (base.classes[0][0] - base.classes[1][0])
    parts = [
        rng.multinomial(drawn, base.classes[0][0]),
        rng.multinomial(int(positives + negatives) - drawn, base.classes[1][0]),
        rng.multinomial(20_000, window, size=draws),
    ]
    anew = Counts(*(part.astype(float) for part in parts), base.edges, base.like)
    spread = np.std(likeliest_share(anew) - anew.priors)
    assert standard_error(base, float(likeliest_share(base)[0])) == pytest.approx(spread, rel=0.05)


def test_draws_are_by_the_seed() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.3, 2_000, seed=0)
    one, two, other = (likeliest_share(Counts.of(reference, score, at, seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert one[0] == other[0]
    assert not np.array_equal(one[1:], other[1:])


def test_the_fit_rejects_a_mixture_no_more_often_than_it_says() -> None:
    p_values = []
    for seed in range(80):
        counts, _, _ = counts_of(0.3, n=2_000, seed=seed)
        p_values.append(fit_of(counts, likeliest_share(counts)).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.1
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)  # nor more rarely: as if few days were all there are


@pytest.mark.parametrize("narrowed", [0.6, 0.3])
def test_scores_that_crowd_in_the_middle_are_no_mixture(narrowed) -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.3, 10_000, seed=0)
    odds = np.log(score / (1 - score))
    counts = Counts.of(reference, 1 / (1 + np.exp(-(odds.mean() + narrowed * (odds - odds.mean())))), at, seed=0)
    fit = fit_of(counts, likeliest_share(counts))
    assert fit.effect > 0.2
    assert fit.p_value < 0.001


def test_days_that_both_share_are_no_difference_between_them() -> None:
    """Each day has scores of its own: two halves of the same days agree far better than two sets of days would."""
    rng = np.random.default_rng(0)
    day = rng.integers(0, 20, 20_000)
    odds = rng.normal(-1.5 + rng.normal(0, 1.0, 20)[day], 1.0)
    score, at = 1 / (1 + np.exp(-odds)), START + day.astype("timedelta64[D]")
    label = (rng.uniform(size=len(day)) < score).astype(float)
    half = rng.uniform(size=len(day)) < 0.5
    reference = ReferenceScores(score[half], label[half], at[half])
    same, other = (
        Counts.of(reference, score[~half], at[~half] + by, seed=0)
        for by in (np.timedelta64(0), np.timedelta64(90, "D"))
    )
    errors = [one.estimate(likeliest_share(one)).error for one in (same, other)]
    assert errors[0] < errors[1] / 3
