"""The sections of a weekly page; each says in words what is missing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.weekly.curves import curve
from mlsys_assets.production_monitoring.weekly.facts import AlertState, WeeklyFacts
from mlsys_assets.production_monitoring.weekly.marks import NOW, THEN
from mlsys_assets.production_monitoring.weekly.markup import (
    day,
    figure,
    number,
    number_or_dash,
    percent,
    plain,
    section,
    table,
    text,
)
from mlsys_assets.production_monitoring.weekly.pictures import surely_cost, then_now, year_strip
from mlsys_assets.production_monitoring.weekly.words import STRIP, moved, worded
from mlsys_assets.types import CHAMPION

BASELINES: Final = 2
"""Baselines that are drawn beside the champion: those that did best."""
RECENT: Final = 4
"""Weeks before this one that its volume is held against."""
FORECASTS: Final = 13
"""Weeks whose estimates are drawn beside what came."""
METRICS: Final = {"log_loss": "log loss", "roc_auc": "area under the ROC curve", "mean_cost": "cost"}
"""How metrics are called; others go by their own name."""
MODEL: Final = "the model"
BY_WEEK: Final = ", by the week that was predicted."
Series = Mapping[str, Sequence[float | None]]


def volumes(facts: WeeklyFacts) -> str:
    """Return how many requests there were, how many positives were expected, and how many came."""
    mine, wording = facts.served, facts.wording
    foretold = next((one.share for one in facts.predicted if one.week == facts.week.start), None)
    title = worded("The {requests} of the week", wording)
    if mine is None:
        return section(title, "<p>No model was in service this week, or nothing was predicted.</p>")
    before = [one.requests for one in facts.of(CHAMPION) if one.week < facts.week.start][-RECENT:]
    usual = "no weeks before to compare"
    if before:
        usual = f"{number(sum(before) / len(before), 0)} a week in the {number(len(before), 0)} before"
    requests, positive = text(wording.requests), text(wording.positive)
    came = percent(mine.came) if mine.came is not None else "not known yet"
    tiles = [
        (number(mine.requests, 0), f"{requests} predicted; {usual}"),
        (percent(foretold) if foretold is not None else "not known", f"were expected to be {positive}"),
        (came, f"were {positive}, of those whose outcome is known"),
        (percent(mine.labelled / max(mine.requests, 1)), f"have a known outcome as of {day(mine.as_of)}"),
    ]
    shown = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in tiles)
    return section(title, f'<div class="tiles">{shown}</div>', _shares(facts))


def _shares(facts: WeeklyFacts) -> str:
    weeks = facts.weeks()
    foretold = {one.week: one.share for one in facts.predicted}
    came = {one.week: one.came for one in facts.of(CHAMPION)}
    both = {
        "came": [_hundredfold(came.get(w)) for w in weeks],
        "expected": [_hundredfold(foretold.get(w)) for w in weeks],
    }
    title = f"share {facts.wording.positive}"
    what = worded("The share of {requests} that was expected to be {positive}, and that which came", facts.wording)
    return figure(curve(weeks, both, title=title, unit="%"), what + BY_WEEK)


def year(facts: WeeklyFacts) -> str:
    """Return what each week of the year was."""
    if not facts.diagnoses:
        return section("The year", "<p>No week was examined so far.</p>")
    there = {one.cause for one in facts.diagnoses}
    counts = {cause: sum(one.cause is cause for one in facts.diagnoses) for cause in Cause if cause in there}
    keys = "".join(
        f'<li><i style="background:{STRIP[c][2]}">{STRIP[c][1]}</i>{STRIP[c][0]}: {number(n, 0)} '
        f"week{'s' if n > 1 else ''}</li>"
        for c, n in counts.items()
    )
    quiet, weeks = counts.get(Cause.NOTHING, 0), len(facts.diagnoses)
    told = f"{number(quiet, 0)} of {number(weeks, 0)} week{'s were' if weeks > 1 else ' was'} quiet."
    if facts.wording.unit and any(map(surely_cost, facts.diagnoses)):
        told += " Bars beneath a week: what its change cost, where that is beyond doubt."
    strip = year_strip(facts.diagnoses, unit=facts.wording.unit, this=facts.week.start)
    return section("The year", f"<p>{told}</p>", f"<figure><div>{strip}</div></figure>", f'<ul class="key">{keys}</ul>')


def performance(facts: WeeklyFacts) -> str:
    """Return how the champion did beside the best baselines."""
    title, mine = "How well the model did", facts.of(CHAMPION)
    if not mine:
        return section(title, "<p>No model has served yet.</p>")
    if all(one.metric is None for one in mine):
        return section(title, "<p>No outcomes are known yet, so that nothing can be said of it.</p>")
    name = facts.wording.system
    alone = f"<p>No costs are declared for {text(name)}: only {text(_metric(facts))} is shown.</p>"
    priced = facts.wording.unit is not None
    return section(title, f"<p>{_won(facts)}</p>", _costs(facts) if priced else alone, _metrics(facts))


def _costs(facts: WeeklyFacts) -> str:
    what = f"cost of a {facts.wording.request}"
    series = _by_week(facts, {(one.model, one.week): one.cost for one in facts.performance})
    caption = f"{text(what.capitalize())}, for the model and for the best simple rules{BY_WEEK}"
    picture = curve(facts.weeks(), series, title=f"{what}, lower is better", unit=facts.wording.unit or "")
    return figure(picture, caption)


def _metrics(facts: WeeklyFacts) -> str:
    way = "higher is better" if facts.wording.higher_is_better else "lower is better"
    series = _by_week(facts, {(one.model, one.week): one.metric for one in facts.performance})
    caption = f"{text(_metric(facts).capitalize())} of the model and of the best simple rules{BY_WEEK}"
    return figure(curve(facts.weeks(), series, title=f"{_metric(facts)}, {way}"), caption)


def _by_week(facts: WeeklyFacts, told: Mapping[tuple[str, datetime], float | None]) -> Series:
    """Return what is told of the champion and of the best baselines, a line each."""
    drawn = {CHAMPION: MODEL} | {name: plain(name) for name in facts.baselines(BASELINES)}
    return {name: [told.get((model, week)) for week in facts.weeks()] for model, name in drawn.items()}


def _won(facts: WeeklyFacts) -> str:
    """Return in how many weeks the champion did better than every baseline."""
    sign = -1 if facts.wording.higher_is_better else 1
    losses = {(one.model, one.week): sign * one.metric for one in facts.performance if one.metric is not None}
    others = {model for model, _ in losses} - {CHAMPION}
    beside = {
        week: [losses[model, week] for model in others if (model, week) in losses]
        for model, week in losses
        if model == CHAMPION
    }
    judged = [losses[CHAMPION, week] < min(found) for week, found in beside.items() if found]
    if not judged:
        return "There is no baseline to hold the model against."
    best = ", ".join(text(plain(name)) for name in facts.baselines(BASELINES))
    return (
        f"In {number(sum(judged), 0)} of {number(len(judged), 0)} weeks that can be judged it did better than every "
        f"simple rule beside it; drawn are the best of them ({best}). "
        "What is said of the last weeks changes as more outcomes become known."
    )


def forecasts(facts: WeeklyFacts) -> str:
    """Return what was estimated before labels came, beside what came; nothing where nothing was estimated."""
    shown = facts.forecasts[-FORECASTS:]
    if not shown:
        return ""
    known = [(one.estimate, one.realised) for one in shown if one.estimate.sufficient and one.realised is not None]
    inside = sum(estimate.low <= came <= estimate.high for estimate, came in known)
    silent = sum(not one.estimate.sufficient for one in shown)
    said = f"In {number(inside, 0)} of {number(len(known), 0)} weeks what came lay within the interval of the estimate."
    said += f" In {number(silent, 0)} there is no estimate, since it would not have been valid." if silent else ""
    series = {"came": [one.realised for one in shown], "estimated": [_value(one.estimate) for one in shown]}
    band = [(e.low, e.high) if e.sufficient else None for e in (one.estimate for one in shown)]
    picture = curve([one.week for one in shown], series, title=_metric(facts), band=band)
    caption = (
        f"{text(_metric(facts).capitalize())}: estimated before outcomes were known, with its interval, and as it came."
    )
    return section("Estimated before outcomes came", f"<p>{said}</p>", figure(picture, caption))


def _value(estimate: Estimate) -> float | None:
    return estimate.value if estimate.sufficient else None


def inputs(facts: WeeklyFacts) -> str:
    """Return the columns that moved most."""
    title = "What the inputs look like"
    if not facts.compared:
        return section(title, "<p>There is nothing to compare them with: no model, or no inputs this week.</p>")
    compared = number(facts.compared, 0)
    if not facts.moved:
        return section(title, f"<p>None of {compared} columns is far from what it was in training.</p>")
    tones = ((THEN, "in training"), (NOW, "now"))
    key = "".join(f'<li><i style="background:{tone}">&nbsp;</i>{name}</li>' for tone, name in tones)
    cards = "".join(
        f"<article><h3>{text(one.column)}</h3><p>{moved(one)}</p><figure>{then_now(one)}</figure></article>"
        for one in facts.moved
    )
    said = f"<p>Of {compared} columns these are farthest from what they were in training. "
    said += "That is not bad in itself: seasons move inputs, and the light above tells whether it matters.</p>"
    return section(title, said, f'<ul class="key">{key}</ul>', f'<div class="moved">{cards}</div>')


def alerts(facts: WeeklyFacts) -> str:
    """Return the alerts, the open ones first, the latest first among them."""
    if not facts.alerts:
        return section("Alerts", "<p>There were none.</p>")
    ranked = sorted(facts.alerts, key=lambda one: (one.state is not AlertState.OPEN, -one.opened.timestamp()))
    rows = [(day(one.opened), *map(text, (one.severity, one.owner, one.title, one.state))) for one in ranked]
    return section("Alerts", table(("opened", "severity", "owner", "what", "state"), rows, left=5))


def numbers(facts: WeeklyFacts) -> str:
    """Return the numbers of the pictures, as a table."""
    mine = facts.of(CHAMPION)
    if not mine:
        return ""
    foretold = {one.week: one.share for one in facts.predicted}
    metric, unit, others = _metric(facts), facts.wording.unit, facts.baselines(BASELINES)
    by = {(one.model, one.week): one.metric for one in facts.performance}
    head = ["week of", facts.wording.requests, "outcome known", "as of", "expected", "came", metric]
    head += [f"{metric}, {plain(name)}" for name in others] + [f"cost [{unit}]"] * (unit is not None)
    rows = []
    for one in reversed(mine):
        row = [day(one.week), number(one.requests, 0), percent(one.labelled / max(one.requests, 1)), day(one.as_of)]
        row += [percent(foretold.get(one.week)), percent(one.came), number_or_dash(one.metric, 4)]
        row += [number_or_dash(by.get((name, one.week)), 4) for name in others]
        rows.append(row + [number_or_dash(one.cost, 2)] * (unit is not None))
    return section("The numbers behind the pictures", table(head, rows, left=1))


def _metric(facts: WeeklyFacts) -> str:
    return METRICS.get(facts.wording.metric, facts.wording.metric)


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share
