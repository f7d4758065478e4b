"""A label shift is found where there is one, within its interval; where features moved, it is not called one."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.label_shift import LEAST_EFFECT, _objection, _with_symptom, cohen_h, label_shift
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores
from mlsys_assets.production_monitoring.score_mixture import Counts, Fit, likeliest_share

from .unlabelled_worlds import LEARNED, classes, reference_of_classes, reference_of_weather, weather


@pytest.mark.parametrize(("points", "named"), [(0.03, 0), (0.06, 16), (0.11, 20), (-0.06, 16)])
def test_planted_shifts_are_recovered_within_their_interval(points, named) -> None:
    inside, alarms, told = 0, 0, []
    for seed in range(20):
        score, label, at = classes(LEARNED + points, 10_000, seed=seed)
        found = label_shift(reference_of_classes(seed=seed), score, at, seed=seed)
        inside += found.share.low <= label.mean() <= found.share.high
        alarms += found.symptom is not None
        told.append(found.share.value - label.mean())
    assert inside >= 18
    assert alarms >= named
    assert np.mean(told) == pytest.approx(0.0, abs=0.005)


def test_a_symptom_tells_its_numbers() -> None:
    score, _, at = classes(0.33, 10_000, seed=0)
    found = label_shift(reference_of_classes(), score, at, seed=0)
    assert found.holds
    assert (found.symptom.cause, found.symptom.where) == (Cause.LABEL, "scores")
    assert found.symptom.size == pytest.approx(cohen_h(found.share.value, found.before))
    assert found.symptom.limit == LEAST_EFFECT
    assert "positive, told from scores; 0.2" in found.symptom.told
    assert found.symptom.measures["low"] < 0.33 < found.symptom.measures["high"]
    assert found.by_features.value < 0.27  # calibrated scores foretell but a part of what the share moved
    for other in (found.by_confusion, found.by_cells):
        assert other.low < 0.33 < other.high


@pytest.mark.parametrize(("rows", "worlds"), [(1_000, 40), (10_000, 20), (100_000, 5)])
def test_the_same_distribution_is_silent(rows, worlds) -> None:
    held = 0
    for seed in range(worlds):
        score, _, at = classes(LEARNED, rows, seed=seed)
        found = label_shift(reference_of_classes(seed=seed), score, at, seed=seed)
        assert found.symptom is None
        held += found.holds
    assert held >= 0.9 * worlds


@pytest.mark.prove
@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_a_thousand_same_distributions_give_at_most_five_alarms_and_honest_intervals(rows) -> None:
    alarms, inside = 0, 0
    for seed in range(1_000):
        score, label, at = classes(LEARNED, rows, seed=seed)
        found = label_shift(reference_of_classes(seed=seed), score, at, seed=seed)
        alarms += found.symptom is not None
        inside += found.share.low <= label.mean() <= found.share.high
    print(rows, alarms, inside)
    assert alarms <= 5
    assert inside >= 930


@pytest.mark.parametrize("moved", [-0.8, 0.8])
def test_where_features_moved_no_label_shift_is_called_and_calibrated_scores_are_right(moved) -> None:
    score, label, at = weather(7_000, seed=0, moved=moved, daily=0.5)
    found = label_shift(reference_of_weather(daily=0.5), score, at, seed=0)
    assert found.symptom is None
    assert not found.holds
    assert found.objection
    assert found.by_features.low < label.mean() < found.by_features.high
    assert abs(found.share.value - label.mean()) > 0.1  # what would have been believed


def test_scores_beyond_any_mixture_are_said_to_be() -> None:
    _, _, at = classes(0.2, 2_000, seed=0)
    score = np.random.default_rng(0).uniform(0.001, 0.01, 2_000)
    found = label_shift(reference_of_classes(), score, at, seed=0)
    assert "beyond what any share would give" in found.objection
    assert "beyond" in str(found)
    assert found.symptom is None


def test_scores_that_changed_their_meaning_in_the_middle_are_no_mixture() -> None:
    score, _, at = classes(0.4, 10_000, seed=0)
    odds = np.log(score / (1 - score))
    found = label_shift(reference_of_classes(), 1 / (1 + np.exp(-(0.5 * odds - 0.5))), at, seed=0)
    assert "no mixture" in found.objection
    assert found.symptom is None


def test_a_model_that_tells_no_classes_apart_is_ill_conditioned() -> None:
    reference = reference_of_classes()
    label = np.random.default_rng(0).permutation(reference.label)
    score, _, at = classes(0.3, 2_000, seed=0)
    found = label_shift(ReferenceScores(reference.score, label, reference.at), score, at, seed=0)
    assert "ill-conditioned" in found.untold
    assert not found.holds
    assert found.symptom is None


def test_what_is_unfit_is_a_value_with_its_reason() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.3, 500, seed=0)
    empty = ReferenceScores(score[:0], score[:0], at[:0])
    for found, reason in (
        (label_shift(reference, score[:0], at[:0], seed=0), "window: no scores"),
        (label_shift(reference, score[:1], at[:1], seed=0), "window: 1 predictions"),
        (label_shift(reference, np.where(score > 0.5, np.nan, score), at, seed=0), "not finite"),
        (label_shift(empty, score, at, seed=0), "reference: no scores"),
    ):
        assert reason in found.untold
        assert str(found).startswith("insufficient data")
        assert not found.share.sufficient
        assert found.symptom is None


def test_constant_scores_in_a_window_are_no_alarm() -> None:
    _, _, at = classes(0.3, 500, seed=0)
    assert label_shift(reference_of_classes(), np.full(500, 0.2), at, seed=0).symptom is None


def test_equal_inputs_give_equal_estimates() -> None:
    score, _, at = classes(0.3, 2_000, seed=0)
    one, two = (label_shift(reference_of_classes(), score, at, seed=3) for _ in range(2))
    assert one == two
    assert label_shift(reference_of_classes(), score, at, seed=4) != one


def test_a_shift_that_rows_alone_may_give_is_no_symptom_however_alike_the_days() -> None:
    """Seven days may differ little by chance: what their rows alone would give is asked too."""
    score, _, at = classes(0.33, 10_000, seed=0)
    found = replace(label_shift(reference_of_classes(), score, at, seed=0), symptom=None)
    assert _with_symptom(found, error=found.moved.value / 3.2).symptom is not None
    assert _with_symptom(found, error=found.moved.value / 3.0).symptom is None
    assert _with_symptom(replace(found, objection="features moved"), error=1e-3).symptom is None


def test_a_shift_that_days_alone_may_give_is_no_symptom_however_many_rows() -> None:
    """Of seven days a shift of three of their standard errors is no rarity; of five it is (Student's t)."""
    score, _, at = classes(0.33, 10_000, seed=0)
    found = replace(label_shift(reference_of_classes(), score, at, seed=0), symptom=None)
    three, five = (replace(found.moved, error=found.moved.value / by, bias=0.0) for by in (3, 5))
    assert _with_symptom(replace(found, moved=three), error=1e-3).symptom is None
    assert _with_symptom(replace(found, moved=five), error=1e-3).symptom is not None


def test_the_threshold_is_the_score_that_as_many_reach_as_are_positive() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.3, 2_000, seed=0)
    reached = np.sort(reference.score)[::-1][int(reference.label.sum())]
    own, same, other = (
        label_shift(reference, score, at, seed=0, threshold=threshold).by_confusion
        for threshold in (None, reached, 0.1)
    )
    assert own == same != other


def test_days_of_the_reference_itself_are_not_held_against_how_its_days_moved() -> None:
    """What those days brought to the features, the window has met too."""
    reference = reference_of_weather(daily=0.5)
    half = np.random.default_rng(0).uniform(size=len(reference.score)) < 0.5
    one = ReferenceScores(reference.score[half], reference.label[half], reference.at[half])
    same, later = (
        label_shift(one, reference.score[~half], reference.at[~half] + by, seed=0)
        for by in (np.timedelta64(0), np.timedelta64(90, "D"))
    )
    assert same.holds
    assert "from day to day" in later.objection


def test_two_estimates_that_disagree_are_an_objection() -> None:
    counts = Counts.of(reference_of_classes(), *classes(0.3, 10_000, seed=0)[::2], seed=0)
    share = likeliest_share(counts)
    fit = Fit(0.0, 1.0)
    assert _objection(counts, share, share + 0.001, fit) == ""
    assert _objection(counts, share, share + 0.1, fit).startswith("two estimates disagree (0.2")
    uncertain = share + 0.1 + np.random.default_rng(0).normal(scale=0.2, size=len(share)) * (np.arange(len(share)) > 0)
    assert _objection(counts, share, uncertain, fit) == ""


@pytest.mark.parametrize("odd", [1, 40])
def test_scores_of_which_all_but_a_few_are_equal_are_ill_conditioned(odd) -> None:
    """No cell but one: nothing lies above its edge, and no error says so."""
    reference, (score, _, at) = reference_of_classes(), classes(0.3, 500, seed=0)
    few = ReferenceScores(np.where(np.arange(20_000) < odd, 0.9, 0.1), reference.label, reference.at)
    assert few.unfit == ""
    assert "ill-conditioned" in label_shift(few, score, at, seed=0).untold
