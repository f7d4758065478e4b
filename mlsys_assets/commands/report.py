"""What a system lived through, told from its ledger and its tables: for people, for programs, as one page."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from mlsys_assets.commands.asked import asked_system
from mlsys_assets.commands.history_page import history_page
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
    champion = stores.operations.alias(system.name, CHAMPION)
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
    retraining = decided.get((RETRAINING, ARBITER)) or decided.get((RETRAINING, MANUAL))
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
    known = settled(read(system.name, "labels"), key=key)
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


def summary(system: MLSystem, told: Told) -> list[str]:
    """Return a report in lines for people: a table of the ticks, and of the months."""
    first = system.metrics[0].name
    second = next((m.name for m in system.metrics if m.name == "roc_auc"), first)
    head = f"  {'as of':<12}{'said yes':<34}{'decision':<10}{'gate':<8}{'model':>6}{first:>10}{second:>10}{'cost':>9}"
    lines = ["", f"{system.name}: {len(told['ticks'])} decisions", "", head]
    for tick in told["ticks"]:
        yes = ", ".join(name for name, v in tick["verdicts"].items() if v["verdict"] == "yes")
        mine = tick["models"].get(CHAMPION, {})
        decision, gate = tick["retraining"] or {"verdict": "by hand"}, tick["gate"] or {"verdict": ""}
        version = f"v{tick['version']}" if tick["version"] else ""
        numbers = _cell(mine.get(first), 10) + _cell(mine.get(second), 10) + _cell(mine.get(MEAN_COST), 9, 2)
        lines.append(
            f"  {tick['as_of'][:10]:<12}{yes:<34}{decision['verdict']:<10}{gate['verdict'][:7]:<8}{version:>6}{numbers}"
        )
    return [*lines, "", *_compute_line(told), *_month_lines(told, first, second)]


def _compute_line(told: Told) -> list[str]:
    used, n = told["compute"], sum(bool(t["trained"]) for t in told["ticks"])
    if not n:
        return []
    price = "" if used["cost"] is None else f", for {used['cost']:.2g} {told['cost_unit'] or ''}".rstrip()
    return [f"  {n} training{'s' if n > 1 else ''} took {used['cpu_s']:,.0f} s of a processor{price}", ""]


def _month_lines(told: Told, first: str, second: str) -> list[str]:
    unit = f" [{told['cost_unit']}]" if told["cost_unit"] else ""
    others = sorted({name for month in told["months"] for name in month["baselines"]})
    head = f"  {'month':<12}{'labelled':>9}{first:>10}{second:>10}{'cost':>12}" + "".join(f"{n:>14}" for n in others)
    lines = [head + f"   (cost of the month's decisions{unit}, by champion and baseline)"] if told["months"] else []
    for month in told["months"]:
        mine = month["champion"]
        costs = [month["costs"].get(name, {}).get("total") for name in (CHAMPION, *others)]
        numbers = _cell(mine[first], 10) + _cell(mine[second], 10) + _cell(costs[0], 12, 0)
        lines.append(
            f"  {month['month']:<12}{mine['labelled']:>9,}{numbers}" + "".join(_cell(c, 14, 0) for c in costs[1:])
        )
    return lines


def _cell(number: float | None, width: int, digits: int = 4) -> str:
    return f"{'—' if number is None else format(number, f',.{digits}f'):>{width}}"


def trainings(told: Told) -> list[Told]:
    """Return the ticks after which a training was decided on."""
    return [t for t in told["ticks"] if (t["retraining"] or {}).get("verdict") == TRAIN]


def command(options: argparse.Namespace) -> int:
    """Tell a system's history, for people or programs, or write it as a page."""
    system, workspace = asked_system(options)
    told = report(system, workspace.stores)
    if options.html is not None:
        options.html.write_text(history_page(told), encoding="utf-8")
    print(json.dumps(told, indent=1) if options.json else "\n".join(summary(system, told)))
    return 0
