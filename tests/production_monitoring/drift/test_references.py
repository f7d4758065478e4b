"""A window is held against rows before it, of its own season where that is asked for."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.production_monitoring.drift.profile_drift import beyond_chance, drift
from mlsys_assets.production_monitoring.drift.references import Cumulative, SameSeason, Sliding, without
from mlsys_assets.types import TimeWindow, days, hours, utc

START = utc("2013-01-07")  # a Monday
MONDAY, SATURDAY = 0, 5
EVERY_DAY = 300
LENGTH = 98
YESTERDAY, LAST_WEEKS, SEASON, ALL = Sliding(over=days(1)), Sliding(over=days(28)), SameSeason(days(7)), Cumulative()


def day(k: int) -> TimeWindow:
    return TimeWindow(START + days(k), START + days(k + 1))


def alarms(x: np.ndarray, reference, *, first: int = 28) -> list[int]:
    """Days whose column has moved, as each day of (LENGTH * EVERY_DAY,) values is held against its reference."""
    at = np.datetime64("2013-01-07", "us") + np.repeat(np.arange(LENGTH), EVERY_DAY) * np.timedelta64(1, "D")
    table, found = pa.table({"x": x}), []
    for k in range(first, LENGTH):
        times = reference.times(day(k), earliest=START)
        assert not times.untold
        before, now = (table.filter(pa.array(rows)) for rows in (times.within(at), at == at[k * EVERY_DAY]))
        if beyond_chance(drift(profile(before), now))["x"] >= LARGE:
            found.append(k)
    return found


def world(*, weekly: float = 0.0, trend: float = 0.0, step: float = 0.0) -> np.ndarray:
    """A column whose weekends lie higher, that creeps by day, and that moves for good on day 80."""
    k = np.arange(LENGTH)
    mean = weekly * (k % 7 >= SATURDAY) + trend * k + step * (k >= 80)
    return np.repeat(mean, EVERY_DAY) + np.random.default_rng(0).normal(size=LENGTH * EVERY_DAY)


def test_a_weekly_pattern_alarms_on_mondays_against_yesterday_and_never_against_its_season() -> None:
    x = world(weekly=1.5)
    assert {k % 7 for k in alarms(x, YESTERDAY)} == {MONDAY, SATURDAY}
    assert len(alarms(x, YESTERDAY)) == 2 * (LENGTH - 28) / 7
    assert alarms(x, SEASON) == []


def test_a_real_change_is_found_by_the_same_season_on_its_first_day_and_those_after() -> None:
    found = alarms(world(weekly=1.5, step=1.0), SEASON)
    assert found[:7] == list(range(80, 87))


def test_a_slow_trend_is_seen_by_all_that_came_before_and_not_by_the_weeks_before() -> None:
    x = world(trend=0.02)
    assert alarms(x, LAST_WEEKS) == []
    assert alarms(x, ALL)[-20:] == list(range(LENGTH - 20, LENGTH))


def test_the_same_time_a_year_before_with_days_around_it() -> None:
    window = TimeWindow.of("2014-03-03", "2014-03-10")
    (found,) = SameSeason(days(364), width=days(3)).times(window, earliest=utc("2013-01-01")).windows
    assert found == TimeWindow.of("2013-03-01", "2013-03-14")
    assert found.start + days(3) == window.start - days(364)
    assert (window.start - days(364)).weekday() == window.start.weekday()


def test_the_seasons_there_are_are_taken_and_one_that_is_cut_is_not() -> None:
    window = day(28)
    found = SameSeason(days(7), seasons=9).times(window, earliest=START + hours(1))
    assert [w.start for w in found.windows] == [START + days(k) for k in (7, 14, 21)]
    assert len(SameSeason(days(7), seasons=2).times(window, earliest=START).windows) == 2


def test_a_window_longer_than_a_season_is_held_against_as_many_before_it() -> None:
    window = TimeWindow.of("2013-03-01", "2013-03-21")
    assert SameSeason(days(7), seasons=1).times(window, earliest=START).windows == (
        TimeWindow.of("2013-02-08", "2013-02-28"),
    )


def test_where_there_is_no_reference_it_says_why() -> None:
    window = TimeWindow.of("2013-02-01", "2013-02-08")
    early = utc("2013-01-30")
    assert SameSeason(days(364)).times(window, earliest=early).untold == (
        "no season before: 2012-02-03 00:00 was needed, the earliest row is of 2013-01-30 00:00"
    )
    for reference, needed in ((LAST_WEEKS, 28), (ALL, 7)):
        found = reference.times(window, earliest=early)
        assert found.windows == ()
        assert found.untold == f"2 days, 0:00:00 of rows before 2013-02-01 00:00, {needed} days, 0:00:00 needed"
    assert Cumulative().times(window, earliest=utc("2013-03-01")).untold.startswith("0:00:00 of rows before")
    young = LAST_WEEKS.times(window, earliest=utc("2013-01-20"))
    assert young.windows == ()
    assert LAST_WEEKS.times(window, earliest=utc("2013-01-04")).windows == (TimeWindow.of("2013-01-04", "2013-02-01"),)


def test_a_gap_is_left_out() -> None:
    window = TimeWindow.of("2013-03-01", "2013-03-08")
    assert Sliding(days(7), gap=days(2)).times(window, earliest=START).windows == (
        TimeWindow.of("2013-02-20", "2013-02-27"),
    )
    assert Cumulative(gap=days(2)).times(window, earliest=START).windows == (TimeWindow(START, utc("2013-02-27")),)


lengths = st.integers(1, 90).map(days)
references = st.one_of(
    st.builds(Sliding, lengths, gap=st.integers(0, 9).map(days)),
    st.builds(Cumulative, gap=st.integers(0, 9).map(days)),
    st.builds(SameSeason, lengths, width=st.integers(0, 9).map(days), seasons=st.integers(1, 5)),
)


@given(references, st.integers(0, 400), st.integers(1, 40))
def test_no_reference_reaches_into_the_window_or_before_the_first_row(reference, start: int, length: int) -> None:
    window = TimeWindow(START + days(start), START + days(start + length))
    found = reference.times(window, earliest=START)
    assert bool(found.windows) != bool(found.untold)
    last = START
    for one in found.windows:
        assert last <= one.start < one.end <= window.start
        last = one.end + timedelta(microseconds=1)  # windows lie apart: no row counts twice
    at = np.datetime64("2013-01-07", "us") + np.arange(0, start + length) * np.timedelta64(1, "D")
    expected = [any(START + days(k) in one for one in found.windows) for k in range(len(at))]
    assert found.within(at).tolist() == expected


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (Sliding(days(0)), "a sliding reference: over must be longer than nothing"),
        (Sliding(28), "a sliding reference: over is 28; it must be a duration, such as hours(3)"),
        (Sliding(days(28), gap=days(-1)), "gap must not be negative"),
        (Cumulative(gap=days(-1)), "gap must not be negative"),
        (SameSeason(days(-7)), "period must be longer than nothing"),
        (SameSeason(days(7), seasons=0), "seasons is 0; it must be a whole number, at least 1"),
        (SameSeason(days(7), width=days(4)), "covers a whole period"),
    ],
)
def test_mistakes_are_told(reference, told: str) -> None:
    (mistake,) = reference.mistakes()
    assert told in mistake


@pytest.mark.parametrize("reference", [YESTERDAY, LAST_WEEKS, SEASON, SameSeason(days(364), width=days(7)), ALL])
def test_what_is_sound_has_none(reference) -> None:
    assert reference.mistakes() == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4))
def test_what_is_left_of_a_window_is_what_no_other_covers(taken: list[tuple[int, int]]) -> None:
    start = utc("2013-01-01")
    others = [TimeWindow(start + hours(min(pair)), start + hours(max(pair))) for pair in taken]
    left = without([TimeWindow(start + hours(5), start + hours(15))], others)
    for n in range(21):
        at = start + hours(n)
        assert any(at in one for one in left) is (5 <= n < 15 and not any(at in other for other in others))
    assert all(one.length > days(0) for one in left)
