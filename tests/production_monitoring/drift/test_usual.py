"""What is usual is told by the windows before: quiet ones alarm as rarely as stated, and shifts are found."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import chi2, median_abs_deviation, norm, t as student

from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.drift.rolling_null import Law, RollingNull
from mlsys_assets.production_monitoring.drift.usual import APART, RATE, Judged, Usual

USUAL = Usual()


def quiet(seed: int, windows: int, m: int, *, persistent: float = 0.5, season: float = 0.5, common: float = 0.3):
    """(windows, m) distances of a system in which nothing happens: they hang together by week and by season."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(windows + 20, m + 1))
    for i in range(1, len(drawn)):
        drawn[i] = persistent * drawn[i - 1] + np.sqrt(1 - persistent**2) * drawn[i]
    x = np.sqrt(common) * drawn[20:, :1] + np.sqrt(1 - common) * drawn[20:, 1:]
    wave = season * np.sin(2 * np.pi * (np.arange(windows) / 52 + rng.random()))
    scale = np.exp(rng.normal(size=m))
    return chi2.ppf(norm.cdf(x), 6) / 6 * np.exp(wave)[:, None] * scale


def judged(distances: np.ndarray, usual: Usual = USUAL, **least) -> Judged:
    """The last of (k + 1, m) windows against the others."""
    *past, now = distances
    names = [f"c{j}" for j in range(distances.shape[1])]
    return usual.judged(dict(zip(names, np.array(past).T, strict=True)), dict(zip(names, now, strict=True)), **least)


def rate(windows: int, m: int, *, n: int, **how) -> tuple[float, float]:
    """Shares of quiet windows with an alarm by a single statistic, and by all together."""
    found = [judged(quiet(seed, windows + 1, m, **how)) for seed in range(n)]
    return np.mean([bool(one.unusual) for one in found]), np.mean([one.together.unusual for one in found])


@pytest.mark.parametrize("windows", [26, 52])
@pytest.mark.parametrize("m", [1, 10, 40])
def test_quiet_windows_alarm_as_rarely_as_stated(windows: int, m: int) -> None:
    """In 150 windows 3 are expected of either; more than 9 come in fewer than 1 of 1,000 tries."""
    single, together = rate(windows, m, n=150)
    assert single <= 9 / 150
    assert together <= 9 / 150


@pytest.mark.prove
@pytest.mark.parametrize("windows", [26, 52])
@pytest.mark.parametrize("m", [1, 10, 87])
@pytest.mark.parametrize("season", [0.0, 0.5])
def test_quiet_windows_alarm_as_rarely_as_stated_in_many_worlds(windows: int, m: int, season: float) -> None:
    """With half a year of a season known, its other half may look unusual: at most twice as often as stated."""
    single, together = rate(windows, m, n=1_000, season=season)
    allowed = 2.0 if season and windows < 52 else 1.3
    assert single <= allowed * RATE + 0.007
    assert together <= allowed * RATE + 0.007


def power(windows: int, m: int, times: float, *, columns: int, n: int = 100) -> tuple[float, float]:
    """Shares of windows in which a shift of some columns by so much more than usual is found; PSI is its square."""
    single, together = 0, 0
    for seed in range(n):
        distances = quiet(seed, windows + 1, m)
        distances[-1, :columns] *= times**2
        found = judged(distances)
        single += any(int(one.name[1:]) < columns for one in found.unusual)
        together += found.together.unusual
    return single / n, together / n


def test_a_shift_that_triples_is_found_and_the_more_the_longer_the_history() -> None:
    assert power(52, 1, 3.0, columns=1)[0] > 0.7
    assert power(52, 1, 2.0, columns=1)[0] > 0.35
    assert power(52, 10, 3.0, columns=1)[0] > 0.4
    assert power(26, 10, 3.0, columns=1)[0] > 0.3
    assert power(26, 10, 5.0, columns=1)[0] > 0.6


def test_many_columns_that_move_together_are_found_where_a_single_one_is_not() -> None:
    single, together = power(52, 40, 1.7, columns=40, n=60)
    assert together > single + 0.1
    assert together > 0.5


def test_past_incidents_do_not_blind_it() -> None:
    distances = quiet(3, 53, 10)
    bad = distances.copy()
    bad[[5, 6, 7, 20, 30, 31, 32, 45]] *= 1_000
    calm, wise = ({one.name: one.limit for one in judged(d).statistics} for d in (distances, bad))
    assert all(wise[name] < 6 * calm[name] for name in calm)
    bad[-1, 0] *= 200
    assert "c0" in [one.name for one in judged(bad).unusual]


@given(st.integers(0, 50), st.floats(1e-6, 1e6))
def test_the_unit_of_a_distance_changes_nothing(seed: int, unit: float) -> None:
    distances = quiet(seed, 27, 5)
    distances[-1, 2] *= 30
    first, second = judged(distances), judged(distances * unit)
    assert [one.name for one in first.statistics] == [one.name for one in second.statistics]
    for one, other in zip(first.statistics, second.statistics, strict=True):
        assert other.chance == pytest.approx(one.chance, rel=1e-6)
        assert other.limit == pytest.approx(one.limit * unit, rel=1e-6)


def test_a_larger_distance_is_never_more_usual_and_its_limit_is_where_the_chance_is_the_rate() -> None:
    distances = quiet(1, 53, 8)
    chances = []
    for times in (0.1, 1, 3, 10, 100):
        now = distances.copy()
        now[-1, 0] = distances[:-1, 0].max() * times
        chances.append({one.name: one for one in judged(now).statistics}["c0"].chance)
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] < 0.001
    limit = {one.name: one.limit for one in judged(distances).statistics}["c0"]
    distances[-1, 0] = limit
    found = {one.name: one for one in judged(distances).statistics}["c0"]
    assert found.chance == pytest.approx(RATE)
    assert not found.unusual


@pytest.mark.parametrize("m", [1, 2])
def test_the_null_is_median_and_deviation_of_all_others(m: int) -> None:
    logs = np.log(quiet(5, 20, m)).T * np.array([[1.0], [1_000.0]])[:m]  # so unlike that they are not drawn together
    null = RollingNull.of(logs, RATE)
    np.testing.assert_allclose(null.center, np.median(logs, axis=1))
    np.testing.assert_allclose(null.spread, median_abs_deviation(logs, axis=1) * 1.4826, rtol=0.03)
    others = np.delete(logs, 7, axis=1)
    expected = (logs[:, 7] - np.median(others, axis=1)) / (1.4826 * median_abs_deviation(others, axis=1))
    np.testing.assert_allclose(null.past[:, 7], expected, rtol=0.03)


def test_spreads_that_differ_as_chance_makes_them_are_taken_for_one() -> None:
    rng = np.random.default_rng(1)
    alike = RollingNull.of(rng.normal(size=(80, 26)), RATE).spread
    assert np.ptp(np.log(alike)) < 0.4 * np.ptp(np.log(median_abs_deviation(rng.normal(size=(80, 26)), axis=1)))
    assert alike.mean() == pytest.approx(1.0, abs=0.1)
    apart = RollingNull.of(rng.normal(size=(80, 26)) * np.repeat([1.0, 4.0], 40)[:, None], RATE).spread
    assert apart[40:].mean() / apart[:40].mean() == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("m", [1, 30])
def test_the_law_is_that_of_the_largest_of_many(m: int) -> None:
    law = Law(0.0, 1.0, 9.0, m)
    drawn = student.rvs(9, size=(40_000, m), random_state=1).max(axis=1)
    middle = np.median(drawn)
    for p in (0.75, 0.95, 0.99):
        assert law.quantile(p) == pytest.approx(np.quantile(drawn, p) - middle, abs=0.12)
        assert law.above(np.array([law.quantile(p)]))[0] == pytest.approx(1 - p)
    normal = np.random.default_rng(2).normal(size=(2_000, m)).max(axis=1)  # as t is with so many degrees
    found = Law.of(3 + 2 * normal, m)
    assert (found.middle, found.stretch) == (pytest.approx(3 + 2 * np.median(normal)), pytest.approx(2, rel=0.1))


def test_of_few_windows_the_next_may_lie_as_far_off_as_their_middle_is_uncertain() -> None:
    largest = np.arange(1.0, 10.0)  # quartiles 3, 5 and 7
    plain = Law(0.0, 1.0, 0.37 * 8, 1)
    stretch = 4 / (plain.quantile(0.75) - plain.quantile(0.25)) * np.sqrt(1 + 1 / 9)
    assert Law.of(largest, 1).stretch == pytest.approx(stretch)


def test_few_windows_tell_nothing_and_say_so() -> None:
    found = judged(quiet(1, 8, 3))
    assert found.statistics == ()
    assert found.together is None
    assert found.untold == {f"c{j}": "7 windows before, 12 needed" for j in range(3)}
    assert found.symptoms("psi") == ()


def test_what_is_missing_is_told_by_name_and_the_others_are_judged() -> None:
    past = dict(zip("abcd", quiet(1, 30, 4).T, strict=True))
    past["b"] = past["b"][-5:]
    past["c"] = np.where(np.arange(30) < 20, np.nan, past["c"])
    past["d"][3] = np.nan
    now = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "new": 1.0, "nan": np.nan}
    found = USUAL.judged(past | {"nan": past["a"]}, now)
    assert {one.name: one.windows for one in found.statistics} == {"a": 30, "d": 29}
    assert found.untold == {
        "b": "5 windows before, 12 needed",
        "c": "10 windows before, 12 needed",
        "new": "0 windows before, 12 needed",
        "nan": "no distance now, but nan",
    }


def test_a_younger_column_is_set_beside_the_newest_windows() -> None:
    distances = quiet(1, 30, 2)
    whole = {"a": distances[:, 0], "b": np.where(np.arange(30) < 15, np.nan, distances[:, 1])}
    young = whole | {"b": distances[15:, 1]}
    now = {"a": 1.0, "b": 1.0}
    assert USUAL.judged(whole, now) == USUAL.judged(young, now)


def test_a_column_that_never_moved_is_unusual_when_it_does_unless_that_does_not_count() -> None:
    distances = np.zeros((30, 1))
    assert judged(distances).unusual == ()
    distances[-1] = 0.3
    assert [one.name for one in judged(distances, least=0.1).unusual] == ["c0"]
    assert judged(distances, least=0.4).unusual == ()
    assert judged(np.full((30, 2), 0.2)).unusual == ()
    assert judged(np.full((30, 2), -0.2)).unusual == ()


def test_what_has_nothing_in_common_is_unusual_however_far_a_wild_column_went_before() -> None:
    """A distance that cannot grow without end would else have a limit beyond its reach."""
    wild = np.random.default_rng(1).lognormal(0.0, 1.4, size=(31, 4))
    wild[-1] = [8.0, 1.0, 1.0, 5.0]
    assert judged(wild).unusual == ()
    (found,) = judged(wild, most=APART).unusual
    assert (found.name, found.limit) == ("c0", APART)


def test_only_the_last_windows_count() -> None:
    distances = quiet(1, 90, 3)
    distances[:30] *= 1e6
    assert judged(distances, replace(USUAL, most_windows=40)) == judged(distances[-41:])
    distances[-50:-1, 0] = np.nan
    assert judged(distances, replace(USUAL, most_windows=40)).untold == {"c0": "0 windows before, 12 needed"}


def test_symptoms_name_the_worst_first_with_their_numbers() -> None:
    distances = quiet(2, 53, 8)
    distances[-1, 3], distances[-1, 5] = distances[:, 3].max() * 40, distances[:, 5].max() * 400
    found = judged(distances).symptoms("psi")
    assert [one.where for one in found][:2] == ["c5", "c3"]
    assert found[0].cause == Cause.COVARIATE
    assert found[0].size == distances[-1, 5] > found[0].limit
    assert "the median of 52 windows before" in found[0].told
    distances[-1] = distances[:-1].max(axis=0) * 40
    last = judged(distances).symptoms("psi", where="all features")[-1]
    assert (last.test, last.where, last.size) == ("share unusual by psi", "all features", 1.0)
    assert "100% of 8 are at once farther above their own past, by psi, than 25% ever are" in last.told


def test_mistakes_are_told() -> None:
    assert USUAL.mistakes() == []
    wrong = Usual(rate=0.0, least_windows=2, many=1.5)
    assert [m.split(";")[0] for m in wrong.mistakes()] == [
        "what is usual: rate is 0.0",
        "what is usual: least_windows is 2",
        "what is usual: many is 1.5",
    ]
    assert Usual(most_windows=8).mistakes() == ["what is usual: 8 windows count at most, and 12 are needed"]
