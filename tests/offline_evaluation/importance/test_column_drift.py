"""The index from period to period is that of counts by hand, less what chance gives; a steady column has none."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import expected_psi
from mlsys_assets.offline_evaluation.importance.column_drift import LEAST_ROWS, ColumnDrift
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.types import DeclarationError, TimeWindow, days

A_DAY = 400


def view(**columns: np.ndarray | list) -> Train:
    """Rows of so many days, 400 a day."""
    n = len(next(iter(columns.values())))
    at = np.datetime64("2013-01-01", "us") + (np.arange(n) * 86_400_000_000 // A_DAY).astype("timedelta64[us]")
    return Train(
        pa.array(map(str, range(n))), at, pa.table(columns), np.zeros(n), TimeWindow.of("2013-01-01", "2014-01-01")
    )


def test_it_is_the_index_worked_by_hand():
    """Half of a column is 1, then three quarters: (3/4 − 1/2) ln 3, there and back (Siddiqi 2006)."""
    n = 10 * A_DAY
    half, more = np.arange(n) % 2, np.minimum(np.arange(n) % 4, 1)
    number = np.concatenate([half, more, more]).astype(np.float32)
    text = np.where(number > 0, "late", "in time")
    found = ColumnDrift(period=days(10)).rates(view(number=number, text=text))
    for rate in found.values():
        assert rate.pairs == 2
        assert rate.most == pytest.approx(np.log(3) / 4 - 2 / n, abs=2e-4)  # less chance: one degree of freedom
        assert rate.mean == pytest.approx(rate.most / 2)  # in the third period it stays as it is


def test_it_is_that_of_monitoring_less_chance():
    random = np.random.default_rng(0)
    before, now = random.normal(size=4_000), random.normal(0.5, 1.2, size=4_000)
    now[:300] = np.nan
    found = ColumnDrift(period=days(10)).rates(view(x=np.concatenate([before, now])))
    (row,) = drift(profile(pa.table({"x": before})), pa.table({"x": now})).to_pylist()
    assert found["x"].mean == pytest.approx(row["psi"] - row["expected_psi"])
    assert row["expected_psi"] == pytest.approx(expected_psi(11, 4_000, 4_000))


def test_steady_columns_have_none_and_what_moves_has_it_by_how_far():
    random, n = np.random.default_rng(1), 80 * A_DAY
    step = np.arange(n) // (20 * A_DAY)
    columns = {f"by {by}": random.normal(size=n) + by * step for by in (0.0, 0.5, 1.0)}
    found = ColumnDrift(period=days(20)).rates(view(**columns, plan=random.integers(0, 5, n), none=np.full(n, np.nan)))
    assert found["by 0.0"].mean < 0.005
    assert found["plan"].mean < 0.005
    assert found["none"].mean == 0
    assert 0.2 < found["by 0.5"].mean < 0.35  # of a normal of unit spread, moved by d: d squared
    assert 0.8 < found["by 1.0"].mean < 1.3
    assert {rate.pairs for rate in found.values()} == {3}


def test_neither_the_order_of_rows_nor_an_incomplete_period_count():
    random, n = np.random.default_rng(2), 25 * A_DAY
    rows = view(x=random.normal(size=n), kind=random.choice(["a", "b"], n))
    found = ColumnDrift(period=days(10)).rates(rows)
    assert {rate.pairs for rate in found.values()} == {1}
    late = rows.take(np.arange(5 * A_DAY, n))
    assert ColumnDrift(period=days(10)).rates(late) == found
    mixed = late.take(random.permutation(len(late)))
    assert ColumnDrift(period=days(10), rows=len(rows)).rates(mixed) == ColumnDrift(days(10), len(rows)).rates(late)


def test_too_few_rows_tell_nothing():
    found = ColumnDrift(period=days(10)).rates(view(x=np.arange(12.0 * A_DAY)))
    assert np.isnan(found["x"].mean)
    assert found["x"].pairs == 0
    sparse = view(x=np.arange(40.0 * A_DAY)).take(np.arange(0, 40 * A_DAY, 10 * A_DAY // LEAST_ROWS + 1))
    assert ColumnDrift(period=days(10)).rates(sparse)["x"].pairs == 0
    empty = replace(view(x=np.arange(5.0))).take(np.arange(0))
    assert ColumnDrift().rates(empty)["x"].pairs == 0


def test_mistakes_are_told():
    assert len(ColumnDrift(period=timedelta(0), rows=1).mistakes()) == 2
    with pytest.raises(DeclarationError, match="period"):
        ColumnDrift(period=timedelta(0)).rates(view(x=[1.0]))
