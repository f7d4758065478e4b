"""The list of a tick's likeliest is diverse or a loop, and the record of the tick says how diverse."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import Weekly
from mlsys_assets.production_monitoring.diagnosing.shown_list import FEEDBACK, TICKS, ShownList
from mlsys_assets.production_monitoring.failures import FailureClass
from mlsys_assets.production_monitoring.feedback.degeneration import Degeneration
from mlsys_assets.production_monitoring.feedback.diversity import measured
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog, listed
from mlsys_assets.tables import TIMESTAMP
from mlsys_assets.types import TimeWindow, days

CALENDAR = Weekly("2013-01-07")
ITEMS, A_DAY, SHOWN = 60, 120, 10


def lived(*, loop: bool, weeks: int = TICKS) -> ShownList:
    """Return a list that comes to show ever fewer items, and learns of those alone; or one that shows all alike."""
    rng = np.random.default_rng(0)
    count = 7 * weeks
    item = np.concatenate([np.resize(np.arange(ITEMS), A_DAY) for _ in range(count)])
    day = np.repeat(np.arange(count), A_DAY)
    favour = np.where((item < 3) & (day >= count // 3), 9.0, 0.0) if loop else 0.0
    score = 1 / (1 + np.exp(-(rng.normal(size=len(item)) + favour)))
    at = np.datetime64("2013-01-07", "us") + day * np.timedelta64(1, "D")
    ids = [f"r{i}" for i in range(len(item))]
    made = pa.table({"id": ids, "predict_at": pa.array(at).cast(TIMESTAMP), "score": score})
    requests = pa.table({"id": ids, "route": [f"item {i}" for i in item]})
    known = np.isin(item, [0, 1, 2]) | (not loop) | (day < 14)
    outcome = np.where(known, rng.random(len(item)) < 0.6, np.nan)
    labels = pa.table({"id": ids, "label": pa.array(outcome, from_pandas=True)})
    found = listed(FeedbackLog(("route",), SHOWN), made, requests, labels, key="id")
    start = CALENDAR.start + days(7 * (weeks - 1))
    return ShownList(found, CALENDAR, TimeWindow(start, start + days(7)), 0)


def test_a_loop_fails_the_check_and_is_a_failure_of_its_kind_and_an_even_list_is_none() -> None:
    loop, even = lived(loop=True), lived(loop=False)
    assert not loop.finding.passed
    (one,) = loop.failures
    assert (one.kind, one.told) == (FailureClass.FEEDBACK_LOOP, loop.finding.summary)
    assert even.finding.passed
    assert even.failures == []
    assert replace(loop, limits=Degeneration(fall=0.999)).finding.passed


def test_the_record_is_of_this_tick_and_its_numbers_are_those_of_its_rows() -> None:
    shown = lived(loop=True)
    (kept,) = shown.evidence.values()
    assert shown.evidence.keys() == {FEEDBACK}
    log = shown.listed.log
    week = log.take(log.at >= np.datetime64(shown.window.start.replace(tzinfo=None)))
    alone = measured(week)
    assert (kept["shown"], kept["distinct"], kept["gini"]) == (7 * SHOWN, alone.distinct, pytest.approx(alone.gini))
    assert kept["gini"] > lived(loop=False).evidence[FEEDBACK]["gini"]


def test_what_is_drawn_lies_between_0_and_1_over_all_ticks() -> None:
    series = lived(loop=True).series
    assert {len(values) for values in series.values()} == {TICKS}
    assert all(0 <= value <= 1 for name in ("aggregate", "gini") for value in series[name])
    assert series["effective"][-1] < series["effective"][0]


def test_hit_rates_are_told_by_how_often_an_item_was_shown_before() -> None:
    shown = lived(loop=False)
    told = {name: rate for name, rate in shown.rates.items() if rate.sufficient}
    assert {"1 to 9", "10 to 99"} <= told.keys()
    assert all(rate.value == pytest.approx(0.6, abs=0.1) for rate in told.values())


def test_a_tick_without_requests_leaves_no_record() -> None:
    shown = lived(loop=False, weeks=3)
    later = TimeWindow(shown.window.end, shown.window.end + days(7))
    empty = ShownList(shown.listed, CALENDAR, later, 0)
    assert empty.evidence == {}
    assert "insufficient data" in empty.finding.summary
