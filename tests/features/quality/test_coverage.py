"""Coverage is a plain share, by group, part and month; what differs surely is told, what differs by chance is not."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.features.quality.coverage import LEAST_ROWS, MONTH, PART, coverage
from mlsys_assets.features.quality.deletion import drop_rows
from mlsys_assets.features.quality.groups import ByCategory
from mlsys_assets.measures.intervals import LEAST_BLOCKS
from mlsys_assets.thumbnails import LIMIT


def test_each_share_is_that_of_a_plain_loop(view_of, days_of) -> None:
    days = days_of(0)
    y = np.where(days.random.random(days.n) < 0.3, np.nan, days.own)
    train = view_of(days.columns(y=y))
    later = view_of(days.columns(y=y), kind=Validation, start="2013-03-05", days=20)
    found = coverage(train, later)
    both, place = np.concatenate([y, y]), np.concatenate([days.place, days.place])
    month = np.concatenate([train.at, later.at]).astype("datetime64[M]").astype(str)
    for by, value in (("place", place), (MONTH, month), (PART, np.repeat(["train", "validation"], days.n))):
        expected = {one: float((~np.isnan(both[value == one])).mean()) for one in np.unique(value)}
        assert found.of("y", by) == pytest.approx(expected)
    assert found.overall[found.columns.index("y")] == pytest.approx((~np.isnan(y)).mean())
    rows = {(by, group): n for by, group, n in found.groups}
    assert rows[PART, "validation"] == days.n
    assert len(found.table()) == len(found.columns) * len(found.groups)


def test_nan_is_no_value(view_of) -> None:
    view = view_of({"x": np.arange(4)})
    unmasked = replace(view, features=pa.table({"x": pa.array([1.0, np.nan, np.nan, None])}))
    assert coverage(unmasked, by=()).overall.tolist() == [0.25]
    assert drop_rows(unmasked, ["x"])[1].lost == 3


def test_a_group_without_values_is_named(view_of, days_of) -> None:
    days = days_of(1)
    seats = np.where((days.place == "C") & (days.random.random(days.n) < 0.96), np.nan, 150.0)
    found = coverage(view_of(days.columns(seats=seats)))
    (one,) = found.uneven
    assert (one.column, one.by, one.group) == ("seats", "place", "C")
    assert not found.finding.passed
    assert f"seats is there in {one.share:.1%} of place C" in found.finding.summary
    assert len(found.thumbnail()) < LIMIT
    assert found.plot("place").startswith("<svg")
    assert "2013-02: 95% and more" in found.plot()


def test_a_group_of_a_few_days_is_not_named_however_empty_it_is(view_of, days_of) -> None:
    days = days_of(1)
    for count, named in ((LEAST_BLOCKS - 1, 0), (LEAST_BLOCKS, 1)):
        strike = days.day < count
        columns = days.columns(seats=np.where(strike, np.nan, 150.0), why=np.where(strike, "strike", "none"))
        assert strike.sum() >= LEAST_ROWS
        found = [one for one in coverage(view_of(columns)).uneven if one.by == "why"]
        assert [(one.column, one.group) for one in found] == [("seats", "strike")] * named


def test_a_fall_is_named_and_a_rise_is_not(view_of, days_of) -> None:
    days = days_of(2, days=150)
    lost = days.random.random(days.n) < np.where(days.day >= 120, 0.4, 0.1)  # from May on
    found = coverage(view_of(days.columns(y=np.where(lost, np.nan, days.own)), days=150), by=())
    assert [(one.by, one.group) for one in found.uneven] == [(MONTH, "2013-05")]
    assert "90" in str(found.uneven[0])
    risen = coverage(view_of(days.columns(y=np.where(lost[::-1], np.nan, days.own)), days=150), by=())
    assert risen.finding.passed


def test_a_fall_from_training_to_validation_is_named(view_of, days_of) -> None:
    days = days_of(3)
    train = view_of(days.columns(y=days.own))
    fewer = np.where(days.random.random(days.n) < 0.3, np.nan, days.own)
    later = view_of(days.columns(y=fewer), kind=Validation, start="2013-03-02", days=29)
    assert {(one.by, one.group) for one in coverage(train, later).uneven} == {(MONTH, "2013-03"), (PART, "validation")}


def test_by_chance_no_group_is_named(view_of, days_of) -> None:
    """Of forty tables, with a hundred places of few rows and days on which all is missing."""
    for seed in range(40):
        days = days_of(seed)
        many = [f"p{k}" for k in days.random.integers(0, 100, days.n)]
        by_day = np.where((days.random.random(days.days) < 0.4)[days.day], np.nan, days.own)
        by_row = np.where(days.random.random(days.n) < 0.5, np.nan, days.own)
        found = coverage(view_of(days.columns(many=many, y=by_day, z=by_row)))
        assert found.finding.passed, found.finding.summary


def test_other_columns_are_refused_and_few_rows_say_nothing(view_of) -> None:
    train, other = view_of({"x": np.arange(3)}), view_of({"y": np.arange(3)}, kind=Validation)
    with pytest.raises(ValueError, match=r"differ: \['x', 'y'\]"):
        coverage(train, other)
    assert coverage(view_of({"x": np.array([1.0, np.nan, np.nan])})).finding.passed
    assert coverage(view_of({"x": np.zeros(0)}, days=1), by=()).finding.passed
    assert coverage(view_of({"x": np.arange(3)}), by=(ByCategory("x"),)).of("x", "x") == {"0": 1.0, "1": 1.0, "2": 1.0}
