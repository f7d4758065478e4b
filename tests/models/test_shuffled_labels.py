"""Shuffled labels teach nothing: what knows the truth all the same is found, what does not is seldom accused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, rankdata
from sklearn.metrics import roc_auc_score

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.shuffled_labels import PAIRS, SIGMAS, _pairs, chance_error, shuffled_labels_teach_nothing

from .conftest import view
from .faulty_candidates import Keeps, Knows, Lopsided, Peeks, by_row


def found(candidate, train, validation, seed=0):
    return shuffled_labels_teach_nothing(candidate, train, validation, seed=seed, threads=1)


def test_one_that_is_fitted_on_its_validation_rows_is_found_at_once(train, validation) -> None:
    told = found(Peeks(), train, validation)
    assert not told.passed
    assert "AUC 1.000 on the validation labels it was handed" in told.summary
    assert told.evidence["pairs"] == 1


def test_one_that_knows_validation_labels_by_row_is_found(train, validation) -> None:
    told = found(Knows(known=by_row(validation)), train, validation)
    assert not told.passed
    assert "AUC 1.000 or more on true labels in each of 7 pairs" in told.summary
    assert found(Knows(known=by_row(train)), train, validation).passed


def test_a_model_kept_from_an_earlier_fit_is_found(train, validation) -> None:
    keeps = Keeps()
    keeps.fit(train, validation, seed=0, threads=1)
    told = found(keeps, train, validation)
    assert not told.passed
    assert "a model kept from an earlier fit" in told.summary
    assert told.evidence["mean"] > told.evidence["allowed"]


def test_a_candidate_that_shuffles_nothing_would_be_found(train, validation) -> None:
    """The control: with true labels in the fits, the same numbers are far beyond what is allowed."""

    class TrueLabels(LogisticRegression):
        def fit(self, _, validation, *, seed, threads):
            return super().fit(train, validation, seed=seed, threads=threads)

    assert not found(TrueLabels(), train, validation).passed


@pytest.mark.parametrize(
    "candidate",
    [LogisticRegression(), LightGBM(rounds=8), LightGBM(rounds=40, patience=2, column_share=0.5, row_share=0.5)],
    ids=["line", "trees", "stopping"],
)
def test_what_learns_is_never_accused(candidate, train, validation) -> None:
    told = [found(candidate, train, validation, seed=seed) for seed in range(15)]
    assert all(one.passed for one in told)
    assert max(one.evidence["pairs"] for one in told) == 1


def test_labels_turned_round_take_the_direction_of_noise_away(train, validation) -> None:
    """Why a pair: the AUC of one fit varies more than the rows make it, that of a pair hardly at all."""
    pairs = [next(_pairs(LogisticRegression(), train, validation, seed=s, threads=1)) for s in range(25)]
    error = chance_error(int(validation.label.sum()), int((1 - validation.label).sum()))
    assert np.std([pair.shuffled for pair in pairs]) > 2 * error
    assert np.std([pair.known for pair in pairs]) < 0.1 * error
    assert np.mean([abs(pair.shuffled - 0.5) > SIGMAS * error for pair in pairs]) > 0.15
    for pair in pairs:
        assert pair.known == pytest.approx(0.5, abs=0.01)


def test_one_that_is_lopsided_is_accused_less_than_once_in_a_hundred(train, validation) -> None:
    """The worst case: turned labels change nothing, so one pair alone would accuse every third."""
    told = [found(Lopsided(), train, validation, seed=seed) for seed in range(0, 10 * 300, 10)]
    accused = sum(not one.passed for one in told)
    more = np.mean([one.evidence["pairs"] > 1 for one in told])
    assert more > 0.25
    assert accused <= binom.ppf(0.999, 300, 0.5**PAIRS)


def test_its_error_is_that_of_shuffled_labels() -> None:
    rng = np.random.default_rng(0)
    label, score = np.repeat([1.0, 0.0], [60, 240]), rng.random(300)
    shuffled = rng.permuted(np.tile(label, (4_000, 1)), axis=1)
    aucs = ((shuffled * rankdata(score)).sum(axis=1) - 60 * 61 / 2) / (60 * 240)
    assert chance_error(60, 240) == pytest.approx(aucs.std(), rel=0.04)
    assert aucs[0] == pytest.approx(roc_auc_score(shuffled[0], score))


def test_a_baseline_is_not_asked_and_few_rows_tell_nothing(train, validation) -> None:
    rule = HumanRule((When("precip", ">", 1.0),))
    assert "not asked: it is a baseline" in found(rule, train, validation).summary
    few = found(Peeks(), train, validation.take(np.arange(20)))
    assert few.passed
    assert few.summary.startswith("insufficient data: 20 validation rows")
    assert found(Peeks(), train, replace(validation, label=np.zeros(len(validation)))).passed
    assert found(Peeks(), train, replace(validation, label=validation.label * 9)).passed


def test_one_that_refuses_labels_that_say_nothing_passes(train, validation) -> None:
    told = [found(Calibrated(LogisticRegression()), train, validation, seed=seed) for seed in range(6)]
    assert all(one.passed for one in told)
    assert any("shuffled labels are refused: " in one.summary for one in told)


@pytest.mark.prove
def test_no_sound_candidate_is_accused_in_many_shuffles() -> None:
    train, validation = view(Train, 1_500, seed=11), view(Validation, 500, seed=12)
    for candidate in (LogisticRegression(), LightGBM(rounds=10, column_share=0.5)):
        assert all(found(candidate, train, validation, seed=seed).passed for seed in range(200))
