"""What was expected of a tick is read from its record, and held against what came once nearly all labels have."""

from datetime import datetime

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosing.expected import (
    ESTIMATED,
    NOT_BELIEVED,
    estimates_on_record,
    last_comparison,
)
from mlsys_assets.types import days, utc

FIRST = utc("2013-07-01")
AUC = Estimate(0.75, 0.73, 0.77, 1_000, 200, 7)


def record(estimate: Estimate = AUC, why: str = "") -> dict[str, object]:
    return {ESTIMATED: {"auc": estimate.as_dict()}, NOT_BELIEVED: why}


def performance(auc: float | None = 0.74, *, labelled: int = 950, never: int = 0) -> dict[str, object]:
    return {"requests": 1_000, "labelled": labelled, "never": never, "auc": auc}


def compared(records: dict[datetime, dict[str, object]], came: dict[datetime, dict[str, object]]) -> list[datetime]:
    return [one.window for one in last_comparison(records, came, "auc")]


def test_estimates_come_back_and_are_silent_where_they_are_not_believed() -> None:
    assert estimates_on_record(record()) == {"auc": AUC}
    assert estimates_on_record(record(), shown=True) == {"auc": AUC}
    assert estimates_on_record(record(why="the share moved"))["auc"].sufficient
    silent = estimates_on_record(record(why="the share moved"), shown=True)["auc"]
    assert not silent.sufficient
    assert "the share moved" in str(silent)
    assert estimates_on_record({}) == {}


def test_the_last_tick_whose_labels_have_come_is_compared() -> None:
    ticks = [FIRST + days(7 * k) for k in range(3)]
    records = {tick: record() for tick in ticks}
    (found,) = last_comparison(records, {tick: performance() for tick in ticks}, "auc")
    assert (found.window, found.metric, found.estimated, found.realised) == (ticks[2], "auc", AUC, 0.74)
    assert compared(records, {ticks[0]: performance(), ticks[1]: performance()}) == [ticks[1]]
    early = {ticks[0]: performance(), ticks[1]: performance(labelled=899)}
    assert compared(records, early) == [ticks[0]]
    assert compared(records, {ticks[1]: performance(labelled=850, never=50)}) == [ticks[1]]


@pytest.mark.parametrize(
    ("of", "came"),
    [
        ({}, {FIRST: performance()}),
        ({FIRST: record()}, {}),
        ({FIRST: record()}, {FIRST: performance(None)}),
        ({FIRST: record()}, {FIRST: performance(labelled=0)}),
        ({FIRST: record(Estimate.untold(np.zeros(0), 0))}, {FIRST: performance()}),
        ({FIRST: {}}, {FIRST: performance()}),
    ],
    ids=["no record", "no row", "no metric", "no labels", "insufficient", "nothing expected"],
)
def test_what_cannot_be_compared_is_not(
    of: dict[datetime, dict[str, object]], came: dict[datetime, dict[str, object]]
) -> None:
    assert compared(of, came) == []
