"""What a system lived through, told from its ledger and its tables: for people, for programs, as one page."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from mlsys_assets.data_labeling.label import settled
from mlsys_assets.ledger import (
    ADEQUATE,
    ARBITER,
    GATE,
    GIVEN_UP,
    MANUAL,
    PERFORMANCE,
    PROMOTION,
    RETRAINING,
    TRAIN,
    TRAINING_SET,
    TRIGGER,
    cpu_seconds,
)
from mlsys_assets.measures.metrics import value
from mlsys_assets.production_monitoring.performance import LEAST_LABELLED, MEAN_COST
from mlsys_assets.production_monitoring.revisions import PREDICTED, latest
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import BASELINES, MODEL, MODEL_HASH, PREDICTIONS
from mlsys_assets.types import CHAMPION
from mlsys_assets.value_analysis.decided import decided
from mlsys_assets.value_analysis.monthly import monthly
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources

Told = dict[str, Any]


def report(system: MLSystem, stores: Resources) -> Told:
    """Return each tick's and month's metrics by model version, trainings, verdicts and cost, as JSON holds them."""
    ledger = stores.operations.decisions(system.name)
    champion = stores.operations.serving(system.name, CHAMPION)
    versions = {m.content_hash: m.version for m in stores.operations.models(system.name)}
    by_time: dict[datetime, list[Decision]] = {}
    for decision in ledger:
        by_time.setdefault(decision.as_of, []).append(decision)
    done = _performance(system, stores)
    ticks = [_tick(system, at, by_time[at], done, versions) for at in sorted(by_time)]
    return {
        "system": system.name,
        "ledger": stores.operations.ledger_hash(system.name),
        "champion": None if champion is None else {
            "version": champion.version, "content_hash": champion.content_hash, "as_of": champion.as_of.isoformat(),
        },
        "metrics": [m.name for m in system.metrics],
        "cost_unit": system.costs.unit if system.costs else None,
        "compute": _compute(system, ledger),
        "ticks": [tick for tick in ticks if tick is not None],
        "months": _months(system, stores, versions),
        "models": [
            {"version": m.version, "candidate": m.name, "as_of": m.as_of.isoformat(), "content_hash": m.content_hash}
            for m in stores.operations.models(system.name)
        ],
    }  # fmt: skip


def _performance(system: MLSystem, stores: Resources) -> dict[datetime, dict[str, Told]]:
    """Return the last revision of each model's performance, by the tick predicted."""
    if not stores.lake.has(system.name, PERFORMANCE):
        return {}
    found: dict[datetime, dict[str, Told]] = {}
    for row in latest(stores.lake.read(system.name, PERFORMANCE)):
        found.setdefault(row[PREDICTED], {})[row[MODEL]] = row
    return found


def _tick(
    system: MLSystem, as_of: datetime, decisions: Sequence[Decision], done: Mapping[datetime, dict[str, Told]],
    versions: Mapping[str, int],
) -> Told | None:  # fmt: skip
    decided = {(d.kind, d.name): d for d in decisions}
    retraining = decided.get((RETRAINING, MANUAL)) or decided.get((RETRAINING, ARBITER))
    gate = decided.get((RETRAINING, GIVEN_UP)) or decided.get((GATE, CHAMPION))
    sets, promotion = decided.get((TRAINING_SET, TRAINING_SET)), decided.get((PROMOTION, CHAMPION))
    if retraining is None and gate is None:
        return None
    tick = as_of - system.calendar.step
    models = done.get(tick, {})
    short = sets is not None and sets.verdict != ADEQUATE
    return {
        "as_of": as_of.isoformat(),
        "tick": system.calendar.key(tick),
        "verdicts": {d.name: {"verdict": d.verdict, "reason": d.reason} for d in decisions if d.kind == TRIGGER},
        "retraining": _said(retraining),
        "trained": sets is not None,
        "gate": {"verdict": sets.verdict, "reason": sets.reason} if short and sets else _said(gate),
        "promotion": _said(promotion),
        "version": versions.get(models[CHAMPION][MODEL_HASH]) if CHAMPION in models else None,
        "models": {name: _numbers(system, row) for name, row in models.items()},
        "compute": _compute(system, decisions) if sets is not None else None,
        "rollbacks": [_said(d) for d in decisions if d.kind == "rollback"],
    }


def _compute(system: MLSystem, decisions: Sequence[Decision]) -> Told:
    """Return the processor time of the trainings among the decisions, and what it cost where a price is declared."""
    used = round(cpu_seconds(decisions), 1)
    return {"cpu_s": used, "cost": system.price(used)}


def _said(decision: Decision | None) -> Told | None:
    return None if decision is None else {"verdict": decision.verdict, "reason": decision.reason}


def _numbers(system: MLSystem, row: Told) -> Told:
    names = ("revision", "requests", "labelled", "positives", *(m.name for m in system.metrics), MEAN_COST)
    return {name: row[name] for name in names}


def _months(system: MLSystem, stores: Resources, versions: Mapping[str, int]) -> list[Told]:
    """Return how each month's requests were predicted, by champion version and by baseline."""
    if not stores.lake.has(system.name, PREDICTIONS):
        return []
    key, read = system.requests.key, stores.lake.read
    known = settled(read(system.name, "labels"), key=key, corrections=system.label.corrections)
    rows = decided(read(system.name, PREDICTIONS), read(system.name, BASELINES), known, key=key)
    month, known = rows.at.astype("datetime64[M]"), ~np.isnan(rows.label)
    costs = [] if system.costs is None else monthly(rows.at, rows.label, rows.score, rows.model, cost=system.costs)

    def of(chosen: Any) -> Told:
        return _measured(system, rows.label[chosen], rows.score[chosen])

    found = []
    for at in np.unique(month):
        here = (month == at) & known
        champion = here & (rows.model == CHAMPION)
        contents = np.unique(rows.content[champion])
        found.append(
            {
                "month": str(at),
                "champion": of(champion),
                "versions": {str(versions.get(h, h)): of(champion & (rows.content == h)) for h in contents},
                "baselines": {n: of(here & (rows.model == n)) for n in np.unique(rows.model[here]) if n != CHAMPION},
                "costs": {cost.model: cost.as_dict() for cost in costs if cost.month == str(at)},
            }
        )
    return found


def _measured(system: MLSystem, label: Any, score: Any) -> Told:
    """Return the metrics of labelled rows; null where there are too few, or the metric cannot be told."""
    enough = len(label) >= LEAST_LABELLED and 0 < label.sum() < len(label)
    found = {m.name: value(m, label, score) if enough else None for m in system.metrics}
    numbers = {name: number if number is not None and math.isfinite(number) else None for name, number in found.items()}
    return {"labelled": len(label), "positives": int(label.sum()), **numbers}


def trainings(told: Told) -> list[Told]:
    """Return the ticks after which a training was decided on."""
    return [t for t in told["ticks"] if (t["retraining"] or {}).get("verdict") == TRAIN]
