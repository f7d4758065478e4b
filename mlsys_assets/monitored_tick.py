"""What a tick taught of the model in service: how it does as labels mature, and how far it lies from before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_labeling.label import settled
from mlsys_assets.features.profile import TRAINING_PROFILE
from mlsys_assets.ledger import DRIFT, PERFORMANCE
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.drift.profile_drift import (
    DRIFT_SCHEMA,
    beyond_chance,
    drift as drift_of,
    psi_of_scores,
    unmatched,
)
from mlsys_assets.production_monitoring.performance import affected, matured
from mlsys_assets.production_monitoring.revisions import PREDICTED, revised, revised_schema, served
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import (
    BASELINES,
    EVENT_TIME,
    KNOWN_AT,
    LABEL,
    LABELS,
    MODEL,
    PREDICT_AT,
    PREDICTIONS,
    SCORE,
    TICK,
)
from mlsys_assets.types import CHAMPION, TimeWindow, days
from mlsys_resources.resources import Resources

SCORES_BEFORE = days(28)
"""Scores are held against those of so long before, and errors are told of as long, of one tick at least: of as many
days, however long a tick is."""


class LabelCounts:
    """How many labels are known, and how many of them are positive, as of one tick's end after another."""

    def __init__(self, system: MLSystem, stores: Resources) -> None:
        self.system, self.lake = system, stores.lake

    def evidence(self, tick: TimeWindow) -> dict[str, Any]:
        """Return what the ledger keeps of a tick's labels."""
        start, name = self.system.calendar.start, self.system.name
        known = self.lake.read(name, LABELS, columns=[LABEL, KNOWN_AT], window=(KNOWN_AT, start, tick.end))
        new = pc.greater_equal(known[KNOWN_AT], pa.scalar(tick.start, known.schema.field(KNOWN_AT).type))
        before, now = known.filter(pc.invert(new))[LABEL], known.filter(new)[LABEL]
        return {
            "labelled": len(known) - known[LABEL].null_count,
            "label_rate": pc.mean(now).as_py(),
            "label_rate_before": pc.mean(before).as_py(),
            "labels_now": len(now) - now.null_count,
            "labels": self.lake.tick_hashes(name, LABELS, ticks=[tick.start])[tick.start],
        }


def said_before(system: MLSystem, stores: Resources, start: datetime) -> pa.Table:
    """Return all that was said of performance in the ticks before."""
    schema = revised_schema(system.metrics)
    if not stores.lake.has(system.name, PERFORMANCE):
        return schema.empty_table()
    return stores.lake.read(
        system.name, PERFORMANCE, columns=schema.names, window=(TICK, system.calendar.start, start)
    ).cast(schema)


def performed(tick: MonitoringStep, said: pa.Table, labels: LabelCounts) -> tuple[pa.Table, dict[str, Any]]:
    """Write and put on record how predictions did as of a tick's end; return the rows, and what is on record.

    Parameters
    ----------
    said
        All that was said in the ticks before.
    labels
        Counts those that are known.
    """
    system = tick.system
    models = _matured(system, tick.stores, tick.window)
    rows = revised(models, said.select([PREDICTED, MODEL]), as_of=tick.window.end, metrics=system.metrics)
    found = {**labels.evidence(tick.window), "served": served(rows, CHAMPION, system.metrics)}
    tick.write(PERFORMANCE, rows, revised_schema(system.metrics))
    tick.record(PERFORMANCE, found, findings.measured(found["served"], system.metrics))
    return rows, found


@dataclass(frozen=True)
class Drifted:
    """How far a tick lies from before.

    Parameters
    ----------
    columns
        Stability index of each feature column against the champion's training, beyond what chance gives.
    scores
        That of the scores against those of the days before; None without either.
    new, gone
        Columns that the champion was not trained on, and those that are no more.
    """

    columns: Mapping[str, float]
    scores: float | None
    new: Sequence[str]
    gone: Sequence[str]


def drifted(tick: MonitoringStep) -> Drifted:
    """Write and put on record how far a tick lies from before, and return it."""
    (shifts, (new, gone)), scores = _shifts(tick), score_shift(tick)
    columns = beyond_chance(shifts)
    tick.write(DRIFT, shifts, DRIFT_SCHEMA)
    tick.record(DRIFT, {"columns": columns, "scores": scores}, findings.shifted(columns, scores))
    return Drifted(columns, scores, new, gone)


def _matured(system: MLSystem, stores: Resources, tick: TimeWindow) -> dict[str, pa.Table]:
    """Return how champion and baselines did on the ticks of which something became known in this one."""
    key, lake, calendar = system.requests.key, stores.lake, system.calendar
    new = lake.read(system.name, LABELS, columns=[key, EVENT_TIME], window=(KNOWN_AT, tick.start, tick.end))
    oldest = min([tick.start, *([pc.min(new[EVENT_TIME]).as_py()] if len(new) else [])]) - system.label.window
    reach = TimeWindow(calendar.tick_of(max(oldest, calendar.start)).start, tick.end)
    made = lake.read(system.name, PREDICTIONS, window=(PREDICT_AT, reach.start, reach.end))
    if not len(made):
        return {}
    ticks = {t.start for t in affected(made, new, key=key, calendar=calendar)} | {tick.start}
    span = (PREDICT_AT, min(ticks), tick.end)
    known = settled(
        lake.read(system.name, LABELS, window=(KNOWN_AT, min(ticks), tick.end)),
        key=key,
        corrections=system.label.corrections,
    )
    beside = lake.read(system.name, BASELINES, window=span, ticks=sorted(ticks))
    models = {CHAMPION: lake.read(system.name, PREDICTIONS, window=span, ticks=sorted(ticks))}
    models |= {name: beside.filter(pc.equal(beside[MODEL], name)) for name in beside[MODEL].unique().to_pylist()}
    cost = system.costs.realised if system.costs is not None else None
    return {
        name: matured(rows, known, key=key, calendar=calendar, metrics=system.metrics, cost=cost).rows
        for name, rows in models.items()
    }


def _shifts(step: MonitoringStep) -> tuple[pa.Table, tuple[Sequence[str], Sequence[str]]]:
    """Return the shift of each feature column against the training of the tick's champion; no rows without one.

    Beside it the columns that are new since then, and those that are gone.
    """
    system, rows = step.system, step.features(step.window)
    if step.champion is None or not len(rows):
        return DRIFT_SCHEMA.empty_table(), ((), ())
    then = step.stores.lake.read(system.name, TRAINING_PROFILE, ticks=[step.champion.as_of])
    now = rows.drop_columns([system.requests.key, PREDICT_AT])
    return drift_of(then, now), unmatched(then, now)


def score_shift(step: MonitoringStep) -> float | None:
    """Return the shift of the tick's scores against those of the days before; None without either."""
    tick, calendar = step.window, step.system.calendar
    start = max(calendar.start, tick.start - max(SCORES_BEFORE, calendar.step))
    made = step.predictions(TimeWindow(start, tick.end))
    now = np.asarray(pc.greater_equal(made[PREDICT_AT], pa.scalar(tick.start, made.schema.field(PREDICT_AT).type)))
    score = made[SCORE].to_numpy()
    return psi_of_scores(score[~now], score[now]) if now.any() and not now.all() else None
