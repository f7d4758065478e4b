"""The history that a trigger sees is what the ledger held then, whatever was recorded later."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_performance import PerformanceDrop
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.history import Champions, Change, history
from mlsys_assets.retraining.trigger import ask
from mlsys_assets.types import days, utc

from .diagnoses import CALM, CONCEPT

START = utc("2013-07-01")
TRIGGERS = (Every(days(28)), LabelVolume(grows=0.1), PerformanceDrop(by=0.05), Drift())


@dataclass(frozen=True)
class Recorded:
    as_of: datetime
    kind: str
    name: str
    verdict: str
    evidence: dict[str, Any] = field(default_factory=dict)


def week(n: int) -> datetime:
    return START + days(7 * n)


def trained(n: int, labelled: int = 100, verdict: str = "adequate") -> Recorded:
    return Recorded(week(n), "training_set", "training_set", verdict, {"labelled": labelled})


def gate(n: int, auc: float = 0.8) -> Recorded:
    found = {"challenger": "lightgbm", "recent_test lightgbm roc_auc": auc, "static_test lightgbm roc_auc": 0.9}
    return Recorded(week(n), "gate", "champion", "pass", found | {"recent_test champion roc_auc": 0.1})


def monitored(
    n: int, labelled: int = 100, auc: float | None = 0.8, psi: float = 0.0, found: Diagnosis = CALM
) -> list[Recorded]:
    served = {week(n - 1).isoformat(): {"labelled": 50, "metrics": {"roc_auc": auc}}}
    return [
        Recorded(week(n), "monitoring", "performance", "measured", {"labelled": labelled, "served": served}),
        Recorded(week(n), "monitoring", "drift", "measured", {"columns": {"a": psi, "b": psi}, "scores": None}),
        Recorded(week(n), "monitoring", "diagnosis", found.cause.value, json.loads(json.dumps(found.as_dict()))),
    ]


def told(at: datetime, records: list[Recorded]):
    of = {kind: [r for r in records if r.kind == kind] for kind in ("training_set", "gate", "monitoring")}
    return history(at, training_sets=of["training_set"], gates=of["gate"], monitoring=of["monitoring"], promoted=True)


def test_what_is_read() -> None:
    records = [trained(0, 90), gate(0), *monitored(1, 95), *monitored(2, 99, auc=None, psi=0.4, found=CONCEPT)]
    found = told(week(2), records)
    assert [m.diagnosis for m in found.monitored] == [CALM, CONCEPT]
    assert found.trained.labelled == 90
    assert found.trained.reference == {"roc_auc": 0.8}
    assert found.now.labelled == 99
    assert [dict(s.metrics) for m in found.monitored for s in m.served] == [{"roc_auc": 0.8}, {}]
    assert [dict(s.metrics) for s in found.served(5, metric="roc_auc")] == [{"roc_auc": 0.8}]
    assert found.now.drift == {"a": 0.4, "b": 0.4}


def test_a_training_without_enough_data_is_an_attempt_only() -> None:
    found = told(week(3), [trained(0), trained(2, verdict="insufficient data")])
    assert [t.as_of for t in found.trainings] == [week(0)]
    assert found.attempts == (week(0), week(2))


ANY = st.tuples(st.integers(0, 8), st.integers(80, 200), st.floats(0.4, 0.9), st.floats(0, 1), st.booleans())


@given(st.lists(ANY, max_size=9, unique_by=lambda x: x[0]), st.lists(ANY, max_size=9, unique_by=lambda x: x[0]))
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda t: t.name)
def test_no_verdict_sees_the_future(trigger, before, after) -> None:
    """Whatever is on record as of later, a verdict as of now is the same."""

    def records(drawn, first: int) -> list[Recorded]:
        found = []
        for n, labelled, auc, psi, train in drawn:
            found += monitored(first + n, labelled, auc, psi, CONCEPT if psi > 0.5 else CALM)
            found += [trained(first + n, labelled), gate(first + n, auc)] if train else []
        return found

    past = [r for r in records(before, 0) if r.as_of <= week(8)]
    later = [r for r in records(after, 8) if r.as_of > week(8) or r.kind in {"training_set", "gate"}]
    shuffled = sorted([*past, *later], key=repr)
    assert ask(trigger, told(week(8), shuffled)) == ask(trigger, told(week(8), past))


def test_a_verdict_changes_with_the_past() -> None:
    """Or the test above would pass with triggers that look at nothing."""
    records = [trained(0, 100), gate(0), *monitored(1), *monitored(2, labelled=109)]
    assert not ask(TRIGGERS[1], told(week(2), records)).fires
    more = [replace(r, evidence=r.evidence | {"labelled": 110}) if r.name == "performance" else r for r in records]
    assert ask(TRIGGERS[1], told(week(2), more)).fires


def challenged(n: int, change: float | None) -> list[Recorded]:
    """A training with its gate, which compared with a champion."""
    ends = {"value": change, "low": None if change is None else change - 0.1, "high": 0.5}
    evidence = gate(n).evidence | {f"recent_test log_loss minus champion {end}": v for end, v in ends.items()}
    evidence |= {f"static_test log_loss minus champion {end}": 9.0 for end in ends}
    evidence |= {f"recent_test log_loss minus zero_rule {end}": 9.0 for end in ends}
    evidence |= {"carrier=AA on recent_test minus champion": 9.0}
    return [trained(n), replace(gate(n), evidence=evidence)]


def test_what_a_training_changed_against_the_champion_is_read_of_its_gate() -> None:
    """In the second week the first week's model was put back, which the third training challenged."""
    records = [*challenged(0, None), *challenged(2, -0.2), *challenged(4, 0.1)]
    of = {kind: [r for r in records if r.kind == kind] for kind in ("training_set", "gate")}
    moves = ((week(0), week(0)), (week(2), week(2)), (week(3), week(0)), (week(5), week(4)))
    found = history(
        week(5), training_sets=of["training_set"], gates=of["gate"], monitoring=(), promoted=True,
        champions=Champions(moves, held_out=days(28)),
    )  # fmt: skip
    assert [t.ahead for t in found.trainings] == [None, days(14 - 28), days(28 - 28)]
    assert found.champion == week(0)  # what is decided as of now is not known yet
    assert [dict(t.changes) for t in found.trainings] == [
        {}, {"log_loss": Change(-0.2, pytest.approx(-0.3), 0.5)}, {"log_loss": Change(0.1, 0.0, 0.5)},
    ]  # fmt: skip
    assert [dict(t.reference) for t in found.trainings] == [{"roc_auc": 0.8}] * 3


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=9), st.integers(0, 10))
def test_the_champion_is_that_of_the_last_move_before(moves, at) -> None:
    """Moves in the order of their times; what was moved as of the very time came of its decision."""
    champion = None
    for since, trained in (moves := sorted(moves, key=lambda move: move[0])):
        champion = week(trained) if since < at else champion
    champions = Champions(tuple((week(since), week(trained)) for since, trained in moves), held_out=days(28))
    assert champions.before(week(at)) == champion
    assert champions.ahead(week(at)) == (None if champion is None else week(at) - champion - days(28))


def test_who_does_not_ask_is_not_told_of_champions() -> None:
    found = told(week(3), challenged(2, 0.1))
    assert (found.champion, found.trained.ahead) == (None, None)
