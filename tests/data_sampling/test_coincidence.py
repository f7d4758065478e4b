"""How often content comes back by chance is counted between stretches of days that are not next to each other."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import poisson

from mlsys_assets.data_sampling.coincidence import SURE, Coincidence, coincidence
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-03-01")
EACH, DAYS, LATER = 3, 8, 6
"""Rows a day, days, and rows of the later part: four stretches of two days."""


def train_of(values, label=None):
    day = np.repeat(np.arange(DAYS), EACH)
    at = np.datetime64("2013-01-01", "us") + day * np.timedelta64(1, "D")
    labels = np.arange(len(values)) % 2.0 if label is None else np.asarray(label, dtype=np.float64)
    table = pa.table({"x": pa.array(values, pa.float32())})
    return Train(pa.array([str(i) for i in range(len(values))]), at, table, labels, WINDOW)


@given(st.lists(st.integers(0, 20), min_size=EACH * DAYS, max_size=EACH * DAYS))
@settings(max_examples=60)
def test_the_rate_is_what_is_counted_by_hand(values):
    train = train_of(values)
    found = coincidence(train, [train.fingerprints], rows=LATER)
    contents = [set(values[s * 2 * EACH : (s + 1) * 2 * EACH]) for s in range(4)]
    rates = []
    for s, own in enumerate(contents):
        others = set().union(*(contents[t] for t in range(4) if abs(t - s) > 1))
        rates.append(len(own & others) / len(own))
    assert found.rate == pytest.approx(max(rates))
    assert (found.stretches, found.contents) == (4, sum(map(len, contents)))


def test_neighbours_in_time_are_no_measure_of_chance():
    """Each value stands at the end of one stretch and at the beginning of the next."""
    values = np.arange(EACH * DAYS)
    for border in (6, 12, 18):
        values[border : border + 2] = values[border - 2 : border]
    train = train_of(values)
    assert coincidence(train, [train.fingerprints], rows=LATER).rate == 0


def test_few_days_tell_nothing_and_explain_everything():
    train = train_of(np.zeros(EACH * DAYS)).take(np.arange(3 * EACH))
    found = coincidence(train, [train.fingerprints], rows=LATER)
    assert not found.sufficient
    assert found.explains(10**6, of=10**6)
    empty = train.take(np.arange(0))
    assert not coincidence(empty, [empty.fingerprints], rows=0).sufficient


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.03, 1.0])
@pytest.mark.parametrize("copies", [0, 1, 4, 12, 40, 1_000])
def test_what_chance_explains_is_poissons_tail(rate, copies):
    chance = Coincidence(rate, contents=30_000, stretches=10)
    expected = 1_000 * max(rate, 3 / 30_000)
    assert chance.expected(1_000) == pytest.approx(expected)
    assert chance.explains(copies, of=1_000) == (poisson.sf(copies - 1, expected) >= SURE)
