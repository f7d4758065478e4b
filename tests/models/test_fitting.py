"""A step's fits: a candidate that cannot be fitted, or not be trusted, fails with its reason and ends nothing."""

from types import SimpleNamespace

import pytest

from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.fitting import Fitting
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned

from .faulty_candidates import DrawsGlobally


@pytest.fixture
def fits(tmp_path):
    system = SimpleNamespace(seed=1, threads=1, name="s", calendar=SimpleNamespace(key=str))
    stores = SimpleNamespace(training=SimpleNamespace(workers=2), home=tmp_path)
    told = []
    step = SimpleNamespace(
        system=system, stores=stores, as_of="now", context=SimpleNamespace(log=SimpleNamespace(info=told.append))
    )
    logbook = SimpleNamespace(writer=SimpleNamespace(source=SimpleNamespace(hash="code")), trial=told.append, told=told)
    return Fitting(step, logbook, None)


@pytest.fixture
def split(train, validation):
    return SimpleNamespace(train=train, validation=validation)


def nothing():
    raise ImportError("no such library")


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (LightGBM(more={"bogus": 1}), "more names 'bogus', which LightGBM does not know"),
        (Estimator(nothing, name="none"), "make fails .ImportError: no such library"),
        (GroupRate(by=("carrier", "tail")), "tail"),
        (DrawsGlobally(), "same_seed_same_model: two fits with seed 1 differ"),
        (Tuned(LightGBM(), {"more.bogus": Integers(1, 2)}, trials=2), "none of 2 trials is complete"),
    ],
)
def test_what_only_a_fit_finds_is_a_failure_of_the_candidate(fits, split, candidate, why):
    with pytest.raises(FitError, match=why):
        fits.fit(candidate, split)


def test_a_sound_search_is_heard_trial_by_trial(fits, split):
    tracked, found = fits.fit(Tuned(LightGBM(rounds=3), {"leaves": Integers(2, 9)}, trials=2), split)
    assert tracked.fitted.recipe["trials"] == 2
    assert all(one.passed for one in found)
    assert [p.trial.number for p in fits.heard["tuned"]] == [0, 1]
    assert [one for one in fits.logbook.told if not isinstance(one, str)] == fits.heard["tuned"]
