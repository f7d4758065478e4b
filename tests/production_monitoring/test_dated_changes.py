"""Since when the world is another, by what diagnoses say tick after tick."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from mlsys_assets.production_monitoring.dated_changes import dated_changes
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.types import utc

FIRST = utc("2013-03-04")


@dataclass(frozen=True)
class Told:
    """A record of the ledger."""

    as_of: Any
    verdict: str
    kind: str = "monitoring"
    name: str = "diagnosis"
    evidence: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


def told(*verdicts: str, **other: str) -> list[Told]:
    """One tick a week, each shift dated a day before its tick's end."""
    ends = [FIRST + timedelta(days=7 * n) for n in range(len(verdicts))]
    dates = [[(end - timedelta(days=1)).isoformat(), end.isoformat()] for end in ends]
    return [
        Told(end, verdict, evidence={"learn_from": d if verdict != Cause.NOTHING else None}, **other)
        for end, verdict, d in zip(ends, verdicts, dates, strict=True)
    ]


def dated(records: list[Told], until: int | None = None) -> list[int]:
    """The weeks whose diagnosis dates a change."""
    as_of = FIRST + timedelta(days=7 * (len(records) if until is None else until))
    return [(at + timedelta(days=1) - FIRST).days // 7 for at in dated_changes(records, as_of=as_of)]


SHIFT, NONE, UNTOLD, BUG = Cause.CONCEPT, Cause.NOTHING, Cause.UNTOLD, Cause.PIPELINE


@pytest.mark.parametrize(
    ("verdicts", "weeks"),
    [
        ((), []),
        ((NONE, Cause.COVARIATE, Cause.LABEL, UNTOLD, BUG), []),
        ((NONE, SHIFT), [1]),
        ((SHIFT, SHIFT, SHIFT), [0]),
        ((SHIFT, NONE, SHIFT), [0, 2]),
        ((SHIFT, UNTOLD, BUG, SHIFT), [0]),
        ((SHIFT, UNTOLD, NONE, SHIFT, SHIFT, Cause.LABEL, SHIFT), [0, 3, 6]),
    ],
)
def test_the_first_of_the_diagnoses_in_a_row_dates_a_change(verdicts, weeks):
    assert dated(told(*verdicts)) == weeks
    assert dated(told(*verdicts)[::-1]) == weeks


def test_what_is_diagnosed_later_changes_nothing_that_was_known():
    records = told(NONE, SHIFT, NONE, SHIFT)
    assert [dated(records, until) for until in range(4)] == [[], [1], [1], [1, 3]]


def test_other_records_date_nothing():
    assert dated(told(SHIFT, name="drift") + told(SHIFT, kind="alert")) == []


def test_a_shift_that_nothing_dates_leaves_that_to_the_next():
    undated = Told(FIRST - timedelta(days=7), SHIFT, evidence={"learn_from": None})
    assert dated([undated]) == []
    assert dated([undated, *told(SHIFT, SHIFT)]) == [0]
