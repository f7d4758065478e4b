"""Scores are held against those of the same length of time before, however long a tick is."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.monitored_tick import score_shift
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring.drift.profile_drift import psi_of_scores
from mlsys_assets.tables import PREDICT_AT, SCORE, TIMESTAMP
from mlsys_assets.types import Calendar, TimeWindow, days, hours, utc

START, FROM = utc("2013-01-01"), utc("2013-03-05")
MADE = [START + hours(n) for n in range(24 * 200)]
TABLE = pa.table({PREDICT_AT: pa.array(MADE, TIMESTAMP), SCORE: [(n * 37 % 101) / 101 for n in range(len(MADE))]})


def shift(calendar: Calendar, at: datetime) -> tuple[TimeWindow, float | None]:
    """What was read, and the shift that came of it."""
    asked: list[TimeWindow] = []

    def read(system: str, table: str, *, window: tuple[str, datetime, datetime]) -> pa.Table:
        asked.append(TimeWindow(*window[1:]))
        inside = pc.and_(pc.greater_equal(TABLE[PREDICT_AT], window[1]), pc.less(TABLE[PREDICT_AT], window[2]))
        return TABLE.filter(inside)

    system: Any = SimpleNamespace(name="it", calendar=calendar)
    stores: Any = SimpleNamespace(lake=SimpleNamespace(read=read))
    context: Any = None
    found = score_shift(MonitoringStep(context, system, stores, calendar.tick_of(at)))
    return asked[0], found


@pytest.mark.parametrize("step", [hours(1), days(1), days(7)], ids=str)
def test_every_calendar_looks_back_as_many_days(step: timedelta) -> None:
    window, found = shift(Calendar(START, step), FROM)
    assert window == TimeWindow(FROM - days(28), FROM + step)
    first, begin, end = (MADE.index(moment) for moment in (window.start, FROM, window.end))
    scores = TABLE[SCORE].to_numpy()
    assert found == psi_of_scores(scores[first:begin], scores[begin:end])


def test_a_longer_tick_is_held_against_the_one_before() -> None:
    assert shift(Calendar(START, days(91)), START + days(91))[0] == TimeWindow(START, START + days(182))


def test_the_first_ticks_have_what_there_is_and_the_very_first_has_nothing_to_compare() -> None:
    assert shift(Calendar(START, days(7)), START + days(7))[0] == TimeWindow(START, START + days(14))
    assert shift(Calendar(START, days(7)), START) == (TimeWindow(START, START + days(7)), None)
