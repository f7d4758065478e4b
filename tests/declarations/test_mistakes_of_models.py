"""What the split, gates and candidates get wrong is told when it is declared."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pytest

from mlsys_assets import (
    Accepted,
    Accuracy,
    Calendar,
    Daily,
    Ece,
    Gates,
    GroupRate,
    LeakageDetective,
    LightGBM,
    LogisticRegression,
    MLSystem,
    NonInferiority,
    Numeric,
    Preprocessor,
    Superiority,
    TimeSplit,
    TimeWindow,
    ZeroRule,
    days,
    hours,
)

ROOT = Path(__file__).parents[2]
RAIN = runpy.run_path(str(ROOT / "tests" / "systems" / "rain.py"))
W, O, SYSTEM = RAIN["weather"], RAIN["outcomes"], RAIN["rain"]  # noqa: E741 - the weather and its outcomes


def rain(**changes) -> MLSystem:
    return replace(SYSTEM, **changes)


def candidate(one) -> MLSystem:
    return rain(candidates=(*SYSTEM.candidates[:2], one))


def split(*windows: TimeWindow, **changes) -> MLSystem:
    return rain(split=replace(SYSTEM.split, **({"static_test": windows} if windows else {}), **changes))


def accepting(*accepted: Accepted) -> LeakageDetective:
    return replace(SYSTEM.detective, accepts=accepted)


@dataclass(frozen=True)
class Stranger(ZeroRule):
    """A model stored in a way that no bundle knows."""

    name: str = "stranger"

    @property
    def baseline(self) -> bool:
        return False

    @property
    def kind(self) -> str:
        return "lightgdm"


EARLY = TimeWindow.of("2003-01-01", "2003-01-05")
CLASH = (TimeWindow.of("2013-01-08", "2013-01-11"), TimeWindow.of("2013-01-10", "2013-01-12"))

MISTAKES = {
    # split and gates
    "windows that overlap": (lambda: split(*CLASH), "overlap"),
    "a window outside the calendar": (lambda: split(EARLY), "is not within the calendar, which begins 2013-01-01"),
    "a window past the calendar": (lambda: split(TimeWindow.of("2013-03-30", "2013-04-02")), "ends 2013-04-01"),
    "a calendar that begins too late": (lambda: rain(calendar=Daily("2014-01-01")), "is not within the calendar"),
    "an embargo that is too short": (lambda: split(embargo=hours(1)), "is shorter than the label delay of 3:00:00"),
    "an embargo that leaves nothing": (lambda: split(embargo=days(20)), "leaves nothing of the validation part"),
    "a test too short to be believed": (lambda: split(test=days(3)), "support asks for 7 days with rows"),
    "a part in days": (lambda: split(validation=14), "validation is 14; it must be a duration"),
    "steps of 12 hours": (lambda: rain(calendar=Calendar(EARLY.start, hours(12))), "its calendar steps by 12:00:00"),
    "a calendar without a zone": (
        lambda: rain(calendar=Calendar(datetime(2013, 1, 1), days(1))), "is in no time zone",  # noqa: DTZ001
    ),
    "a calendar between minutes": (lambda: rain(calendar=Daily("2013-01-01T00:00:30")), "not at a whole minute"),
    "nothing to beat": (lambda: rain(candidates=(LightGBM(),)), "none of its candidates is a baseline"),
    "baselines alone": (lambda: rain(candidates=(ZeroRule(),)), "all its candidates are baselines"),
    "nothing to beat them in": (lambda: rain(gates=Gates(beats_baselines=())), "so that any model would pass"),
    "a calibration that is not measured": (lambda: rain(gates=Gates(most_ece=0.01)), "most_ece asks for 'ece'"),
    "a calibration that all have": (
        lambda: rain(metrics=(*SYSTEM.metrics, Ece()), gates=Gates(most_ece=5)), "most_ece is 5; it must be a number",
    ),
    "a margin without slices": (lambda: rain(slices=(), gates=Gates(slice_margin=0.01)), "the system has none"),
    "a champion's metric that misleads": (
        lambda: rain(gates=Gates(champion=Superiority(Accuracy()))), "accuracy cannot be what decides",
    ),
    "a champion's metric by name": (
        lambda: rain(gates=Gates(champion=NonInferiority("log_loss"))), "champion.metric is",
    ),
    "a static test that is not there": (
        lambda: rain(split=TimeSplit(days(14), days(14)), gates=Gates(without_recent="static")), "has no static_test",
    ),
    # candidates
    "no rounds": (lambda: candidate(LightGBM(rounds=0)), "rounds is 0; it must be a whole number, at least 1"),
    "half a round": (lambda: candidate(LightGBM(rounds=1.5)), "rounds is 1.5; it must be a whole number"),
    "no patience": (lambda: candidate(LightGBM(patience=0)), "patience is 0"),
    "one leaf": (lambda: candidate(LightGBM(leaves=1)), "leaves is 1; it must be a whole number, at least 2"),
    "learning backwards": (lambda: candidate(LightGBM(learning_rate=-1)), "learning_rate is -1; it must be a number,"),
    "no columns": (lambda: candidate(LightGBM(column_share=0)), "column_share is 0; it must be a number, above 0, at"),
    "more than all rows": (lambda: candidate(LightGBM(row_share=1.5)), "row_share is 1.5"),
    "a negative penalty": (lambda: candidate(LightGBM(l2=-1)), "l2 is -1"),
    "another objective": (lambda: candidate(LightGBM(more={"objective": "regression"})), "'objective', which is fixed"),
    "leaves twice": (lambda: candidate(LightGBM(more={"num_leaves": 7})), "'num_leaves', which is declared as leaves"),
    "a rule for the infinite": (
        lambda: candidate(LightGBM(preprocessor=Preprocessor(beyond="rejct"))), "Did you mean 'reject'?",
    ),
    "a preprocessor by name": (
        lambda: candidate(LightGBM(preprocessor="codes")), "preprocessor is 'codes'; it must be Preprocessor",
    ),
    "a preprocessor of no such feature": (
        lambda: candidate(LogisticRegression(preprocessor=Preprocessor(columns={"humdity": Numeric()}))),
        "candidate 'logistic_regression' needs 'humdity', which is no feature column",
    ),
    "no regularization": (lambda: candidate(LogisticRegression(c=0)), "c is 0; it must be a number, above 0"),
    "groups by nothing": (lambda: candidate(GroupRate(by=(), name="other")), "by is empty, which is what ZeroRule()"),
    "a negative strength": (lambda: candidate(GroupRate(by=("origin",), strength=-1, name="other")), "strength is -1"),
    "groups by no feature": (lambda: candidate(GroupRate(by=("carrier",), name="other")), "needs 'carrier', which is"),
    "a model no bundle can hold": (lambda: candidate(Stranger()), "is 'lightgdm'; allowed: zero_rule, group_rate,"),
    # the detective
    "a detective by name": (lambda: rain(detective="columbo"), "detective is 'columbo'; it must be LeakageDetective"),
    "a detective that cannot learn": (
        lambda: rain(detective=LeakageDetective("lightgbm")), "detective: learner is 'lightgbm'; it must be Learner",
    ),
    "accepting no feature": (
        lambda: rain(detective=accepting(Accepted("humdity", because="it is so"))), "Did you mean 'humid'?",
    ),
    "accepting without a reason": (
        lambda: rain(detective=accepting(Accepted("humid", because=" "))), "'humid' is accepted without a reason",
    ),
    "accepting a name": (lambda: rain(detective=accepting("humid")), "detective: accepts[0] is 'humid'; it must be"),
    "groups of no request": (
        lambda: rain(detective=replace(SYSTEM.detective, groups=("station",))),
        "detective: a column that names groups is 'station'; allowed:",
    ),
    # what is part of the record
    "a negative seed": (lambda: rain(seed=-1), "seed is -1; it must be a whole number, at least 0"),
    "no threads": (lambda: rain(threads=0), "threads is 0; it must be a whole number, at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_declaration(told: Callable[..., None], name: str) -> None:
    told(*MISTAKES[name])
