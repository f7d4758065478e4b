"""The command ``mlsys monitor``: what monitoring said of each tick, what came of it, and who was told."""

import argparse
import json
from datetime import datetime

from mlsys_assets.clocks import moment
from mlsys_assets.commands.asked import asked_system
from mlsys_assets.ledger import MONITORING, PERFORMANCE
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Price
from mlsys_assets.production_monitoring.monitored_ticks import (
    MonitoredTick,
    MonitoringHistory,
    Realised,
    monitoring_history,
)
from mlsys_assets.production_monitoring.revisions import revised_schema
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import Resources

HEAD = f"  {'as of':<18}{'cause':<20}{'remedy':<22}{'log loss':<39}{'money':<30}realised"
FALSE = "  an alarm is false if it warned, and its tick then cost no more than the rows that it was held against"


def command(options: argparse.Namespace) -> int:
    """Tell what monitoring said, for people or programs."""
    system, workspace = asked_system(options)
    since = None if options.since is None else moment(options.since)
    told = history_of(system, workspace.stores, since=since)
    print(json.dumps(told.as_dict(), indent=1) if options.json else "\n".join(summary(system, told)))
    return 0


def history_of(system: MLSystem, stores: Resources, *, since: datetime | None = None) -> MonitoringHistory:
    """Return what monitoring said of the ticks that ended since then, and who was told what."""
    name, lake = system.name, stores.lake
    there = lake.has(name, PERFORMANCE)
    performance = lake.read(name, PERFORMANCE) if there else revised_schema(system.metrics).empty_table()
    records = stores.operations.decisions(name, MONITORING, since=since)
    alerts = [row for row in stores.operations.alerts(name) if since is None or row.as_of >= since]
    return monitoring_history(records, performance, alerts, step=system.calendar.step)


def summary(system: MLSystem, told: MonitoringHistory) -> list[str]:
    """Return a history in lines for people: the ticks, the alerts below them, and how many were false."""
    ticks = [_line(tick) for tick in told.ticks]
    alerts = [
        f"  {a.as_of:%Y-%m-%d %H:%M}  {a.severity:<7}{a.owner:<16}{a.verdict:<10}{a.state:<8}{a.name}"
        + (" (false alarm)" if a.false else "")
        for a in told.alerts
    ]
    lines = ["", f"{system.name}: {len(ticks)} diagnoses, {len(alerts)} alerts", ""]
    lines += [HEAD, *ticks, ""] if ticks else []
    lines += [f"  {'as of':<18}{'how':<7}{'owner':<16}{'said':<10}{'state':<8}fault", *alerts, ""] if alerts else []
    rate = told.false_alarms_a_week
    if rate is None:
        return [*lines, "  no label of a tick has come that its cost could be told by"]
    return [*lines, f"  {rate:.2f} false alarms a week, in {told.judged_weeks:.1f} weeks whose cost is known", FALSE]


def _line(tick: MonitoredTick) -> str:
    found = tick.diagnosis
    log_loss, money = _priced(found.price)
    return (
        f"  {tick.as_of:%Y-%m-%d %H:%M}  {found.cause.value:<20}{found.remedy.value:<22}{log_loss:<39}{money:<30}"
        f"{_realised(tick.realised)}"
    ).rstrip()


def _priced(price: Price | None) -> tuple[str, str]:
    if price is None:
        return "—", "—"
    log_loss = f"{price.how} {_interval(price.log_loss, 1, '+.4f')}"
    return log_loss, "—" if price.money is None else _interval(price.money, price.requests, "+,.0f")


def _interval(found: Estimate, times: int, shape: str) -> str:
    if not found.sufficient:
        return "—"
    value, low, high = (format(each * times, shape) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _realised(found: Realised | None) -> str:
    if found is None:
        return "—"
    parts = [] if found.log_loss is None else [f"{found.log_loss:+.4f} log loss"]
    parts += [] if found.money is None else [f"{found.money:+,.0f} money"]
    return ", ".join(parts) or "—"
