"""The translation to Dagster: which ticks and which as-ofs there are."""

from dataclasses import dataclass

import pytest

from mlsys_assets import Calendar, Daily, Hourly, Weekly, utc
from mlsys_assets.dagster_adapter import as_ofs, partitions

NOW = utc("2013-07-10T12:30")


@dataclass(frozen=True)
class System:
    calendar: Calendar


@pytest.mark.parametrize(
    "calendar",
    [
        make(start, end=end)
        for make, start in ((Weekly, "2013-07-02"), (Daily, "2013-07-02"), (Hourly, "2013-07-10"))
        for end in (None, "2013-07-30")
    ],
)
def test_a_tick_is_there_once_it_has_ended_and_an_as_of_once_it_has_come(calendar: Calendar) -> None:
    """What a decision as of now is named by is the tick that begins now."""
    system, under_way = System(calendar), calendar.tick_of(NOW).start
    ticks, decisions = (made(system).get_partition_keys(current_time=NOW) for made in (partitions, as_ofs))
    assert calendar.key(under_way) not in ticks
    assert decisions == [*ticks, calendar.key(under_way)]


@pytest.mark.parametrize("make", [Weekly, Daily, Hourly])
def test_all_that_there_ever_was_can_be_decided_on(make) -> None:
    calendar = make("2013-05-01", end="2013-06-05")
    ticks, decisions = (made(System(calendar)).get_partition_keys(current_time=NOW) for made in (partitions, as_ofs))
    assert calendar.key(calendar.end) not in ticks
    assert decisions == [*ticks, calendar.key(calendar.end)]
