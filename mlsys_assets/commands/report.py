"""The command ``mlsys report``: what a system lived through, in lines for people, as JSON, or as a page."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from mlsys_assets.commands.asked import asked_system
from mlsys_assets.history_page import history_page
from mlsys_assets.production_monitoring.performance import MEAN_COST
from mlsys_assets.report import report
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION

Told = Mapping[str, Any]


def command(options: argparse.Namespace) -> int:
    """Tell a system's history, for people or programs, or write it as a page."""
    system, workspace = asked_system(options)
    told = report(system, workspace.stores)
    if options.html is not None:
        options.html.write_text(history_page(told), encoding="utf-8")
    print(json.dumps(told, indent=1) if options.json else "\n".join(summary(system, told)))
    return 0


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
