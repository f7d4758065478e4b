"""What changed in a tick, what it costs and what to do, with all that is found beside it."""

from datetime import datetime
from functools import cached_property

import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.ledger import DIAGNOSIS, MONITORING, PERFORMANCE
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.diagnosing.dependencies import alive, arrivals, on_record
from mlsys_assets.production_monitoring.diagnosing.expected import Expected, last_comparison
from mlsys_assets.production_monitoring.diagnosing.history import (
    PAST,
    RECENT_DRIFT,
    RECENT_DRIFT_SCHEMA,
    past_of,
    recent_rows,
)
from mlsys_assets.production_monitoring.diagnosing.odd_requests import OddRequests
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.together import apart
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.estimated_performance import Comparison
from mlsys_assets.production_monitoring.failures import Failure, stale_model, stopped_sources
from mlsys_assets.production_monitoring.revisions import PREDICTED, latest
from mlsys_assets.tables import MODEL, TICK
from mlsys_assets.types import CHAMPION, Finding, TimeWindow

LOOKS_BACK = 8
"""Ticks among which the last one is looked for whose labels have come."""


class DiagnosedTick:
    """All that a tick's diagnosis comes to."""

    def __init__(self, step: MonitoringStep) -> None:
        system = step.system
        seen = step.observed(*_past(step))
        self.step = step
        self.making = Diagnosing(
            seen, system.monitoring, system.detective.learner, seed=system.seed, threads=system.threads
        )
        self.found = self.making.diagnosis()
        matured = () if self.making.reference is None else _matured(step)
        self.expected = Expected.of(self.making, system.metrics, matured)
        self.list, self.odd = step.shown_list(), self._odd()

    def write(self) -> None:
        """Put all of it on record."""
        step, found, making = self.step, self.found, self.making
        step.write(RECENT_DRIFT, recent_rows(making.distances, making.together), RECENT_DRIFT_SCHEMA)
        evidence = {**found.as_dict(), **self.expected.evidence, **on_record(self.others, found.symptoms)}
        evidence |= {} if self.list is None else self.list.evidence
        evidence |= {} if self.odd is None else self.odd.evidence
        step.record(DIAGNOSIS, evidence, (found.cause.value, found.reason))

    @cached_property
    def _dependencies(self) -> list[Failure]:
        """Sources that have stopped, and a model that is too old."""
        step, oldest = self.step, self.step.system.monitoring.oldest_model
        seen = [arrivals(name, pair) for name, pair in self.making.seen.raw.items()]
        failures = stopped_sources(seen, as_of=step.window.end)
        if oldest is None or step.champion is None:
            return failures
        name = f"version {step.champion.version}"
        return [*failures, *stale_model(name, learnt_until=step.champion.as_of, as_of=step.window.end, oldest=oldest)]

    @property
    def others(self) -> list[Failure]:
        """Failures that are no symptoms: of dependencies, of the model's age, of the list."""
        return [*self._dependencies, *([] if self.list is None else self.list.failures)]

    @property
    def findings(self) -> list[Finding]:
        """What the checks say."""
        shown_list = findings.no_list() if self.list is None else self.list.finding
        alive_ones = alive(self._dependencies, sources=len(self.making.seen.raw))
        return [*findings.diagnosis_findings(self.found), alive_ones, shown_list]

    def _odd(self) -> OddRequests | None:
        ordinary, seen = self.step.ordinary, self.making.seen
        if ordinary is None or not len(seen.predicted):
            return None
        return OddRequests.of(ordinary, seen.predicted, seen.ids)


def _past(step: MonitoringStep) -> tuple[dict[str, Floats], Floats]:
    """Return the distances of the ticks before, of each feature and of all; those nobody measured are measured now."""
    system, lake, calendar = step.system, step.stores.lake, step.system.calendar
    first = max(calendar.start, step.window.start - system.monitoring.usual.most_windows * calendar.step)
    rows, there = PAST.empty_table(), set[datetime]()
    if lake.has(system.name, RECENT_DRIFT):
        rows = lake.read(system.name, RECENT_DRIFT, columns=PAST.names, window=(TICK, first, step.window.start)).cast(
            PAST
        )
        there = set(rows[TICK].to_pylist())
    for tick in calendar.ticks(TimeWindow(first, step.window.start)):
        if tick.start not in there:
            measured = _measured(MonitoringStep(step.context, system, step.stores, tick))
            rows = pa.concat_tables([rows, adapter.in_tick(measured, tick.start).select(PAST.names).cast(PAST)])
    return past_of(rows)


def _measured(step: MonitoringStep) -> pa.Table:
    """Measure how far a tick's features lie from the time before, and keep it; no rows where nothing can be told."""
    if step.reference_times.untold:  # before anything is read: it is asked anew at every tick
        return RECENT_DRIFT_SCHEMA.empty_table()
    pair, test = step.feature_pair(), step.system.monitoring.together
    if not len(pair.now) or not len(pair.before):
        return RECENT_DRIFT_SCHEMA.empty_table()
    together = None if test is None else apart(test, pair, seed=step.system.seed)
    measured = recent_rows(Reference.of(pair.before).distances(pair.now), together)
    step.write(RECENT_DRIFT, measured, RECENT_DRIFT_SCHEMA)
    return measured


def _matured(step: MonitoringStep) -> tuple[Comparison, ...]:
    """Return how the last estimate did whose labels are known by now."""
    name, calendar = step.system.name, step.system.calendar
    since = max(calendar.start, step.window.start - LOOKS_BACK * calendar.step)
    found = step.stores.operations.decisions(name, MONITORING, since=since, until=step.window.start)
    records = {d.as_of - calendar.step: d.evidence for d in found if d.name == DIAGNOSIS}
    rows = step.stores.lake.read(name, PERFORMANCE, window=(TICK, since, step.window.end))
    mine = [row for row in latest(rows) if row[MODEL] == CHAMPION]
    return last_comparison(records, {row[PREDICTED]: row for row in mine}, step.system.metrics[0].name)
