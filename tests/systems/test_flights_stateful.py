"""Flights gone on with: what it costs beside a training from scratch, and what it is worth."""

import time
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.stateful.start import Checkpoint, go_on, learned_by, rest, start
from mlsys_assets.models.stateful.stateful import SLOWLY, Stateful
from mlsys_assets.models.stateful.tree_updates import NewLeaves
from mlsys_assets.types import days, utc

BEFORE, NOW, THEN = utc("2013-07-09"), utc("2013-08-06"), utc("2013-09-03")
"""Two trainings four weeks apart, and the end of the weeks that judge them."""
CHEAPER = 0.5
"""Of the processor time of a training from scratch, which is over five times the rows."""


def _loss(fitted, rows, since: datetime) -> float:
    after = (rows.at >= moment(since)) & (rows.at < moment(THEN)) & ~np.isnan(rows.label)
    at = np.flatnonzero(after)
    p, label = fitted.predict(rows.features.take(pa.array(at))), rows.label[at]
    return float(-np.log(np.where(label > 0, p, 1 - p)).mean())


@pytest.mark.prove
@pytest.mark.parametrize("trees", [SLOWLY, NewLeaves(0.9)], ids=["more trees", "new leaves"])
def test_going_on_costs_a_part_of_a_training_from_scratch(flights_system, flights_rows, trees) -> None:
    rows, split, by = flights_rows, flights_system.time_split, Stateful(trees)
    (candidate,) = [c for c in flights_system.candidates if c.name == "lightgbm"]
    first, now = (split.split(rows, as_of=at) for at in (BEFORE, NOW))
    parent = Checkpoint(candidate.fit(first.train, first.validation, seed=0, threads=1).predictor, "first", BEFORE)
    everything = split.refit_view(rows, as_of=NOW)

    began = time.process_time()
    found = start(candidate, now.train, rows, parent, seen=learned_by(split, rows, BEFORE), by=by)
    evaluated = Checkpoint(go_on(candidate, found, by=by, seed=0, threads=1).predictor, "now", NOW)
    left = rest(candidate, everything, rows, evaluated, seen=learned_by(split, rows, NOW), by=by)
    stateful = go_on(candidate, left, by=by, seed=0, threads=1)
    between = time.process_time()
    fitted = candidate.fit(now.train, now.validation, seed=0, threads=1)
    scratch = candidate.refit(everything, recipe=fitted.recipe, seed=0, threads=1)
    ended = time.process_time()

    shares = (len(found.train) / len(now.train), (between - began) / (ended - between))
    losses = _loss(stateful, rows, NOW), _loss(scratch, rows, NOW)
    print(f"rows {shares[0]:.3f}, processor time {shares[1]:.3f} of scratch; log loss {losses[0]:.4f}, {losses[1]:.4f}")
    assert shares[0] < 0.25
    assert shares[1] < CHEAPER
    label = rows.label[(rows.at >= moment(NOW)) & (rows.at < moment(THEN)) & ~np.isnan(rows.label)]
    constant = -(label.mean() * np.log(label.mean()) + (1 - label.mean()) * np.log1p(-label.mean()))
    assert losses[0] < constant


def test_a_descent_goes_on_over_a_week_in_a_moment(flights_system, flights_rows) -> None:
    """What is new in a week is learned in the time that it takes to prepare its rows."""
    rows, split, by = flights_rows, flights_system.time_split, Stateful()
    candidate, week = Sgd(), NOW - timedelta(days=7)
    first, now = (split.split(rows, as_of=at) for at in (week, NOW))
    few = first.train.take(np.arange(len(first.train)) % 10 == 0)
    parent = Checkpoint(candidate.refit(few, recipe={}, seed=0, threads=1).predictor, "first", week)
    found = start(candidate, now.train, rows, parent, seen=learned_by(split, rows, week), by=by)
    began = time.process_time()
    fitted = go_on(candidate, found, by=by, seed=0, threads=1)
    assert time.process_time() - began < 2.0
    assert 3_000 < len(found.train) < 10_000
    assert found.train.at.max() < moment(NOW - days(28))
    assert _loss(fitted, rows, NOW) < 1.0
