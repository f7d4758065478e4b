"""What one look of a sensor, or of the schedule of the ticks, costs where much has happened and where little has.

A past is written into a state folder: for each tick what monitoring, the triggers and the arbiter put on record, with a
run in Dagster; for every fourth a training with all its records, and its run. Then each is asked in every standing of
the tick that comes next, and the costliest counts: nothing is due; it is due; it is monitored; all triggers have
answered; its training is wanted.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from comparison import Cost
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.utils import make_new_run_id

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.definitions import build_definitions
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import OpenInstanceContext
from mlsys_assets.retraining.controller import AS_OF_TAG, OWNER_TAG
from mlsys_assets.retraining.sensors import build_schedules, build_sensors
from mlsys_assets.system import MLSystem
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.types import FixedClock, Weekly, days, utc
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_tables import CLOCKS, DECISIONS
from mlsys_resources.resources import HOME, Resources, build_resources

FEW, MANY = 10, 1_000
LOOKS = 30
NOW = utc("2013-07-08")
"""As of when the tick that comes next is decided."""
TRAINED_EVERY = 4
COLUMNS = 90
"""Feature columns of the flights system."""
METRICS = [m.name for m in flights.metrics]
MODELS = ("zero_rule", "group_rate", "logistic_regression", "lightgbm", "champion")
GROUPS = [
    f"carrier={name}"
    for name in ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
]
STANDINGS = IDLE, DUE, MONITORED, ANSWERED, TRAINS = ("idle", "due", "monitored", "answered", "trains")
HASH = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Past:
    """A system that has lived so many ticks up to one before ``NOW``, and its stores."""

    ticks: int
    home: Path
    instance: dg.DagsterInstance

    @cached_property
    def system(self) -> MLSystem:
        """The flights system on a calendar that starts with the first of the ticks."""
        start = NOW - days(7 * (self.ticks + 1))
        return replace(flights, calendar=Weekly(start, end="2014-01-06"), split=replace(flights.split, static_test=()))

    @cached_property
    def stores(self) -> Resources:
        """Where it stands on record."""
        return build_resources({HOME: str(self.home)}, clock=FixedClock(NOW).now)

    def fill(self) -> None:
        """Write the past."""
        first = NOW - days(7 * self.ticks)
        for n in range(self.ticks):
            as_of = first + days(7 * n)
            trains = n % TRAINED_EVERY == 0
            self.record(*monitoring(as_of), *answers(self.system, as_of), arbiter(as_of, trains=trains))
            self.add_run(adapter.tick_job(self.system), as_of)
            if trains:
                self.record(*training(as_of, labelled=6_000 * (n + 20)))
                self.add_run(adapter.training_job(self.system), as_of)

    def record(self, *decisions: Decision) -> None:
        """Put decisions on record."""
        for decision in decisions:
            self.stores.operations.record(decision)

    def add_run(self, job: str, as_of: datetime) -> None:
        """Put a run that succeeded on record."""
        tick = self.system.calendar.key(as_of - days(7) if job == adapter.tick_job(self.system) else as_of)
        tags = {"system": flights.name, AS_OF_TAG: self.system.calendar.key(as_of), OWNER_TAG: "1"}
        tags |= {PARTITION_NAME_TAG: tick, "dagster/run_key": f"flights/{tick}", "dagster/max_runtime": "14400"}
        run = dg.DagsterRun(job, run_id=make_new_run_id(), tags=tags, status=dg.DagsterRunStatus.SUCCESS)
        self.instance.run_storage.add_run(run)

    def stand(self, standing: str) -> None:
        """Forget what was recorded as of now, and let the next tick stand so."""
        with self.stores.operations._database.write() as connection:
            connection.execute(sa.delete(DECISIONS).where(DECISIONS.c.as_of == NOW))
            connection.execute(sa.delete(CLOCKS))
            connection.execute(sa.insert(CLOCKS).values(system=flights.name, now=NOW - days(standing == IDLE)))
        step = STANDINGS.index(standing)
        if step >= STANDINGS.index(MONITORED):
            self.record(*monitoring(NOW))
        if step >= STANDINGS.index(ANSWERED):
            self.record(*answers(self.system, NOW))
        if standing == TRAINS:
            self.record(arbiter(NOW, trains=True), *training(NOW, labelled=10**6)[:-1])

    def looks(self) -> dict[str, Callable[[], object]]:
        """Return each sensor's and the schedule's tick, as the replay evaluates it, by name.

        The daemon opens the instance anew for each, which takes Dagster a tenth of a second, whatever has happened.
        """
        definitions = build_definitions(self.system, resources=self.stores)
        repository, resources = definitions.get_repository_def(), self.stores.for_dagster()
        (schedule,) = [s for s in build_schedules(self.system) if s.name == adapter.tick_job(self.system)]

        def ask_schedule() -> object:
            context = OpenInstanceContext(self.instance, at=NOW, resources=resources, repository=repository)
            return schedule.evaluate_tick(context)

        def ask(sensor: dg.SensorDefinition) -> object:
            context = dg.build_sensor_context(
                self.instance, sensor_name=sensor.name, resources=resources, repository_def=repository
            )
            return sensor.evaluate_tick(context)

        sensors = {sensor.name: lambda sensor=sensor: ask(sensor) for sensor in build_sensors(self.system)}
        return {f"schedule {schedule.name}": ask_schedule, **sensors}


@contextmanager
def lived(ticks: int) -> Iterator[Past]:
    """Open a state folder with a past of so many ticks, and with the run that brought the next one in."""
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder, open_instance(Path(folder)) as instance:
        past = Past(ticks, Path(folder), instance)
        past.fill()
        past.add_run(adapter.tick_job(past.system), NOW)
        yield past


def costliest(past: Past, look: Callable[[], object]) -> Cost:
    """Return what a look costs in the standing in which it costs most: medians."""
    return max((_median(past, look, standing) for standing in STANDINGS), key=lambda cost: cost.cpu)


def _median(past: Past, look: Callable[[], object], standing: str) -> Cost:
    costs = []
    for _ in range(LOOKS + 1):
        past.stand(standing)
        wall, cpu = time.monotonic(), time.process_time()
        look()
        costs.append(Cost(time.monotonic() - wall, time.process_time() - cpu))
    return Cost(*(statistics.median(getattr(cost, what) for cost in costs[1:]) for what in ("wall", "cpu")))


def monitoring(as_of: datetime) -> list[Decision]:
    """Return what monitoring records of a tick."""
    metrics = dict.fromkeys(METRICS, 0.123456789012345)
    counts = {"requests": 6412, "labelled": 6288, "unlabelled": 124, "never": 61, "positives": 1422}
    served = {"model": HASH, "revision": 1, **counts, "metrics": metrics, "mean_cost": 9.87654321}
    weeks = {(as_of - days(7 * n)).isoformat(): served for n in (1, 2)}
    labels = {"labelled": 160_000, "label_rate": 0.22, "label_rate_before": 0.24, "labels_now": 6300, "labels": HASH}
    columns = {f"{n}_mean_departure_delay_over_{n}_hours": 0.0123456789 * n for n in range(COLUMNS)}
    return [
        record(as_of, "monitoring", "performance", "measured", {**labels, "served": weeks}),
        record(as_of, "monitoring", "drift", "measured", {"columns": columns, "scores": 0.0123456789}),
    ]


def answers(system: MLSystem, as_of: datetime) -> list[Decision]:
    """Return the triggers' verdicts: labels enough, so that a training is decided on."""
    said = {True: "yes", False: "no"}
    return [
        record(as_of, "trigger", t.name, said[t.name == "label_volume"], {"now": 0.87, "reference": 0.86})
        for t in system.triggers
    ]


def arbiter(as_of: datetime, *, trains: bool) -> Decision:
    """Return the decision."""
    evidence = {"every": "no", "label_volume": "yes", "performance_drop": "no", "drift": "no"}
    return record(as_of, "retraining", "arbiter", "train" if trains else "hold", evidence)


def training(as_of: datetime, *, labelled: int) -> list[Decision]:
    """Return what a training records, the promotion last."""
    fates = dict.fromkeys(("train", "validation", "recent_test", "static_test", "embargo", "purged"), 12345)
    interval = {"value": 0.123456789, "low": 0.1234, "high": 0.2345, "n": 6000, "sufficient": True}
    measured = dict.fromkeys(METRICS, interval)
    slices = {group: {METRICS[0]: interval} for group in GROUPS}
    whole = {"model_hash": HASH, "data_hash": HASH, "whole": measured, "slices": slices}
    tests = ("recent_test", "static_test")
    compared = {f"{test} {model} {name}": 0.12345 for test in tests for model in MODELS for name in METRICS}
    context = {"versions": {"features": 100, "labels": 100}}
    return [
        record(
            as_of, "training_set", "training_set", "adequate", {"rows": HASH, "labelled": labelled, **fates}, context
        ),
        *(record(as_of, "candidate", name, "fitted", {"model": HASH, "recipe": {"rounds": 80}}) for name in MODELS[:4]),
        *(record(as_of, "evaluation", name, "evaluated", dict.fromkeys(tests, whole)) for name in MODELS),
        record(as_of, "gate", "champion", "pass", {"challenger": "lightgbm", **compared}),
        record(as_of, "refit", "lightgbm", "refitted", {"model": HASH, "gate": HASH, "rows": labelled}),
        record(as_of, "promotion", "champion", "promoted", {"gate": HASH, "model": HASH}),
    ]


def record(
    as_of: datetime, kind: str, name: str, verdict: str, evidence: Mapping, context: Mapping | None = None
) -> Decision:
    """Return a decision of the system."""
    reason = f"{name} said so as of {as_of:%Y-%m-%d}: 0.8765 over 2 ticks, 0.8654 at the last training"
    return Decision(flights.name, as_of, kind, name, verdict, reason, evidence, context or {"dagster_run": HASH[:36]})
