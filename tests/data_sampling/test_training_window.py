"""Each window against its rule, written the long way round for one row."""

from calendar import isleap
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.data_sampling.training_window import (
    EXPANDING,
    Expanding,
    Known,
    SeasonMatched,
    SinceChange,
    SlidingWindow,
    TrainingWindow,
    chosen_rows,
)
from mlsys_assets.types import days, hours, utc

moments = st.datetimes(
    datetime(2009, 1, 1), datetime(2017, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001 - the strategy adds the zone
).map(lambda at: at.replace(microsecond=0))  # fmt: skip
lengths = st.integers(1, 2_000).map(days)
windows = st.one_of(
    st.just(Expanding()),
    st.builds(SlidingWindow, lengths),
    st.builds(SeasonMatched, st.integers(1, 180).map(days), st.integers(0, 100).map(days)),
    st.builds(SinceChange, at_least=lengths),
    st.builds(lambda least, more: SinceChange(at_least=least, most=least + more), lengths, lengths),
)
knowns = st.builds(Known, moments, st.lists(moments, max_size=3).map(lambda found: tuple(sorted(found))))


def of(window: TrainingWindow, times: list[datetime], known: Known) -> list[bool]:
    return chosen_rows(window, np.array([moment(at) for at in times], "datetime64[us]"), known).tolist()


def same_day(when: datetime, year: int) -> datetime:
    if (when.month, when.day) == (2, 29) and not isleap(year):
        return when.replace(year=year, day=28)
    return when.replace(year=year)


def by_hand(window: TrainingWindow, at: datetime, known: Known) -> bool:
    if at >= known.as_of:
        return False
    age = known.as_of - at
    match window:
        case SlidingWindow():
            return age <= window.length
        case SeasonMatched():
            near = min(abs(at - same_day(known.as_of, year)) for year in range(2000, 2030))
            return age <= window.last or near <= window.within
        case SinceChange():
            if window.most is not None and age > window.most:
                return False
            return not known.changes or age <= window.at_least or at >= known.changes[-1]
    return True


@given(windows, st.lists(moments, max_size=30), knowns)
@example(SlidingWindow(days(7)), [utc("2013-01-01"), utc("2013-01-08")], Known(utc("2013-01-08")))
@example(SeasonMatched(days(10), days(0)), [utc("2012-02-29"), utc("2015-03-09")], Known(utc("2016-02-29")))
def test_a_window_chooses_by_its_rule(window, times, known):
    assert of(window, times, known) == [by_hand(window, at, known) for at in times]


@given(windows, st.lists(moments, min_size=1, max_size=30), knowns, st.integers(1, 29))
def test_a_row_is_judged_by_its_own_time_and_none_is_chosen_from_the_end_on(window, times, known, few):
    found = of(window, times, known)
    assert found[:few] == of(window, times[:few], known)
    assert not any(chosen for at, chosen in zip(times, found, strict=True) if at >= known.as_of)


@given(lengths, lengths, st.lists(moments, max_size=30), knowns)
def test_a_longer_window_holds_the_shorter(length, more, times, known):
    pairs = [
        (SlidingWindow(length), SlidingWindow(length + more)),
        (SinceChange(length), SinceChange(length + more)),
        (SinceChange(days(1), most=length + days(1)), SinceChange(days(1), most=length + more + days(1))),
        (SeasonMatched(days(9), length), SeasonMatched(days(99), length + more)),
        (SlidingWindow(length), EXPANDING),
    ]
    for shorter, longer in pairs:
        assert all(b or not a for a, b in zip(of(shorter, times, known), of(longer, times, known), strict=True))


@given(windows, st.lists(moments, max_size=20), knowns, st.integers(-12, 14))
def test_the_zone_in_which_a_time_is_told_does_not_matter(window, times, known, offset):
    zone = timezone(timedelta(hours=offset))
    elsewhere = Known(known.as_of.astimezone(zone), tuple(at.astimezone(zone) for at in known.changes))
    assert of(window, times, known) == of(window, times, elsewhere)


def test_the_season_wraps_over_the_turn_of_the_year_and_over_leap_days():
    window = SeasonMatched(within=days(5), last=days(0))
    hourly = [utc("2010-01-01") + hours(h) for h in range(6 * 366 * 24)]
    for as_of in (utc("2016-01-02"), utc("2015-12-30"), utc("2016-02-29"), utc("2016-03-01")):
        found = [at for at, chosen in zip(hourly, of(window, hourly, Known(as_of)), strict=True) if chosen]
        for year in (2011, 2012, 2013, 2014):
            middle = same_day(as_of, year)
            mine = [at for at in found if abs(at - middle) < days(100)]
            assert (mine[0], mine[-1], len(mine)) == (middle - days(5), middle + days(5), 241), (as_of, year)
        assert len(found) >= 4 * 241


def test_a_season_without_a_year_before_is_the_latest_rows():
    year = [utc("2013-01-01") + days(d) for d in range(250)]
    known = Known(utc("2013-09-08"))
    assert of(SeasonMatched(days(45), days(28)), year, known) == of(SlidingWindow(days(45)), year, known)


def test_since_a_change_reaches_back_at_least_so_far_and_at_most_so_far():
    year = [utc("2013-01-01") + days(d) for d in range(200)]

    def first(window: SinceChange, *changes: str, as_of: str = "2013-07-01") -> str:
        found = of(window, year, Known(utc(as_of), tuple(map(utc, changes))))
        return f"{year[found.index(True)]:%m-%d}"

    assert first(SinceChange(days(28))) == "01-01"
    assert first(SinceChange(days(28)), "2013-02-01", "2013-05-01") == "05-01"
    assert first(SinceChange(days(28)), "2013-06-20") == "06-03"
    assert first(SinceChange(days(28)), "2013-06-20", as_of="2013-06-01") == "05-04"  # dated later than the train part
    assert first(SinceChange(days(28), most=days(90)), "2013-02-01") == "04-02"
    assert first(SinceChange(days(28), most=days(90))) == "04-02"


def test_each_is_told_in_words():
    said = [
        str(w)
        for w in (
            Expanding(), SlidingWindow(days(63)), SeasonMatched(days(45), days(28)), SeasonMatched(days(1), days(0)),
            SinceChange(hours(36)), SinceChange(days(28), most=days(90)),
        )
    ]  # fmt: skip
    assert said == [
        "all that is known",
        "the last 63 days",
        "what lies within 45 days of its time of year, and the last 28 days",
        "what lies within 1 day of its time of year",
        "what came since the last change that a diagnosis dates, at least 1.5 days",
        "what came since the last change that a diagnosis dates, at least 28 days, at most 90 days",
    ]


@pytest.mark.parametrize(
    ("window", "mistake"),
    [
        (SlidingWindow(days(0)), "the sliding window: length must be longer than nothing"),
        (SlidingWindow(63), "the sliding window: length is 63; it must be a duration, such as hours(3)"),
        (SeasonMatched(days(182)), "within must be less than 182 days, half a year, got 182 days"),
        (SeasonMatched("summer"), "the season-matched window: within is 'summer'; it must be a duration"),
        (SeasonMatched(last=days(-1)), "the season-matched window: last must not be negative"),
        (SinceChange(days(0)), "the window since a change: at_least must be longer than nothing"),
        (SinceChange(days(28), most=days(27)), "most is 27 days, less than at_least, 28 days"),
        (SinceChange(days(28), most=27), "the window since a change: most is 27; it must be a duration"),
        (SinceChange(None, most=days(27)), "the window since a change: at_least is None; it must be a duration"),
    ],
)
def test_what_is_wrong_is_said(window, mistake):
    (found,) = window.mistakes()
    assert mistake in found


@pytest.mark.parametrize(
    "window", [Expanding(), SlidingWindow(days(1)), SeasonMatched(), SeasonMatched(last=days(0)), SinceChange()]
)
def test_a_sound_one_has_no_mistakes_and_is_a_window(window):
    assert window.mistakes() == []
    assert isinstance(window, TrainingWindow)
    assert of(window, [], Known(utc("2013-01-01"))) == []


class Wrong(Expanding):
    """A window of a user's own that answers otherwise than it must."""

    def __init__(self, answer: object) -> None:
        object.__setattr__(self, "answer", answer)

    def chosen(self, at, known):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "chose by NoneType; give an array of 2 booleans"),
        (np.ones(2), "chose by float64 of shape \\(2,\\)"),
        (np.ones(3, dtype=bool), "chose by bool of shape \\(3,\\)"),
        (np.ones(2, dtype=bool), "chose 1 rows from 2013-01-02 00:00 on"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer, told):
    with pytest.raises(ValueError, match=told):
        of(Wrong(answer), [utc("2013-01-01"), utc("2013-01-02")], Known(utc("2013-01-02")))
