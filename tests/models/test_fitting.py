"""A step's fits: a candidate that cannot be fitted, or not be trusted, fails with its reason and ends nothing."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import Every, Learning, Retraining, Stage, days, utc
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.fitting import Fitting
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.stateful.start import Checkpoint, Start, go_on, gone_on_from
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned

from .conftest import view
from .faulty_candidates import DrawsGlobally

RAIN = runpy.run_path(str(Path(__file__).parents[1] / "systems" / "rain.py"))["rain"]
BY_STAGE = {"triggers": (Every(days(7)),), "retraining": Retraining(stage=Stage.STATEFUL)}
BY_LEARNING = {"learning": Learning(stateful=Stateful())}


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


def begun(train, candidate) -> Start:
    """A start of 400 rows from what was fitted on others."""
    new = view(Train, 400, seed=9)
    known, state = new.at, pa.array(["labelled"] * len(new))
    rows = LabelledRows(new.ids, new.at, new.features, new.label, known, state, days(1))
    parent = candidate.refit(train, recipe={"rounds": 10}, seed=1, threads=1).predictor
    return Start(new, rows, "400 rows are new", Checkpoint(parent, "its hash", utc("2013-01-20"), version=1))


@pytest.mark.parametrize("declared", [BY_STAGE, BY_LEARNING])
@pytest.mark.parametrize("candidate", [Sgd(), LightGBM(rounds=10, leaves=7)], ids=lambda c: c.name)
def test_a_candidate_goes_on_where_the_learning_or_the_stage_says_so(fits, split, train, candidate, declared):
    """From scratch, the refit would know the 400 rows that are left, and nothing of all before."""
    fits.step.system = fits.system = replace(RAIN, **declared)
    fits.step.as_of, by, start = utc("2013-02-01"), Stateful(), begun(train, candidate)
    seed, threads = RAIN.seed, RAIN.threads
    expected = go_on(candidate, start, by=by, seed=seed, threads=threads)
    fitted, _ = fits.fit(candidate, split, start)
    refitted = fits.refit(candidate, train, {"rounds": 10}, start)
    for tracked in (fitted, refitted):
        assert to_files(tracked.fitted.predictor) == to_files(expected.predictor)
        assert tracked.fitted.params == {**expected.params, **gone_on_from(start.checkpoint, by)}
        per_second, seconds = tracked.metrics["fit rows_per_s"], tracked.metrics["fit wall_s"]
        assert round(per_second * seconds) == len(start.train) == 400
    np.testing.assert_array_equal(fitted.scores, expected.predict(split.validation.features))


def test_what_starts_from_scratch_is_fitted_on_all_that_the_split_gives(fits, split, train):
    candidate, start = LightGBM(rounds=10, leaves=7), Start(train, None, "there is no champion")
    fits.step.system = fits.system = replace(RAIN, **BY_STAGE)
    scratch = candidate.fit(train, split.validation, seed=RAIN.seed, threads=RAIN.threads)
    tracked, _ = fits.fit(candidate, split, start)
    assert to_files(tracked.fitted.predictor) == to_files(scratch.predictor)
    assert "gone on from" not in tracked.fitted.params
