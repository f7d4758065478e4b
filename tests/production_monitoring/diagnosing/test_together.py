"""A change that no column shows is seen by all of them together, and named only where it is unusual of the system."""

import numpy as np
import pytest
from diagnosing_worlds import normal, pair, seen

from mlsys_assets import LightGBM
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.together import apart, moved_together
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest
from mlsys_assets.production_monitoring.drift.outcome import Outcome
from mlsys_assets.production_monitoring.drift.usual import Usual
from mlsys_assets.production_monitoring.monitoring import Monitoring

QUIET = np.random.default_rng(0).lognormal(np.log(0.004), 0.4, 20)
ROTATED = pair(normal(0, 8_000), normal(1, 2_000, correlated=0.6))


def test_a_rotation_is_a_symptom_and_the_covariate_shift_of_a_diagnosis() -> None:
    making = Diagnosing(seen(ROTATED, past_together=QUIET), Monitoring(), LightGBM(rounds=5))
    assert max(one.psi for one in making.distances.values()) < 0.05
    found = making.diagnosis()
    (symptom,) = found.symptoms
    assert (found.cause, symptom.test, symptom.where) == (Cause.COVARIATE, "kernel", "features")
    assert symptom.size > symptom.limit > np.median(QUIET)
    assert "times the median of 20 windows before" in symptom.told


@pytest.mark.parametrize("past", [QUIET, np.empty(0)], ids=["usual", "young"])
def test_a_diagnosis_is_the_same_on_any_number_of_threads(past: np.ndarray) -> None:
    observed = seen(ROTATED, past_together=past)
    one, four = (Diagnosing(observed, Monitoring(), LightGBM(rounds=5), threads=n).diagnosis() for n in (1, 4))
    assert one.as_dict() == four.as_dict()


def test_a_test_of_features_that_fails_is_not_silent() -> None:
    class Failing(KernelTest):
        def held(self, *_sets: object, **_seed: object) -> Outcome:
            raise ValueError("no kernel")

    with pytest.raises(ValueError, match="no kernel"):
        Diagnosing(seen(ROTATED), Monitoring(together=Failing()), LightGBM(rounds=5), threads=2).diagnosis()


def test_what_the_system_always_does_is_no_symptom() -> None:
    always = np.full(20, apart(KernelTest(), ROTATED, seed=0).distance) * np.linspace(0.8, 1.25, 20)
    asked = Monitoring()
    assert Diagnosing(seen(ROTATED, past_together=always), asked, LightGBM(rounds=5)).diagnosis().symptoms == ()


def test_what_is_unusual_but_not_beyond_chance_is_no_symptom() -> None:
    same = apart(KernelTest(), pair(normal(0, 8_000), normal(1, 2_000)), seed=0)
    assert same.symptom is None
    assert moved_together(same, np.full(20, 1e-9), Usual()).symptoms == ()


def test_without_a_history_of_its_own_nothing_is_unusual_and_that_is_said() -> None:
    found = moved_together(apart(KernelTest(), ROTATED, seed=0), QUIET[:3], Usual())
    assert found.symptoms == ()
    assert found.untold == {"kernel": "3 windows before, 12 needed"}


def test_nobody_looks_where_none_is_declared() -> None:
    making = Diagnosing(seen(ROTATED, past_together=QUIET), Monitoring(together=None), LightGBM(rounds=5))
    assert making.together is None
    assert making.diagnosis().symptoms == ()
    assert "kernel" not in making.diagnosis().untold


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (pair(normal(0, 0), normal(1, 100), untold="no time before"), "no time before"),
        (pair(normal(0, 500), normal(1, 0)), "500 rows before and 0 now"),
        (pair(normal(0, 500), normal(1, 500), before_at=()), "the times of rows are not known"),
    ],
)
def test_what_cannot_be_held_apart_says_why(features, why: str) -> None:
    found = apart(KernelTest(), features, seed=0)
    assert why in found.untold
    assert why in moved_together(found, QUIET, Usual()).untold["kernel"]


def test_a_wrong_declaration_is_named() -> None:
    wrong = Monitoring(together=KernelTest(chance=2.0)).mistakes(sources={}, features=(), requests=())
    assert "kernel test: chance" in "".join(wrong)
    assert "together" in "".join(Monitoring(together=Usual()).mistakes(sources={}, features=(), requests=()))
    assert isinstance(apart(KernelTest(), ROTATED, seed=0), Outcome)
