"""What deletion loses is counted as plain loops count it, and whom it loses is named."""

import numpy as np
import pytest

from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.quality.deletion import drop_rows
from mlsys_assets.features.quality.groups import ByCategory, ByRange
from mlsys_assets.features.quality.mostly_missing import mostly_missing
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import utc


def rain(days) -> tuple[dict[str, object], np.ndarray, np.ndarray]:
    """Pressure is missing in six of ten rainy rows and in one of twelve others; in rain more are late."""
    fallen = np.where(days.x > 1.2, np.exp(days.own), 0.0)
    gap = days.random.random(days.n) < np.where(fallen > 0, 0.6, 0.08)
    label = (days.random.random(days.n) < np.where(fallen > 0, 0.5, 0.2)).astype(float)
    return days.columns(rain=fallen, pressure=np.where(gap, np.nan, days.slow)), label, gap


def test_rows_are_lost_mostly_where_it_rains(view_of, days_of) -> None:
    days = days_of(0)
    columns, label, gap = rain(days)
    kept, found = drop_rows(view_of(columns, label=label), ["pressure"])
    assert isinstance(kept, Train)
    assert (len(kept), found.lost, found.rows) == (days.n - gap.sum(), gap.sum(), days.n)
    assert kept.features["pressure"].null_count == 0
    assert kept.label.tolist() == label[~gap].tolist()
    first = found.groups[0]
    wet = columns["rain"] > 0
    assert (first.by, first.group, first.rows) == ("rain", "above 0", wet.sum())
    assert first.share == pytest.approx(gap[wet].mean())
    assert first.lift == pytest.approx(gap[wet].mean() / gap.mean())
    assert first.part == pytest.approx(wet[gap].mean())
    assert found.label == (pytest.approx(label[~gap].mean()), pytest.approx(label[gap].mean()))
    assert found.label_difference.value == pytest.approx(label[~gap].mean() - label[gap].mean())
    assert found.label_difference.high < 0
    assert not found.finding.passed
    assert f"loses {gap.sum():,} of {days.n:,} rows" in str(found)
    assert "rain above 0" in str(found)
    assert len(found.thumbnail()) < LIMIT
    assert "rain above 0" in found.plot()
    assert found.table()[0]["of_lost"] == first.part


def test_what_is_missing_at_random_loses_no_group(view_of, days_of) -> None:
    accused = 0
    for seed in range(40):
        days = days_of(seed)
        y = np.where(days.random.random(days.n) < 0.03, np.nan, days.own)
        z = np.where((days.random.random(days.days) < 0.2)[days.day], np.nan, days.own)
        view = view_of(days.columns(y=y, z=z))
        accused += bool(drop_rows(view, ["y"])[1].groups) + bool(drop_rows(view, ["z"])[1].groups)
        assert drop_rows(view, ["y"])[1].finding.passed
    assert accused == 0


def test_several_columns_lose_what_any_of_them_misses(view_of, days_of) -> None:
    days = days_of(1)
    gaps = [days.random.random(days.n) < 0.1 for _ in range(2)]
    view = view_of(days.columns(a=np.where(gaps[0], np.nan, days.own), b=np.where(gaps[1], np.nan, days.x)))
    kept, found = drop_rows(view, ["a", "b"], by=(ByCategory("place"), ByRange("x")))
    assert found.lost == (gaps[0] | gaps[1]).sum()
    assert drop_rows(kept, ["a", "b"])[0] is not None
    assert drop_rows(kept, ["a", "b"])[1].finding.passed
    assert drop_rows(view, [])[1].lost == 0


def test_it_takes_training_rows_only(view_of, days_of) -> None:
    days = days_of(2, days=10)
    view = view_of(days.columns())
    parts = (view.ids, view.at, view.features, view.label, view.window)
    opened = OpenedTest(*parts)
    sealed = Test(opened, name="t", content_hash="h", as_of=utc("2013-02-01"))
    for rows in (Validation(*parts), opened, sealed, view.features):
        with pytest.raises(TypeError, match="deletion is fitted on a Train view only"):
            drop_rows(rows, ["x"])
    with pytest.raises(ColumnError, match=r"missing column\(s\) \['pressure'\]"):
        drop_rows(view, ["pressure"])


def test_all_rows_lost_or_none_to_lose_is_no_crash(view_of) -> None:
    empty = view_of({"x": np.zeros(0)}, days=1)
    assert drop_rows(empty, ["x"])[1].finding.passed
    nothing = view_of({"x": np.full(200, np.nan), "place": ["A"] * 200})
    kept, found = drop_rows(nothing, ["x"])
    assert len(kept) == 0
    assert found.share == 1.0
    assert not found.label_difference.sufficient
    assert not found.finding.passed


def test_columns_that_are_mostly_missing_are_named(view_of) -> None:
    n = 200
    gust = np.where(np.arange(n) < 152, np.nan, 1.0)
    found = mostly_missing(view_of({"gust": gust, "x": np.arange(n), "none": np.full(n, np.nan)}).features)
    assert found.columns == (("gust", 0.76),)
    assert not found.finding.passed
    assert found.finding.summary.startswith("missing in most rows: gust in 76%; drop it, or keep its indicator")
    assert mostly_missing(view_of({"x": np.arange(n)}).features).finding.passed
    assert len(found.thumbnail()) < LIMIT
    assert "gust" in found.plot()
