"""A week as one self-contained page for people who run no code: opens anywhere, fetches nothing, runs nothing."""

from typing import Final

from mlsys_assets.production_monitoring.weekly.facts import WeeklyFacts
from mlsys_assets.production_monitoring.weekly.markup import day, number, section, text
from mlsys_assets.production_monitoring.weekly.pictures import lamp
from mlsys_assets.production_monitoring.weekly.sections import (
    alerts,
    forecasts,
    inputs,
    numbers,
    performance,
    volumes,
    year,
)
from mlsys_assets.production_monitoring.weekly.style import STYLE
from mlsys_assets.production_monitoring.weekly.words import Light, cost, doing, headline, light, untold, worded
from mlsys_assets.types import days

SYMPTOMS: Final = 5
"""That are told of a week; the worst come first."""
GLOSSARY: Final = {
    "alert": "A message to the one who is responsible. The same fault makes one, however often it is seen.",
    "baseline": "A simple rule, such as always foretelling the usual share. A model that does no better is not needed.",
    "cost": "What acting on the predictions cost, by what each kind of mistake is declared to cost.",
    "index (PSI)": "How far a column is from what it was in training: below 0.1 little, from 0.25 on much.",
    "interval": "Where the true value lies in 19 of 20 such statements.",
    "log loss": "How far probabilities are from what came true; 0 were perfect. Confident mistakes weigh most.",
    "outcome": "What became of {request}: {positive} or not. It is known only some time after the prediction.",
    "training": "The model learns from past {requests} and their outcomes; then it stays as it is until the next one.",
}
LAMPS: Final = {Light.GREEN: "green", Light.AMBER: "amber", Light.RED: "red", Light.GREY: "grey"}


def weekly_page(facts: WeeklyFacts) -> str:
    """Return the page of a week's facts, as HTML.

    What is missing is said in words: a system without a model, without labels, without costs has a page as well.
    Each number of the text stands in a ``data`` element with its exact value.
    """
    name, about = text(facts.wording.system), facts.wording.about
    last = facts.week.end - days(1) if facts.week.length > days(1) else facts.week.end
    head = f"<h1>{name}: the week from {day(facts.week.start)} to {day(last)}</h1>"
    body = (
        _head(facts),
        _seen(facts),
        volumes(facts),
        year(facts),
        performance(facts),
        forecasts(facts),
        inputs(facts),
        alerts(facts),
        _next(facts),
        numbers(facts),
        _glossary(facts),
    )
    foot = f"As known on {day(facts.as_of)}. Responsible: {text(facts.wording.owner)}. "
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}, week of {facts.week.start:%Y-%m-%d}</title><style>{STYLE}</style></head>"
        f"<body><header>{head}{f'<p>{text(about)}</p>' if about else ''}</header><main>{''.join(body)}</main>"
        f"<footer>{foot}This page fetches nothing and runs nothing.</footer></body></html>"
    )


def _head(facts: WeeklyFacts) -> str:
    """Return what everybody is to read: the light, what happened, what it cost, what is done about it."""
    colour, (said, means) = light(facts), headline(facts)
    lit, still = LAMPS[colour], len(facts.open_alerts)
    sentences = [f'<p class="big">{said}</p>', f"<p>{means}</p>" if means else "", f"<p>{cost(facts)}</p>"]
    sentences.append(f"<p><strong>{doing(facts)}</strong></p>")
    if still:
        sentences.append(f"<p>{number(still, 0)} alert{'s are' if still > 1 else ' is'} open.</p>")
    picture = lamp(lit, f"light: {lit}, {colour}")
    return f'<section class="head {lit}" aria-label="what happened">{picture}<div>{"".join(sentences)}</div></section>'


def _seen(facts: WeeklyFacts) -> str:
    told = facts.diagnosis
    if told is None:
        return ""
    seen = [f'<li class="told">{text(one.told)}</li>' for one in told.symptoms[:SYMPTOMS]]
    if (more := len(told.symptoms) - SYMPTOMS) > 0:
        seen.append(f"<li>and {number(more, 0)} more</li>")
    blind = "; ".join(untold(told))
    parts = [
        f"<ul>{''.join(seen)}</ul>" if seen else "",
        f'<p class="soft">Could not be looked at: <span class="told">{blind}</span>.</p>' if blind else "",
    ]
    return section("What was seen", *parts) if any(parts) else ""


def _next(facts: WeeklyFacts) -> str:
    told, reason = facts.champion, "" if facts.diagnosis is None else facts.diagnosis.reason
    model = f'<p>In service: <span class="told">{text(told)}</span>.</p>' if told else "<p>No model is in service.</p>"
    items = [f'<li class="told">{text(one)}</li>' for one in facts.planned]
    words = f'<p class="soft">The monitor\'s own words: <span class="told">{text(reason)}</span></p>' if reason else ""
    return section("The model, and what comes next", model, f"<ul>{''.join(items)}</ul>" if items else "", words)


def _glossary(facts: WeeklyFacts) -> str:
    words = (f"<dt>{text(term)}</dt><dd>{worded(means, facts.wording)}</dd>" for term, means in GLOSSARY.items())
    return section("Words", f"<dl>{''.join(words)}</dl>")
