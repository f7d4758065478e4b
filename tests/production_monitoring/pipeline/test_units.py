"""A unit that changed is named; a shift, a wider season and chance are no unit."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.pipeline.conversions import CONVERSIONS
from mlsys_assets.production_monitoring.pipeline.sides import Sides
from mlsys_assets.production_monitoring.pipeline.units import sign_flip, unit_change

ROWS = (1_000, 10_000)


def tenths(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Temperatures as a station writes them."""
    return np.round(rng.normal(61.3, 14, rows), 1)


def test_conversions_are_what_physics_says() -> None:
    there = {one.name: one for one in CONVERSIONS}
    assert there["°C → °F"](np.array([-40.0, 0.0, 100.0])) == pytest.approx([-40, 32, 212])
    assert there["°F → °C"](np.array([212.0])) == pytest.approx([100])
    assert there["inHg → hPa"](np.array([29.9213])) == pytest.approx([1013.25], abs=0.01)  # a standard atmosphere
    assert there["m/s → knots"](np.array([10.0])) == pytest.approx([19.4384], abs=1e-4)
    assert there["knots → mph"](np.array([100.0])) == pytest.approx([115.078], abs=1e-3)
    assert there["kg → lb"](np.array([1.0])) == pytest.approx([2.20462], abs=1e-5)
    assert len({one.name for one in CONVERSIONS}) == len({(one.slope, one.offset) for one in CONVERSIONS})


def test_a_conversion_says_what_it_does() -> None:
    there = {one.name: one for one in CONVERSIONS}
    assert there["°F → °C"].formula == "(x − 32) / 1.8"
    assert there["°C → °F"].formula == "1.8 x + 32"
    assert there["°C → °F"].inverse(np.array([212.0])) == pytest.approx([100])


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda one: one.name)
@pytest.mark.parametrize("part", [1.0, 0.3])
def test_a_column_whose_values_recur_tells_every_conversion(conversion, part: float) -> None:
    """Of a part of the rows too: the bug came in the middle of the week, or at one of three airports."""
    rng = np.random.default_rng(1)
    before, now = tenths(rng, 10_000), tenths(rng, 3_000)
    planted = np.where(rng.random(3_000) < part, conversion(now), now)
    found = unit_change(Sides("temp", before, planted.astype(np.float32).astype(float)))
    assert found is not None
    assert found.cause is Cause.PIPELINE
    assert found.measures["conversion"] == conversion.name
    assert found.measures["rows"] == pytest.approx(part, abs=0.1)
    assert unit_change(Sides("temp", before, now)) is None


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", ["°F → °C", "°C → °F", "inHg → hPa", "hours → minutes (minutes → seconds)", "kg → lb"])
def test_a_column_of_any_numbers_tells_what_no_season_gives(rows: int, name: str) -> None:
    conversion = next(one for one in CONVERSIONS if one.name == name)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        before, now = rng.normal(60, 9, rows), rng.normal(60, 9, rows)
        found = unit_change(Sides("x", before, conversion(now)))
        assert found is not None
        assert name in found.told  # where another one is as near, beside it
        assert found.measures["slope"] == pytest.approx(conversion.slope, rel=0.02)


def test_a_factor_of_sixty_is_seen_through_a_season() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.gamma(1.2, 10, 20_000), rng.gamma(1.2, 14, 6_000)
    found = unit_change(Sides("delay", before, now * 60))
    assert found is not None
    assert "nearly" in found.told
    assert unit_change(Sides("delay", before, now)) is None


DRAWS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "positive": lambda rng, n: rng.normal(5, 1, n),
    "warm": lambda rng, n: rng.normal(60, 15, n),
    "high": lambda rng, n: rng.normal(1013, 7, n),
    "waits": lambda rng, n: rng.exponential(10, n),
    "whole waits": lambda rng, n: np.round(rng.exponential(20, n)),
    "counts": lambda rng, n: rng.poisson(20, n).astype(float),
    "tenths": tenths,
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("draw", DRAWS)
def test_shifts_and_wider_seasons_are_no_unit(draw: str, rows: int) -> None:
    rng = np.random.default_rng(4)
    for by in (-10, -5, -2, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 2, 5, 10):
        before, now = DRAWS[draw](rng, rows), DRAWS[draw](rng, rows)
        assert unit_change(Sides("x", before, now + by * before.std())) is None
    for times in (0.25, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 2, 3, 4):
        before, now = DRAWS[draw](rng, rows), DRAWS[draw](rng, rows)
        assert unit_change(Sides("x", before, now.mean() + (now - now.mean()) * times)) is None
        assert sign_flip(Sides("x", before, now.mean() + (now - now.mean()) * times)) is None


def test_a_lattice_that_all_values_lie_on_proves_nothing() -> None:
    """Every number is 0.3048 of some other, if the others lie close enough."""
    rng = np.random.default_rng(5)
    before = np.arange(0, 10, 1e-5)
    assert unit_change(Sides("x", rng.permutation(before), rng.uniform(3, 10, 2_000) + 1e-6)) is None


def test_the_sign() -> None:
    rng = np.random.default_rng(6)
    before, now = rng.gamma(3, 10, 5_000), rng.gamma(3, 10, 2_000)
    found = sign_flip(Sides("seats", before, -now))
    assert found is not None
    assert (found.cause, found.test) == (Cause.PIPELINE, "sign")
    assert sign_flip(Sides("seats", -before, now)) is not None
    assert sign_flip(Sides("seats", before, now)) is None
    assert sign_flip(Sides("seats", before, now - 70)) is None  # it fell below 0, in another shape
    assert sign_flip(Sides("x", rng.normal(size=5_000), -rng.normal(size=5_000))) is None  # nothing tells


@pytest.mark.parametrize("now", [np.empty(0), np.full(500, np.nan), np.full(500, 3.0), np.array([1.0])])
def test_what_cannot_be_told_is_not_told(now: np.ndarray) -> None:
    before = np.random.default_rng(7).normal(60, 15, 1_000)
    for sides in (Sides("x", before, now), Sides("x", now, before), Sides("x", now, now)):
        assert unit_change(sides) is None
        assert sign_flip(sides) is None
