"""Missing values, constants and stand-ins: far more than usual is a bug, and what is usual is none."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.pipeline.sides import Sides
from mlsys_assets.production_monitoring.pipeline.values import gone_constant, missing_storm, spike


def normal(rows: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 9, rows)


def lost(values: np.ndarray, share: float, *, value: float = np.nan, seed: int = 1) -> np.ndarray:
    """Values of which a share is another one."""
    return np.where(np.random.default_rng(seed).random(len(values)) < share, value, values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_storm_of_missing_values(share: float, value: float) -> None:
    found = missing_storm(Sides("x", normal(5_000), lost(normal(1_500), share, value=value)))
    assert found is not None
    assert found.measures["share"] == pytest.approx(share, abs=0.03)
    assert found.measures["infinite"] == pytest.approx(share if np.isinf(value) else 0.0, abs=0.03)
    assert found.size == pytest.approx(2 * np.arcsin(np.sqrt(found.measures["share"])))  # Cohen's h from none


def test_values_that_no_longer_miss_are_a_storm_too() -> None:
    assert missing_storm(Sides("x", lost(normal(6_000), 0.8), normal(1_500))) is not None


def test_what_some_stretch_before_had_is_usual() -> None:
    before = normal(6_000)
    before[1_500:3_000] = lost(before[1_500:3_000], 0.4)
    now = lost(normal(1_500), 0.4, seed=2)
    assert missing_storm(Sides("x", before, now)) is None
    assert missing_storm(Sides("x", lost(normal(6_000), 0.1), now)) is not None  # the same share, spread evenly


def test_a_few_rows_miss_by_chance() -> None:
    assert missing_storm(Sides("x", lost(normal(5_000), 0.3), lost(normal(31), 0.6, seed=5))) is None


def test_a_column_gone_constant() -> None:
    found = gone_constant(Sides("x", normal(5_000), np.full(1_500, 50.0)))
    assert found is not None
    assert found.measures["value"] == 50
    rare = (np.random.default_rng(1).random(5_000) < 0.01).astype(float)
    assert gone_constant(Sides("x", rare, np.zeros(200))) is None  # chance does it once in seven times
    assert gone_constant(Sides("x", rare, np.zeros(5_000))) is not None
    assert gone_constant(Sides("x", np.ones(5_000), np.zeros(1_500))) is None  # it never varied


def test_a_dry_week_is_no_constant() -> None:
    rain = np.zeros(7_000)
    rain[500:900] = rain[3_000:3_500] = normal(400)[0]  # two days of 28
    assert gone_constant(Sides("rain", rain, np.zeros(1_750))) is None


@pytest.mark.parametrize(("value", "share"), [(-999.0, 0.02), (9999.0, 0.02), (0.0, 0.02), (77.7, 0.3), (1e30, 0.07)])
def test_a_stand_in_is_a_spike(value: float, share: float) -> None:
    found = spike(Sides("x", normal(5_000), lost(normal(1_500), share, value=value)))
    assert found is not None
    assert found.measures["value"] == value
    assert found.size == pytest.approx(share, abs=0.02)


def visibility(rows: int, *, least: float, seed: int = 0) -> np.ndarray:
    """Miles, mostly ten: in steps down to an eighth and less."""
    steps = np.array([0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
    found = np.random.default_rng(seed).choice(steps, rows, p=[0.002, 0.006, 0.01, 0.03, 0.06, 0.1, 0.792])
    return np.maximum(found, least)


@pytest.mark.parametrize("least", [0.12, 0.25, 0.5])
def test_what_lies_next_to_all_that_was_is_weather(least: float) -> None:
    before, now = visibility(20_000, least=least), visibility(6_500, least=least, seed=1)
    assert spike(Sides("visibility", before, lost(now, 0.015, value=0.0))) is None  # fog
    for value in (-1.0, -9.0, 99.0, -999.0):
        assert spike(Sides("visibility", before, lost(now, 0.015, value=value))) is not None
    assert spike(Sides("visibility", before, lost(now, 0.08, value=0.0))) is not None  # no fog lasts for so long


def test_fog_is_weather_where_an_eighth_of_a_mile_is_no_rarity() -> None:
    before = lost(visibility(20_000, least=0.12), 0.03, value=0.12)
    assert spike(Sides("visibility", before, lost(visibility(6_500, least=0.12), 0.015, value=0.0))) is None


def test_a_number_below_all_that_was_is_weather_where_others_came_down_with_it() -> None:
    before, cold = np.round(normal(5_000) - 18), np.round(normal(1_500, seed=3) - 62)
    frozen = lost(before[:1_500], 0.02, value=-1.0)
    assert spike(Sides("degrees", before[before > 0], cold)) is None
    assert spike(Sides("degrees", before[before > 12], frozen[(frozen > 12) | (frozen == -1)])) is not None


@pytest.mark.parametrize("least", [0.0, 2.0])
def test_minus_one_where_nothing_was_below_zero(least: float) -> None:
    counts = np.random.default_rng(0).poisson(12, 20_000) * 1.0 + least
    counts[:400] = least
    now = np.random.default_rng(1).poisson(12, 6_500) * 1.0 + least
    assert spike(Sides("counts", counts, lost(now, 0.01, value=-1.0))) is not None


def test_a_value_that_was_there_before_is_no_spike() -> None:
    assert spike(Sides("x", lost(normal(5_000), 0.02, value=0), lost(normal(1_500), 0.1, value=0))) is None
    assert spike(Sides("x", normal(5_000), normal(1_500, seed=3))) is None
    assert spike(Sides("x", normal(5_000), lost(normal(1_500), 0.1, value=77.7))) is None  # an hour's weather


def test_new_values_that_come_in_numbers_are_usual_where_they_always_do() -> None:
    """A mean of the week before, the same in every row of a day."""
    days = np.repeat(normal(35), 200)
    assert spike(Sides("x", days[:5_600], np.repeat(normal(4, seed=9), 350))) is None
    assert spike(Sides("x", normal(5_600), np.repeat(normal(4, seed=9), 350))) is not None


@pytest.mark.parametrize("now", [np.empty(0), np.full(500, np.nan), np.full(500, 3.0), np.array([1.0])])
def test_what_cannot_be_told_is_not_told(now: np.ndarray) -> None:
    for sides in (Sides("x", now, now), Sides("x", now, normal(500))):
        assert gone_constant(sides) is None
        assert spike(sides) is None or len(now) == 500
    assert missing_storm(Sides("x", now[:1], normal(500))) is None
