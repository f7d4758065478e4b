"""What is due follows from the calendar and the decisions, one tick after the other."""

from hypothesis import given, strategies as st

from mlsys_assets.retraining.timetable import first_as_of, next_due
from mlsys_assets.types import Daily, TimeWindow, Weekly, days, hours, utc

CALENDAR = Weekly("2012-12-31", end="2014-01-06")
FIRST = utc("2013-07-01")


def test_all_before_the_first_decision_is_brought_in_at_once() -> None:
    due = next_due(CALENDAR, first=FIRST, decided=None)
    assert (due.window, due.as_of) == (TimeWindow.of("2012-12-31", "2013-07-01"), FIRST)


def test_then_one_tick_follows_another_until_the_calendar_ends() -> None:
    decided, found = FIRST, []
    while (due := next_due(CALENDAR, first=FIRST, decided=decided)) is not None:
        assert due.window.start == decided
        found.append(due.as_of)
        decided = due.as_of
    assert len(found) == 27
    assert found[-1] == CALENDAR.end


def test_a_first_decision_has_a_tick_before_it() -> None:
    assert first_as_of(CALENDAR, utc("2013-07-04")) == FIRST
    assert first_as_of(CALENDAR, utc("2013-01-01")) == utc("2013-01-07")
    assert first_as_of(CALENDAR, utc("1999-01-01")) == utc("2013-01-07")


@given(st.integers(1, 2000), st.integers(0, 23))
def test_it_equals_counting_days(day, hour) -> None:
    calendar = Daily("2013-01-01")
    at = calendar.start + days(day) + hours(hour)
    assert first_as_of(calendar, at) == calendar.start + days(day)
    due = next_due(calendar, first=calendar.start + days(1), decided=calendar.start + days(day))
    assert due.window == TimeWindow(calendar.start + days(day), calendar.start + days(day + 1))
