"""A week as one self-contained page for people who run no code: opens anywhere, fetches nothing, runs nothing."""

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from mlsys_assets.charts import forest, lines
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.weekly.facts import AlertLine, AlertState, ModelWeek, WeeklyFacts
from mlsys_assets.production_monitoring.weekly.pictures import lamp, then_now, year_strip
from mlsys_assets.production_monitoring.weekly.words import (
    STRIP,
    Light,
    cost,
    day,
    doing,
    headline,
    light,
    moved,
    number,
    percent,
    text,
    untold,
    worded,
)
from mlsys_assets.types import CHAMPION, days

BASELINES: Final = 2
"""Baselines that are drawn beside the champion: those that did best."""
RECENT: Final = 4
"""Weeks before this one that its volume is held against."""
SYMPTOMS: Final = 5
"""That are told of a week; the worst come first."""
FORECASTS: Final = 13
"""Weeks whose estimates are drawn beside what came."""
GLOSSARY: Final = {
    "alert": "A message to the one who is responsible. The same fault makes one, however often it is seen.",
    "baseline": "A simple rule, such as always foretelling the usual share. A model that does no better is not needed.",
    "cost": "What acting on the predictions cost, by what each kind of mistake is declared to cost.",
    "index (PSI)": "How far a column is from what it was in training: below 0.1 little, from 0.25 on much.",
    "interval": "Where the true value lies in 19 of 20 such statements.",
    "log loss": "How far probabilities are from what came true; 0 were perfect. Confident mistakes weigh most.",
    "outcome, label": "What became of {request}: {positive} or not. It is known only some time after the prediction.",
    "training": "The model learns from past {requests} and their outcomes; then it stays as it is until the next one.",
}
LAMPS: Final = {Light.GREEN: "green", Light.AMBER: "amber", Light.RED: "red", Light.GREY: "grey"}
METRICS: Final = {"log_loss": "log loss", "roc_auc": "area under the ROC curve", "mean_cost": "cost"}
STYLE: Final = """
:root { color-scheme: light } * { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; color: #27313b; max-width: 900px; margin: 0 auto; padding: 2rem 20px }
header p, .soft, figcaption { color: #56616c } h1 { font-size: 1rem; font-weight: 600; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .4rem } h3 { font-size: 1rem; margin: 0 }
.head { display: flex; gap: 24px; align-items: flex-start; margin: 1.4rem 0; padding: 22px 24px; border-radius: 10px;
  background: #f7f9fa; border-left: 6px solid #9aa3ac }
.head svg { flex: none } .head p { margin: .35rem 0 } .head .big { font-size: 1.55rem; line-height: 1.25; margin: 0;
  font-weight: 600 }
.green { border-color: #3a8f4d } .amber { border-color: #e09a1f } .red { border-color: #c5372c }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 1rem 0 }
.tiles div { padding: 12px 16px; border: 1px solid #e1e6ea; border-radius: 8px } .tiles b { display: block;
  font-size: 1.5rem; font-weight: 600; line-height: 1.3 }
.tiles span { font-size: .85rem; color: #56616c }
figure { margin: 1rem 0 } figcaption { font-size: .85rem } svg { max-width: 100%; height: auto; display: block }
.moved { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 20px 32px }
.moved p { margin: .2rem 0 .6rem; font-size: .92rem }
table { border-collapse: collapse; font-size: .82rem; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid #e6eaed; text-align: right; vertical-align: top }
th { color: #56616c; font-weight: 600 } .l { text-align: left } dt { font-weight: 600 } dd { margin: 0 0 .6rem }
.key { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: .82rem; color: #56616c; padding: 0; list-style: none;
  margin: .3rem 0 }
.key i { display: inline-block; width: 1.4em; text-align: center; font-style: normal; border-radius: 2px;
  margin-right: .4em; color: #27313b }
footer { margin-top: 3rem; font-size: .82rem; color: #56616c; border-top: 1px solid #e1e6ea; padding-top: .8rem }
@media print { body { font-size: 11pt; padding: 0 } * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  .head, .tiles div, figure, .moved article, tr { break-inside: avoid } h2 { break-after: avoid } }
"""


def weekly_page(facts: WeeklyFacts) -> str:
    """Return the page of a week's facts, as HTML.

    What is missing is said in words: a system without a model, without labels, without costs has a page as well.
    """
    name = text(facts.wording.system)
    last = facts.week.end - days(1) if facts.week.length > days(1) else facts.week.end
    about = f"<p>{text(facts.wording.about)}</p>" if facts.wording.about else ""
    body = [
        f"<header><h1>{name}: the week from {day(facts.week.start)} to {day(last)}</h1>{about}</header>",
        "<main>",
        _head(facts),
        _volumes(facts),
        _year(facts),
        _performance(facts),
        _forecasts(facts),
        _moved(facts),
        _alerts(facts.alerts),
        _next(facts),
        _numbers(facts),
        _glossary(facts),
        "</main>",
        f"<footer>As known on {day(facts.as_of)}. Responsible: {text(facts.wording.owner)}. "
        "This page fetches nothing and runs nothing.</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}, week of {facts.week.start:%Y-%m-%d}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def _head(facts: WeeklyFacts) -> str:
    colour, (said, means) = light(facts), headline(facts)
    lit = LAMPS[colour]
    sentences = [
        f'<p class="big">{said}</p>',
        f"<p>{means}</p>" if means else "",
        f"<p>{cost(facts)}</p>",
        f"<p><strong>{doing(facts)}</strong></p>",
    ]
    if facts.open_alerts:
        several = len(facts.open_alerts) > 1
        sentences.append(f"<p>{number(len(facts.open_alerts), 0)} alert{'s are' if several else ' is'} open.</p>")
    return (
        f'<section class="head {lit}" aria-label="what happened">{lamp(lit, f"light: {lit}, {colour}")}'
        f"<div>{''.join(sentences)}</div></section>{_seen(facts)}"
    )


def _seen(facts: WeeklyFacts) -> str:
    told = facts.diagnosis
    if told is None:
        return ""
    seen = [f"<li>{text(one.told)}</li>" for one in told.symptoms[:SYMPTOMS]]
    more = len(told.symptoms) - SYMPTOMS
    if more > 0:
        seen.append(f"<li>and {number(more, 0)} more</li>")
    parts = [f'<p class="told">{text(told.reason)}</p>']
    parts += [f'<p>What was seen:</p><ul class="told">{"".join(seen)}</ul>'] if seen else []
    blind = untold(told)
    parts += [f'<p class="soft">Could not be looked at: <span class="told">{"; ".join(blind)}</span>.</p>'] * bool(blind)
    return _section("In the monitor's words", *parts)


def _volumes(facts: WeeklyFacts) -> str:
    mine, wording = facts.served, facts.wording
    foretold = next((one.share for one in facts.predicted if one.week == facts.week.start), None)
    title = worded("The {requests} of the week", wording)
    if mine is None:
        return _section(title, "<p>No model was in service this week, or nothing was predicted.</p>")
    before = [one.requests for one in facts.of(CHAMPION) if one.week < facts.week.start][-RECENT:]
    usual = f"{number(sum(before) / len(before), 0)} in the weeks before" if before else "no weeks before to compare"
    requests, positive = text(wording.requests), text(wording.positive)
    came = percent(mine.came) if mine.came is not None else "not known yet"
    tiles = [
        (number(mine.requests, 0), f"{requests} predicted; {usual}"),
        (percent(foretold) if foretold is not None else "not known", f"were expected to be {positive}"),
        (came, f"were {positive}, of those whose outcome is known"),
        (percent(mine.labelled / max(mine.requests, 1)), f"have a known outcome as of {day(mine.as_of)}"),
    ]
    shown = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in tiles)
    return _section(title, f'<div class="tiles">{shown}</div>', _shares(facts))


def _shares(facts: WeeklyFacts) -> str:
    weeks = facts.weeks()
    foretold = {one.week: one.share for one in facts.predicted}
    came = {one.week: one.came for one in facts.of(CHAMPION)}
    both = {"expected": [foretold.get(w) for w in weeks], "came": [came.get(w) for w in weeks]}
    title = f"share {facts.wording.positive}"
    what = worded("the share of {requests} that was expected to be {positive}, and that which came", facts.wording)
    return _lines(weeks, both, title, what)


def _year(facts: WeeklyFacts) -> str:
    if not facts.diagnoses:
        return _section("The year", "<p>No week was examined so far.</p>")
    there = {one.cause for one in facts.diagnoses}
    counts = {cause: sum(one.cause is cause for one in facts.diagnoses) for cause in Cause if cause in there}
    keys = "".join(
        f'<li><i style="background:{STRIP[c][2]}">{STRIP[c][1]}</i>{STRIP[c][0]}: {number(n, 0)} '
        f"week{'s' if n > 1 else ''}</li>"
        for c, n in counts.items()
    )
    quiet = number(counts.get(Cause.NOTHING, 0), 0)
    told = f"<p>{quiet} of {number(len(facts.diagnoses), 0)} weeks were quiet. "
    told += "Bars beneath a week: what its change cost, where that is beyond doubt.</p>" if facts.wording.unit else "</p>"
    strip = year_strip(facts.diagnoses, unit=facts.wording.unit, this=facts.week.start)
    return _section("The year", told, f"<figure>{strip}</figure>", f'<ul class="key">{keys}</ul>')


def _performance(facts: WeeklyFacts) -> str:
    title, wording, mine = "How well the model did", facts.wording, facts.of(CHAMPION)
    if not mine:
        return _section(title, "<p>No model has served yet.</p>")
    if all(one.metric is None for one in mine):
        return _section(title, "<p>No outcomes are known yet, so that nothing can be said of it.</p>")
    drawn = [CHAMPION, *facts.baselines(BASELINES)]
    by = {(one.model, one.week): one for one in facts.performance}
    weeks, parts = facts.weeks(), [f"<p>{_won(facts)}</p>"]
    for field, label, unit in (("cost", f"cost of a {wording.request}", wording.unit or ""), ("metric", _metric(facts), "")):
        series = {m: [_of(by.get((m, w)), field) for w in weeks] for m in drawn}
        if field == "metric" or wording.unit is not None:
            way = "higher is better" if field == "metric" and wording.higher_is_better else "lower is better"
            parts.append(_lines(weeks, series, f"{label}, {way}", f"{text(label)} of the model and of baselines", unit))
    if wording.unit is None:
        parts.append(f"<p>No costs are declared for {text(wording.system)}: only {text(_metric(facts))} is shown.</p>")
    return _section(title, *parts)


def _won(facts: WeeklyFacts) -> str:
    """Return in how many weeks the champion did better than every baseline."""
    told = {(one.model, one.week): one.metric for one in facts.performance if one.metric is not None}
    others = {model for model, _ in told} - {CHAMPION}
    judged = [week for model, week in told if model == CHAMPION and any((m, week) in told for m in others)]
    if not judged:
        return "There is no baseline to hold the model against."
    sign = -1 if facts.wording.higher_is_better else 1
    won = sum(all(sign * told[CHAMPION, w] < sign * told.get((m, w), sign * math.inf) for m in others) for w in judged)
    best = ", ".join(text(name) for name in facts.baselines(BASELINES))
    return (
        f"In {number(won, 0)} of {number(len(judged), 0)} weeks that can be judged it did better than every simple rule "
        f"beside it; drawn are the best of them ({best}). The last weeks change as more outcomes become known."
    )


def _forecasts(facts: WeeklyFacts) -> str:
    if not facts.forecasts:
        return ""
    shown = facts.forecasts[-FORECASTS:]
    found = {
        f"{one.week:%Y-%m-%d}": {
            **({"estimated": _span(one.estimate.value, one.estimate.low, one.estimate.high)} if one.estimate.sufficient else {}),
            **({"came": _span(one.realised, one.realised, one.realised)} if one.realised is not None else {}),
        }
        for one in shown
    }  # fmt: skip
    known = [one for one in shown if one.realised is not None and one.estimate.sufficient]
    inside = sum(one.estimate.low <= (one.realised or 0.0) <= one.estimate.high for one in known)
    silent = [one for one in shown if not one.estimate.sufficient]
    said = f"<p>In {number(inside, 0)} of {number(len(known), 0)} weeks what came lay within the estimate's interval."
    said += f" {number(len(silent), 0)} without an estimate, since it would not have been valid." if silent else ""
    picture = forest(found, title=_metric(facts), unit="")
    caption = f"{text(_metric(facts))}: estimated before outcomes were known, and as it came"
    return _section("Estimated before outcomes came", said + "</p>", _figure(picture, caption))


def _moved(facts: WeeklyFacts) -> str:
    title = "What the inputs look like"
    if not facts.compared:
        return _section(title, "<p>There is nothing to compare them with: no model, or no inputs this week.</p>")
    if not facts.moved:
        return _section(title, f"<p>None of {number(facts.compared, 0)} columns is far from what it was in training.</p>")
    key = '<ul class="key"><li><i style="background:#b9c4cf">&nbsp;</i>in training</li>'
    key += '<li><i style="background:#2f6f9f">&nbsp;</i>now</li></ul>'
    cards = "".join(
        f"<article><h3>{text(one.column)}</h3><p>{moved(one)}</p><figure>{then_now(one)}</figure></article>"
        for one in facts.moved
    )
    said = f"<p>Of {number(facts.compared, 0)} columns these are farthest from what they were in training. "
    said += "That is not bad in itself: seasons move inputs, and the light above tells whether it matters.</p>"
    return _section(title, said, key, f'<div class="moved">{cards}</div>')


def _alerts(alerts: Sequence[AlertLine]) -> str:
    if not alerts:
        return _section("Alerts", "<p>None.</p>")
    ranked = sorted(alerts, key=lambda one: (one.state is not AlertState.OPEN, -one.opened.timestamp()))
    rows = [(day(a.opened), text(a.severity), text(a.owner), text(a.title), text(a.state)) for a in ranked]
    return _section("Alerts", _table(("opened", "severity", "owner", "what", "state"), rows, left=5))


def _next(facts: WeeklyFacts) -> str:
    lines_ = [f"<li>{doing(facts)}</li>", *(f'<li class="told">{text(one)}</li>' for one in facts.planned)]
    model = f'<p>In service: <span class="told">{text(facts.champion)}</span>.</p>' if facts.champion else ""
    return _section("What comes next", model, f"<ul>{''.join(lines_)}</ul>")


def _numbers(facts: WeeklyFacts) -> str:
    mine = {one.week: one for one in facts.of(CHAMPION)}
    if not mine:
        return ""
    foretold = {one.week: one.share for one in facts.predicted}
    others = facts.baselines(BASELINES)
    by = {(one.model, one.week): one for one in facts.performance}
    unit = facts.wording.unit
    head = ["week of", facts.wording.requests, "outcome known", "as of", "expected", "came", _metric(facts)]
    head += [f"{_metric(facts)}, {name}" for name in others] + ([f"cost [{unit}]"] if unit else [])
    rows = []
    for week, one in reversed(sorted(mine.items())):
        row = [day(week), number(one.requests, 0), percent(one.labelled / max(one.requests, 1)), day(one.as_of)]
        row += [percent(foretold.get(week)), percent(one.came), _told(one.metric, 4)]
        row += [_told(_of(by.get((name, week)), "metric"), 4) for name in others]
        rows.append(row + ([_told(one.cost, 2)] if unit else []))
    return _section("The numbers behind the pictures", _table(head, rows, left=1))


def _glossary(facts: WeeklyFacts) -> str:
    words = "".join(
        f"<dt>{text(term)}</dt><dd>{worded(means, facts.wording)}</dd>"
        for term, means in GLOSSARY.items()
    )
    return _section("Words", f"<dl>{words}</dl>")


def _lines(weeks: Sequence[datetime], series: dict[str, list[float | None]], title: str, what: str, unit: str = "") -> str:
    picture = lines([f"{week:%m-%d}" for week in weeks], series, title=title, unit=unit, width=860)
    return _figure(picture, f"{what}, by the week that was predicted")


def _figure(picture: str, caption: str) -> str:
    """Return a picture with its caption, which is all that a screen reader reads: the table below has the numbers."""
    return f'<figure role="img" aria-label="{caption}">{picture}<figcaption>{caption}</figcaption></figure>'


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    def cells(tag: str, row: Iterable[str]) -> str:
        sides = (' class="l"' if n < left else "" for n in itertools.count())
        return "".join(f"<{tag}{side}>{cell}</{tag}>" for side, cell in zip(sides, row, strict=False))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', map(text, head))}</tr></thead><tbody>{body}</tbody></table>"


def _metric(facts: WeeklyFacts) -> str:
    return METRICS.get(facts.wording.metric, facts.wording.metric)


def _of(one: ModelWeek | None, field: str) -> float | None:
    return None if one is None else one.cost if field == "cost" else one.metric


def _told(value: float | None, digits: int) -> str:
    return "—" if value is None else number(value, digits)


def _span(value: float | None, low: float | None, high: float | None) -> tuple[float, float, float]:
    return tuple(math.nan if v is None else v for v in (value, low, high))  # type: ignore[return-value]  # three go in
