"""Of tables that nothing has changed in, the whole diagnosis alarms hardly ever."""

from collections.abc import Iterator

import numpy as np
import pytest
from drift_worlds import thirty

from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.production_monitoring.diagnosing.seen import TablePair
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis
from mlsys_assets.production_monitoring.faults import QUIET, of_diagnosis
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

from .observed_worlds import told, unlabelled

START = np.datetime64("2013-03-01T00:00", "s")
A_DAY = 86_400
MOST_HELD_OUT = 20_000
WEIGHTS = {"normal": 0.8, "uniform": 1.0, "hour": 0.1, "rounded": -0.4}
LEVEL, STRETCH = -3.6, 1.2
"""A fifth is positive; the champion need not be calibrated."""


def scored_thirty(rng: np.random.Generator, n: int, *, first_day: int, days: int) -> ScoredRows:
    """Rows of thirty columns of many shapes, four of which tell the label, in order of time."""
    features = thirty(rng, n)
    chance = logistic(LEVEL + sum(w * features[name].to_numpy().astype(float) for name, w in WEIGHTS.items()))
    at = START + first_day * A_DAY + np.sort(rng.integers(0, days * A_DAY, n))
    label = (rng.random(n) < chance).astype(np.float64)
    return ScoredRows(at.astype("datetime64[us]"), features, logistic(STRETCH * log_odds(chance)), label)


def quiet(rows: int, tables: int, *, seed: int = 0) -> Iterator[tuple[Diagnosis, Diagnosis]]:
    """Yield the diagnosis of each table after its labels came, and before."""
    for number in range(tables):
        rng = np.random.default_rng([seed, rows, number])
        held_out = scored_thirty(rng, min(rows, MOST_HELD_OUT), first_day=0, days=21)
        before = scored_thirty(rng, rows, first_day=21, days=28)
        now = scored_thirty(rng, rows, first_day=49, days=7)
        pair = TablePair(before.features, now.features)
        known = {"features": pair, "raw": {"source": pair}, "held_out": held_out, "recent": before}
        yield told(now, **known), told(unlabelled(now), **known)


def alarms(found: list[Diagnosis]) -> tuple[int, int]:
    """How many name a cause, and how many of them somebody is told of."""
    return sum(one.cause not in QUIET for one in found), sum(bool(of_diagnosis(one)) for one in found)


@pytest.mark.parametrize(("rows", "tables"), [(1_000, 8), (10_000, 2)])
def test_nothing_is_named_where_nothing_changed(rows: int, tables: int) -> None:
    for found in zip(*quiet(rows, tables), strict=True):
        assert [one.cause for one in found] == [Cause.NOTHING] * tables


@pytest.mark.prove
@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_at_most_five_of_a_thousand_tables_alarm(rows: int) -> None:
    for when, found in zip(("labelled", "unlabelled"), zip(*quiet(rows, 1_000), strict=True), strict=True):
        named, faults = alarms(list(found))
        print(f"{named} causes and {faults} faults of 1,000 tables of {rows:,} rows, {when}")
        assert max(named, faults) <= 5
