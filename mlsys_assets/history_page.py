"""A system's history as one self-contained page: opens anywhere, fetches nothing, runs nothing."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from mlsys_assets.charts import lines
from mlsys_assets.types import CHAMPION

Told = Mapping[str, Any]

MEAN_COST = "mean_cost"
SHOWN_METRICS = 2
"""Of the declared metrics so many are drawn: the first decides."""
TITLES = {
    "log_loss": "log loss of each tick's predictions",
    "roc_auc": "area under the ROC curve",
    MEAN_COST: "cost of a request",
}
STYLE = """
body { font-family: sans-serif; max-width: 1000px; margin: 2em auto; color: #222; line-height: 1.4 }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0 }
th, td { padding: 3px 9px; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th { background: #f4f4f4 } td.text, th.text { text-align: left; white-space: normal }
tr.train td { background: #eef5ff } .yes { color: #b34700; font-weight: bold } code { font-size: 12px }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0 }
"""


def history_page(told: Told) -> str:
    """Return the page of a report."""
    name, champion = escape(told["system"]), told["champion"]
    ticks, metrics = told["ticks"], [*told["metrics"][:SHOWN_METRICS]]
    trained = sum(bool(t["trained"]) for t in ticks)
    head = f"{len(ticks)} decisions, {trained} trainings, {len(told['models'])} models promoted or registered. "
    head += (
        f"Champion: version {champion['version']}, <code>{champion['content_hash'][:16]}</code>. " if champion else ""
    )
    parts = [
        f"<h1>{name}</h1>",
        f"<p>{head}Ledger <code>{told['ledger'][:16]}</code>: the same data and code give the same.</p>",
        "<h2>Predictions as their labels came</h2>",
        "<p>By the tick that was predicted. Dashed: a model was trained once that tick had ended.</p>",
        *_pictures(ticks, metrics, told["cost_unit"]),
        "<h2>Every decision</h2>",
        "<p>Blue rows: a model was trained. The model is the one that predicted the tick before the decision.</p>",
        _tick_table(ticks, metrics, told["cost_unit"]),
        "<h2>Every month</h2>",
        _month_table(told["months"], metrics, told["cost_unit"]),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _pictures(ticks: Sequence[Told], metrics: Sequence[str], unit: str | None) -> list[str]:
    shown = [t for t in ticks if t["models"]]
    labels = [t["tick"][5:] for t in shown]
    events = {n: f"trained as of {t['as_of'][:10]}" for n, t in enumerate(shown) if t["trained"]}
    names = sorted({name for t in shown for name in t["models"]})
    found = []
    for metric in (*metrics, MEAN_COST):
        title = TITLES.get(metric, metric)
        series = {n: [t["models"].get(n, {}).get(metric) for t in shown] for n in names}
        if any(v is not None for values in series.values() for v in values):
            shown_unit = unit or "" if metric == MEAN_COST else ""
            found.append(lines(labels, series, title=title, unit=shown_unit, events=events))
    return found


def _tick_table(ticks: Sequence[Told], metrics: Sequence[str], unit: str | None) -> str:
    triggers = list(dict.fromkeys(name for t in ticks for name in t["verdicts"]))
    head = ["as of", *triggers, "decision", "gate", "model", "labelled", *metrics, MEAN_COST, "CPU s"]
    priced = any((t["compute"] or {}).get("cost") is not None for t in ticks)
    head += [f"compute [{unit or '—'}]"] if priced else []
    rows = []
    for tick in ticks:
        mine = tick["models"].get(CHAMPION, {})
        verdicts = [_verdict(tick["verdicts"].get(name)) for name in triggers]
        cells = [tick["as_of"][:10], *verdicts, _verdict(tick["retraining"]), _verdict(tick["gate"])]
        cells += [f"v{tick['version']}" if tick["version"] else "", _number(mine.get("labelled"), 0)]
        used = tick["compute"] or {}
        cells += [_number(mine.get(m)) for m in (*metrics, MEAN_COST)] + [_number(used.get("cpu_s"), 1)]
        rows.append((cells + [_number(used.get("cost"), 6)] * priced, "train" if tick["trained"] else ""))
    return _table(head, rows)


def _month_table(months: Sequence[Told], metrics: Sequence[str], unit: str | None) -> str:
    others = sorted({name for month in months for name in month["baselines"]})
    head = ["month", "labelled", *metrics, *(f"cost of {n} [{unit or '—'}]" for n in (CHAMPION, *others))]
    rows = []
    for month in months:
        mine = month["champion"]
        costs = [month["costs"].get(n, {}).get("total") for n in (CHAMPION, *others)]
        cells = [month["month"], _number(mine["labelled"], 0), *(_number(mine.get(m)) for m in metrics)]
        rows.append((cells + [_number(cost, 0) for cost in costs], ""))
    return _table(head, rows)


def _table(head: Iterable[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f'<tr class="{kind}">{"".join(f"<td>{c}</td>" for c in cells)}</tr>' for cells, kind in rows)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _verdict(said: Told | None) -> str:
    if said is None:
        return ""
    kind = "yes" if said["verdict"] in {"yes", "train"} else ""
    return f'<span class="{kind}" title="{escape(said["reason"])}">{escape(said["verdict"])}</span>'


def _number(value: float | None, digits: int = 4) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"
