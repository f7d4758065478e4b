"""What is left of a large column has the distances of all its rows, however they lie."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from mlsys_assets.production_monitoring.drift import condensed as condensing
from mlsys_assets.production_monitoring.drift.columns import Distances, Reference
from mlsys_assets.production_monitoring.drift.condensed import Large, condensed
from mlsys_assets.production_monitoring.drift.numbers import Numbers

SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "single": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "far from 0": lambda rng, n: 1e9 + rng.normal(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "ties": lambda rng, n: rng.poisson(30, n).astype(float),
    "tenths": lambda rng, n: np.round(rng.normal(0, 10, n), 1).astype(np.float32),
    "few values": lambda rng, n: rng.integers(0, 19, n).astype(float) / 3,
    "few far values": lambda rng, n: 1e9 + rng.integers(0, 30, n) / 7,
    "around 0": lambda rng, n: rng.choice([0.0, -0.0, 1e-300, -1e-300, 1e-30], n),
    "huge": lambda rng, n: rng.choice([1e60, -1e60, 3.0], n) * rng.random(n),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("sizes", [(400, 300), (12_000, 9_000)], ids=str)
def test_distances_are_those_of_all_rows(name: str, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    before, now = (SHAPES[name](rng, n) for n in sizes)
    now[: len(now) // 10] = now[-1]
    found = [_of(before, now, large=large) for large in (True, False)]
    assert found[0].measures == pytest.approx(found[1].measures, rel=1e-7, abs=1e-12)
    for side in ("before", "now"):
        one, other = (getattr(f, side) for f in found)
        assert one.quantiles == other.quantiles
        assert (one.rows, one.missing_share) == (other.rows, other.missing_share)
        for moment in ("mean", "sd", "skew", "kurtosis"):
            assert getattr(one, moment) == pytest.approx(getattr(other, moment), rel=1e-6, abs=1e-6, nan_ok=True)


VALUES = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1.0, 1.0000001, 2.0]), min_size=1)


@settings(max_examples=40)
@given(before=VALUES, now=VALUES)
def test_gap_and_area_are_scipys(before: list[float], now: list[float]) -> None:
    found = _of(np.array(before), np.array(now), large=True)
    gaps = [np.mean(np.array(before) <= v) - np.mean(np.array(now) <= v) for v in {*before, *now}]
    assert found.ks == pytest.approx(np.abs(gaps).max(), abs=1e-12)
    scale = np.abs([*before, *now]).max()
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(before, now), abs=1e-7 * scale, rel=1e-7)


def _of(before: np.ndarray, now: np.ndarray, *, large: bool) -> Distances:
    reference = Reference.of(pa.table({"x": before}))
    if large:
        side = Large.of(before)
        assert side is not None
        reference = Reference({"x": side}, reference.types)
    return reference.distances(pa.table({"x": now}))["x"]


def test_most_rows_need_not_be_sorted() -> None:
    """A test of the shortcut itself: without it, every row would be one."""
    rng = np.random.default_rng(1)
    before, now = (Large.of(rng.normal(by, 1, 300_000).astype(np.float32), 0.0) for by in (0.0, 0.3))
    sides = condensed(before, now)
    assert all(isinstance(side, Numbers) and len(side.values) < 60_000 for side in sides)
    assert [side.total for side in sides] == [300_000, 300_000]


def test_what_is_missing_or_infinite() -> None:
    rng = np.random.default_rng(2)
    before, now = rng.normal(size=3_000), rng.normal(size=2_000)
    before[::7], now[::3] = np.nan, np.nan
    assert _of(before, now, large=True).measures == pytest.approx(_of(before, now, large=False).measures)
    now[5] = np.inf
    assert _of(before, now, large=True).measures == pytest.approx(_of(before, now, large=False).measures)
    assert Large.of(now) is None
    assert Large.of(np.full(9, np.nan)) is None


def test_large_columns_take_the_shortcut() -> None:
    table = pa.table(
        {"x": np.arange(condensing.LARGE, dtype=np.float32), "n": pa.nulls(condensing.LARGE, pa.float32())}
    )
    kept = Reference.of(table).columns
    assert [type(kept[name]) for name in "xn"] == [Large, Numbers]
    found = Reference.of(table).distances(pa.table({"x": np.arange(5.0), "n": np.arange(5.0)}))
    assert found["x"].ks == pytest.approx(1 - 5 / condensing.LARGE)
    assert "no values before" in found["n"].untold
    assert Reference.of(table).distances(pa.table({"x": ["a"]}))["x"].before.rows == condensing.LARGE
    assert Reference.of(table).distances(table.slice(0, 0))["x"].untold == "has no rows now"


def test_a_second_window_finds_the_reference_counted() -> None:
    side = Large.of(np.random.default_rng(3).normal(size=1_000).astype(np.float32))
    assert side is not None
    assert side.rounded() is side
