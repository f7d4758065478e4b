"""As much of a system as its sensors look at, and what each hour that it lived left on record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from mlsys_assets import (
    Calendar,
    Drift,
    Every,
    LabelVolume,
    Learning,
    PerformanceDrop,
    Retraining,
    TimeSplit,
    days,
    hours,
    utc,
)
from mlsys_assets.dagster_adapter import tick_job, training_job
from mlsys_assets.retraining.controller import AS_OF_TAG, OWNER_TAG, Controller
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore

from .diagnoses import CALM

NOW = utc("2013-07-01")
TRAINED_EVERY, REFUSED_EVERY = 8, 16


@dataclass(frozen=True)
class Lived:
    """As much of a system as a sensor looks at."""

    calendar: Calendar
    name: str = "lived"
    reuses: None = None
    simulated_from: datetime = NOW
    triggers: tuple[Any, ...] = (Every(days(1)), LabelVolume(grows=0.1), PerformanceDrop(by=0.05), Drift())
    retraining: Retraining = Retraining(cooldown=hours(2), at_most=20, within=days(2))
    split: TimeSplit = TimeSplit(validation=days(2), test=days(3))
    learning: Learning = Learning()

    def home(self, _table: str) -> str:
        return self.name


@dataclass(frozen=True)
class Stores:
    operations: OperationsStore
    token: int | None = None


def record(store: OperationsStore, as_of: datetime, kind: str, name: str, verdict: str, evidence: dict) -> None:
    store.record(Decision("lived", as_of, kind, name, verdict, "so", evidence))


def monitor(store: OperationsStore, as_of: datetime) -> None:
    served = {as_of.isoformat(): {"labelled": 50, "metrics": {"roc_auc": 0.8}}}
    record(store, as_of, "monitoring", "performance", "measured", {"labelled": 100, "served": served})
    record(store, as_of, "monitoring", "drift", "measured", {"columns": {"a": 0.1}, "scores": None})
    record(store, as_of, "monitoring", "diagnosis", "nothing", CALM.as_dict())


def run(controller: Controller, job: str, as_of: datetime) -> None:
    tags = {AS_OF_TAG: controller.system.calendar.key(as_of), OWNER_TAG: "0"}
    found = dg.DagsterRun(job, tags=tags, status=dg.DagsterRunStatus.SUCCESS)
    controller.instance.run_storage.add_run(found)


def pass_tick(controller: Controller, as_of: datetime, *, trains: bool, enough: bool) -> None:
    """Put on record what a tick that is past left behind."""
    store = controller.stores.operations
    monitor(store, as_of)
    run(controller, tick_job(controller.system), as_of)
    for one in controller.system.triggers:
        record(store, as_of, "trigger", one.name, "no", {})
    record(store, as_of, "retraining", "arbiter", "train" if trains else "hold", {})
    if trains:
        verdict = "adequate" if enough else "insufficient data"
        record(store, as_of, "training_set", "training_set", verdict, {"labelled": 95})
        record(store, as_of, "gate", "champion", "pass", {"challenger": "x", "recent_test x roc_auc": 0.8})
        record(store, as_of, "promotion", "champion", "promoted", {})
        run(controller, training_job(controller.system), as_of)
