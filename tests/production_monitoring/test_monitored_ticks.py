"""What monitoring said of ticks stands beside what came of them, and an alarm that cost nothing is a false one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from mlsys_assets import LogLoss, RocAuc, days, utc
from mlsys_assets.ledger import DIAGNOSIS
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy
from mlsys_assets.production_monitoring.monitored_ticks import MonitoringHistory, monitoring_history
from mlsys_assets.production_monitoring.revisions import revised_schema
from mlsys_assets.types import TimeWindow

FIRST, STEP = utc("2013-07-01"), days(7)
METRICS = (LogLoss(), RocAuc())
REFERENCE = {"log_loss": 0.4, "mean_cost": 2.0}


@dataclass(frozen=True)
class Said:
    """A record of the ledger or of the outbox."""

    as_of: datetime
    name: str
    verdict: str
    evidence: dict[str, Any] = field(default_factory=dict)
    reason: str = "so"
    severity: str = "warn"
    owner: str = "ops"


def week(n: int) -> datetime:
    return FIRST + n * STEP


def diagnosis(n: int, cause: Cause = Cause.COVARIATE, reference: dict[str, float] = REFERENCE) -> Said:
    """What was said of the n-th week, as of its end."""
    cost = Estimate(0.1, 0.05, 0.2, 1000, 300, 7)
    window = TimeWindow(week(n), week(n + 1))
    found = Diagnosis(window, cause, (), Price(cost, cost, 1000, "estimated"), Remedy.WAIT, None, "so")
    return Said(week(n + 1), DIAGNOSIS, cause.value, {**found.as_dict(), "reference": reference})


def row(n: int, *, model: str = "champion", revision: int = 1, labelled: int = 100, **numbers: float) -> dict[str, Any]:
    counts = {"requests": 100, "labelled": labelled, "unlabelled": 100 - labelled, "never": 0, "positives": 20}
    head = {"predicted": week(n), "model": model, "revision": revision, "as_of": week(n + revision), "model_hash": "m"}
    return {**head, **counts, "log_loss": None, "roc_auc": None, "mean_cost": None, **numbers}


def alert(n: int, verdict: str = "opened", *, name: str = "covariate shift: temp", **more: str) -> Said:
    """What was decided as of the end of the n-th week."""
    evidence = {"alert": {"watch": more.pop("watch", "diagnosis")}}
    evidence |= {"collected": {"covariate shift: wind": "it moved"}} if verdict == "digest" else {}
    return Said(week(n + 1), name, verdict, evidence, **more)


def history(said: list[Said], rows: list[dict[str, Any]], alerts: list[Said]) -> MonitoringHistory:
    performance = pa.Table.from_pylist(rows, schema=revised_schema(METRICS))
    return monitoring_history(said, performance, alerts, step=STEP)


def test_the_realised_change_is_the_champions_last_revision_less_the_reference() -> None:
    rows = [
        row(0, revision=2, log_loss=0.45, mean_cost=2.5),
        row(0, revision=1, log_loss=9.0, mean_cost=9.0),
        row(0, model="zero_rule", revision=3, log_loss=8.0, mean_cost=8.0),
    ]
    (one,) = history([diagnosis(0), Said(week(1), "performance", "told")], rows, []).ticks
    assert (one.realised.log_loss, one.realised.money) == (pytest.approx(0.05), pytest.approx(50.0))
    assert (one.as_of, one.diagnosis.cause, one.diagnosis.price.requests) == (week(1), Cause.COVARIATE, 1000)


@pytest.mark.parametrize("labelled", [0, 89])
def test_while_labels_are_open_nothing_is_realised(labelled: int) -> None:
    found = history([diagnosis(0)], [row(0, labelled=labelled, log_loss=0.45, mean_cost=2.5)], [alert(0)])
    assert found.ticks[0].realised is None
    assert (found.alerts[0].false, found.judged_weeks, found.false_alarms_a_week) == (None, 0, None)


def test_without_costs_log_loss_judges_and_what_nobody_measured_judges_nothing() -> None:
    said = [diagnosis(0, reference={"log_loss": 0.4}), diagnosis(1, reference={})]
    found = history(said, [row(n, log_loss=0.3) for n in range(2)], [alert(0), alert(1)])
    assert [(t.realised.log_loss, t.realised.money) for t in found.ticks] == [(pytest.approx(-0.1), None), (None, None)]
    assert [a.false for a in found.alerts] == [True, None]
    assert (found.judged_weeks, found.false_alarms_a_week) == (1.0, 1.0)


def test_an_alarm_is_false_where_its_tick_then_cost_no_more_and_money_is_before_log_loss() -> None:
    """The first week cost more log loss and no money; the second cost money."""
    rows = [row(0, log_loss=0.5, mean_cost=2.0), row(1, log_loss=0.3, mean_cost=2.1)]
    alarms = [alert(n, verdict) for n in range(2) for verdict in ("opened", "worse", "digest")]
    found = history([diagnosis(0), diagnosis(1)], rows, alarms)
    assert [a.false for a in found.alerts] == [True] * 3 + [False] * 3
    assert (found.false_alarms, found.judged_weeks, found.false_alarms_a_week) == (3, 2.0, 1.5)


def test_errors_all_clears_and_what_other_watches_saw_are_judged_by_no_loss() -> None:
    told = [
        alert(0, severity="error", name="pipeline bug: temp"),
        alert(0, "reminded"),
        alert(0, "resolved"),
        alert(0, watch="checks", name="failed check: t"),
    ]
    found = history([diagnosis(0)], [row(0, log_loss=0.1, mean_cost=0.1)], told)
    assert [a.false for a in found.alerts] == [None] * 4


def test_alerts_are_those_that_somebody_was_told_and_closed_once_the_fault_is_gone() -> None:
    decided = [
        alert(0), alert(0, "over budget", name="covariate shift: wind"), alert(1, "worse"), alert(2, "resolved"),
        alert(2, name="concept shift: labels"), alert(3, "digest", name="digest of diagnosis"),
    ]  # fmt: skip
    found = [(a.name, a.verdict, a.state, a.owner) for a in history([], [], decided).alerts]
    assert found == [
        ("covariate shift: temp", "opened", "closed", "ops"),
        ("covariate shift: temp", "worse", "closed", "ops"),
        ("covariate shift: temp", "resolved", "closed", "ops"),
        ("concept shift: labels", "opened", "open", "ops"),
        ("digest of diagnosis", "digest", "open", "ops"),
    ]
    *_, digest = history([], [], [*decided, alert(4, "gone", name="covariate shift: wind")]).alerts
    assert (digest.verdict, digest.state) == ("digest", "closed")


def test_it_is_told_as_json_holds_it() -> None:
    import json

    found = history([diagnosis(0), diagnosis(1)], [row(0, log_loss=0.45, mean_cost=2.5)], [alert(0)])
    told = json.loads(json.dumps(found.as_dict()))
    assert [t["realised"] is None for t in told["ticks"]] == [False, True]
    assert told["ticks"][0]["price"]["money"]["high"] == 0.2
    assert (told["alerts"][0]["as_of"], told["false_alarms"]) == ("2013-07-08T00:00:00+00:00", 0)
