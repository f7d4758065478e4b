"""A prior told without labels: right where only the share changed, believed only where that is shown."""

import numpy as np
import pytest

from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.measures.metrics import Ece, LogLoss, value
from mlsys_assets.models.prior_correction import (
    PriorShift,
    Trust,
    correct,
    estimate_prior,
    on_trial,
    own_shift,
    reference_shift,
    shifted,
)

TRAIN = 0.24


def world(share: float, n: int = 20_000, *, seed: int = 0, days: int = 28, learned: float = TRAIN):
    """Labels with ``share`` positives, scores calibrated to ``learned``, times: only the share differs."""
    rng = np.random.default_rng(seed)
    label = (rng.uniform(size=n) < share).astype(float)
    x = rng.normal(np.where(label > 0, 0.7, -0.7), 1.0)
    score = 1 / (1 + np.exp(-(1.4 * x + np.log(learned / (1 - learned)))))  # the exact posterior of two normals
    at = np.datetime64("2013-09-01", "us") + np.sort(rng.integers(0, days * 24, n)).astype("timedelta64[h]")
    return label, score, at


def climbed(score: np.ndarray, prior: float) -> float:
    """Return where the EM algorithm ends, step by step as Saerens et al. (2002) write it."""
    new = prior
    for _ in range(20_000):
        posterior = score * new / prior / (score * new / prior + (1 - score) * (1 - new) / (1 - prior))
        before, new = new, float(posterior.mean())
        if abs(new - before) < 1e-14:
            break
    return new


@pytest.mark.parametrize("share", [0.1, 0.24, 0.6])
def test_the_estimate_is_where_em_ends(share) -> None:
    _, score, _ = world(share, 3_000)
    assert estimate_prior(score, train_prior=TRAIN) == pytest.approx(climbed(score, TRAIN), abs=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.13, 0.24, 0.5])
def test_under_label_shift_the_share_is_found_and_calibration_with_it(share) -> None:
    label, score, at = world(share)
    found = own_shift(score, at, train_prior=TRAIN, seed=0)
    assert found.new_prior == pytest.approx(share, abs=0.015)
    truth = np.log(share / (1 - share)) - np.log(TRAIN / (1 - TRAIN))
    assert found.low < truth < found.high
    corrected = correct(score, train_prior=TRAIN, new_prior=found.new_prior)
    assert value(Ece(), label, corrected) < 0.015
    assert found.low < found.log_odds < found.high


@pytest.mark.prove
def test_the_interval_holds_the_share_as_often_as_it_says() -> None:
    truth, held = np.log(0.13 / 0.87) - np.log(TRAIN / (1 - TRAIN)), 0
    for trial in range(100):
        _, score, at = world(0.13, 1_500, seed=trial)
        found = own_shift(score, at, train_prior=TRAIN, seed=trial)
        held += found.low <= truth <= found.high
    assert 85 <= held <= 99


@pytest.mark.parametrize("rare", [0.2, 0.01, 0.001])
def test_the_interval_is_that_of_the_scores_themselves_however_rare_positives_are(rare) -> None:
    """Cells are there for speed: draws of the uncounted scores give the same interval."""
    rng = np.random.default_rng(0)
    label = rng.uniform(size=20_000) < rare
    x = rng.normal(np.where(label, 2.0, -2.0), 1.0)
    score = 1 / (1 + np.exp(-(4.0 * x + np.log(rare / (1 - rare)))))
    at = np.datetime64("2013-09-01", "us") + (np.arange(20_000) % 28).astype("timedelta64[D]")
    found = own_shift(score, at, train_prior=rare, seed=0)
    counts = bootstrap(day_blocks(at), seed=0).counts[:100]
    drawn = [estimate_prior(np.repeat(score, c[day_blocks(at)].astype(int)), train_prior=rare) for c in counts]
    moved = np.log(drawn) - np.log1p(-np.array(drawn)) - np.log(rare / (1 - rare))
    assert (found.low + found.high) / 2 == pytest.approx(moved.mean(), abs=0.3 * moved.std())
    assert found.high - found.low == pytest.approx(2 * 1.96 * moved.std(), rel=0.25)


def test_correcting_is_bayes_rule_and_can_be_taken_back() -> None:
    _, score, _ = world(0.13, 500)
    found = correct(score, train_prior=TRAIN, new_prior=0.1)
    above, below = score * 0.1 / TRAIN, (1 - score) * 0.9 / (1 - TRAIN)
    np.testing.assert_allclose(found, above / (above + below), rtol=1e-9)
    np.testing.assert_allclose(correct(found, train_prior=0.1, new_prior=TRAIN), score, rtol=1e-9)
    assert np.array_equal(correct(score, train_prior=TRAIN, new_prior=TRAIN), score)
    assert np.array_equal(shifted(score, np.where(score > 0.5, 0.0, 1.0))[score > 0.5], score[score > 0.5])


def test_scores_that_no_mixture_gives_are_at_the_end_and_not_trusted() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0.01, 0.05, 2_000)  # far fewer high scores than even the negatives of training had
    at = np.datetime64("2013-09-01", "us") + (np.arange(2_000) // 100).astype("timedelta64[D]")
    found = own_shift(score, at, train_prior=TRAIN, seed=0)
    assert found.new_prior == pytest.approx(0.0, abs=1e-9)
    assert not Trust(0.0).allows(found)
    assert Trust(0.0).corrected(score, found) is score


def test_where_the_features_shift_too_the_estimate_is_sure_and_wrong_and_the_trial_says_so() -> None:
    rng = np.random.default_rng(0)
    n, days = 20_000, 40
    at = np.datetime64("2013-05-01", "us") + (np.arange(n) * days // n).astype("timedelta64[D]")
    truth = 1 / (1 + np.exp(-rng.normal(-0.7, 1.2, n)))  # calibrated still, in bad weather: more is foretold, and comes
    label = (rng.uniform(size=n) < truth).astype(float)
    found = own_shift(truth, at, train_prior=TRAIN, seed=0)
    assert Trust().allows(found)
    assert found.new_prior > label.mean() + 0.1
    good, difference = on_trial(label, (Trust().corrected(truth, found), truth), at, seed=0)
    assert not good
    assert difference.low > 0.0


def test_another_models_scores_tell_the_share_and_pass_the_trial() -> None:
    label, score, at = world(0.13)
    rng = np.random.default_rng(1)
    reference = np.clip(0.13 + 0.5 * (label - 0.13) + rng.normal(0, 0.05, len(label)), 0, 1)
    found = reference_shift(score, reference, at, seed=0)
    assert found.new_prior == pytest.approx(0.13, abs=0.01)
    assert Trust(0.3).allows(found)
    corrected = Trust(0.3).corrected(score, found)
    assert value(LogLoss(), label, corrected) < value(LogLoss(), label, score)
    assert on_trial(label, (corrected, score), at, seed=0)[0]


def test_a_reference_that_agrees_moves_nothing() -> None:
    _, score, at = world(TRAIN)
    found = reference_shift(score, score, at, seed=0)
    assert (found.log_odds, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not Trust(0.0).allows(found)


@pytest.mark.parametrize(
    ("shift", "allowed"),
    [
        ((0.5, 0.1, 0.9), True),
        ((-0.5, -0.9, -0.1), True),
        ((0.5, -0.1, 0.9), False),
        ((0.3, 0.1, 0.5), False),
        ((0.5, np.nan, np.nan), False),
    ],
    ids=["up", "down", "not credible", "not material", "few days"],
)
def test_only_what_is_credible_and_material_is_trusted(shift, allowed) -> None:
    found = PriorShift(*shift, new_prior=0.3, rows=9_000, days=14)
    score = np.array([0.2, 0.7])
    assert Trust(0.4).allows(found) == allowed
    assert np.array_equal(Trust(0.4).corrected(score, found), score) != allowed


def test_few_days_and_no_predictions_are_insufficient_data() -> None:
    _, score, at = world(0.13, 2_000, days=4)
    nothing = np.zeros(0)
    for found in (
        own_shift(score, at, train_prior=TRAIN, seed=0),
        own_shift(nothing, at[:0], train_prior=TRAIN, seed=0),
        reference_shift(score, score, at, seed=0),
        reference_shift(nothing, nothing, at[:0], seed=0),
    ):
        assert not found.sufficient
        assert "insufficient data" in str(found)
        assert not Trust(0.0).allows(found)


def test_few_labels_pass_no_trial() -> None:
    label, score, at = world(0.13, 60)
    good, found = on_trial(label, (shifted(score, -0.7), score), at, seed=0)
    assert not good
    assert not found.sufficient


@pytest.mark.parametrize(
    ("score", "prior", "reason"),
    [
        ([], 0.2, "got none"),
        ([0.1, np.nan], 0.2, r"\[0, 1\], got nan"),
        ([0.1, 1.2], 0.2, r"\[0, 1\], got 1.2"),
        ([0.1, 0.2], 0.0, "train_prior must lie between 0 and 1, got 0.0"),
        ([0.1, 0.2], 1.0, "train_prior must lie between 0 and 1, got 1.0"),
    ],
)
def test_impossible_scores_and_priors_are_refused(score, prior, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        estimate_prior(np.array(score), train_prior=prior)


def test_scores_of_other_times_are_refused() -> None:
    _, score, at = world(0.13, 50)
    with pytest.raises(ValueError, match="50 scores at 49 times"):
        own_shift(score, at[1:], train_prior=TRAIN, seed=0)


def test_references_of_other_requests_are_refused() -> None:
    _, score, at = world(0.13, 50)
    with pytest.raises(ValueError, match="got 50 and 49 scores"):
        reference_shift(score, score[:-1], at, seed=0)


def test_constant_scores_tell_no_share() -> None:
    _, _, at = world(0.13, 500)
    same = np.full(500, TRAIN)
    assert estimate_prior(same, train_prior=TRAIN) == TRAIN
    assert np.array_equal(Trust(0.0).corrected(same, own_shift(same, at, train_prior=TRAIN, seed=0)), same)
    for score, end in ((0.1, 0.0), (0.6, 1.0)):
        assert estimate_prior(np.full(50, score), train_prior=TRAIN) == pytest.approx(end, abs=1e-9)
        assert not Trust(0.0).allows(own_shift(np.full(500, score), at, train_prior=TRAIN, seed=0))


def test_equal_inputs_give_equal_intervals() -> None:
    _, score, at = world(0.13, 2_000)
    one, two = (own_shift(score, at, train_prior=TRAIN, seed=3) for _ in range(2))
    assert one == two
    assert own_shift(score, at, train_prior=TRAIN, seed=4) != one


def test_mistakes_are_told() -> None:
    assert Trust().mistakes() == []
    assert Trust(-0.1).mistakes() == ["trust in a prior shift: least is -0.1; it must be a number, at least 0"]
