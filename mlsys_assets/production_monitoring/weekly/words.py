"""What a week's facts mean, in plain words; a number within them is marked up with its exact value."""

from enum import StrEnum
from typing import Final

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy
from mlsys_assets.production_monitoring.weekly.facts import Moved, WeeklyFacts, Wording
from mlsys_assets.production_monitoring.weekly.markup import day, number, percent, text
from mlsys_assets.types import days

BUGS: Final = frozenset({Cause.SCHEMA, Cause.PIPELINE, Cause.SKEW})
"""Causes that are somebody's mistake, and are mended and not learned from."""
NOTICEABLE_SHIFT: Final = 0.2
"""Standard deviations from which on a mean is called higher or lower: a small effect (Cohen 1988)."""
NOTICEABLE_MISSING: Final = 0.05
"""How much of a column must have come or gone before it is told."""
VOWELS: Final = frozenset("aeiou")


class Light(StrEnum):
    """The colour of a week, and what it stands for."""

    GREEN = "all is well"
    AMBER = "keep an eye on it"
    RED = "something is to be done"
    GREY = "not known"


CAUSES: Final = {
    Cause.SCHEMA: ("The incoming data changed its form.", "Columns came, went, or hold another kind of value."),
    Cause.PIPELINE: ("There is a fault in the data.", "Values are wrong, not the world: a source or a step broke."),
    Cause.SKEW: (
        "The live service sees other inputs than the model learned from.",
        "The same input is computed in two ways.",
    ),
    Cause.COVARIATE: ("This week's {requests} are of another kind.", "The model knows few like them."),
    Cause.LABEL: (
        "How many {requests} are {positive} has changed.",
        "What each looks like has not: the model's probabilities are off by about the same factor throughout.",
    ),
    Cause.CONCEPT: (
        "What used to foretell that {request} is {positive} does so no longer.",
        "The same inputs now end otherwise than they did.",
    ),
    Cause.NOTHING: ("A quiet week: nothing changed that matters.", ""),
    Cause.UNTOLD: ("This week cannot be judged yet.", "There are too few data to tell."),
}
"""By cause: the headline, and a sentence beneath it."""
REMEDIES: Final = {
    Remedy.NOTHING: "Nothing needs to be done.",
    Remedy.FIX_DATA: "The data are to be fixed where they come from. The model need not change.",
    Remedy.FIX_SERVING: "The live service is to be fixed. The model need not change.",
    Remedy.CORRECT_PRIOR: "The model's probabilities are corrected for the new share. It need not learn anew.",
    Remedy.REWEIGHT: "The model is trained anew, with more weight on what resembles this week.",
    Remedy.RETRAIN: "The model is trained anew.",
    Remedy.WAIT: "Outcomes must come in first; until then the model stays as it is.",
}
HARDER: Final = "Learning anew would not help: such {requests} are harder to foretell. The model stays as it is."
"""What is said of a change that nothing is done about."""
STRIP: Final = {
    Cause.NOTHING: ("quiet", "·", "#dfeee2"),
    Cause.SCHEMA: ("change of form", "F", "#f0b8b2"),
    Cause.PIPELINE: ("fault in the data", "D", "#f0b8b2"),
    Cause.SKEW: ("fault in the service", "S", "#f0b8b2"),
    Cause.COVARIATE: ("other inputs", "I", "#f8dfae"),
    Cause.LABEL: ("other share", "P", "#f8dfae"),
    Cause.CONCEPT: ("other relation", "R", "#f8dfae"),
    Cause.UNTOLD: ("not known", "?", "#e4e6e9"),
}
"""By cause: a short name, a letter and a colour, so that a picture is read in grey as well."""


def light(facts: WeeklyFacts) -> Light:
    """Return the week's colour.

    Red is a fault, or a change that costs something beyond doubt and that something is to be done about; amber any
    other change, or an open alert.
    """
    told = facts.diagnosis
    if told is None or told.cause is Cause.UNTOLD:
        return Light.AMBER if facts.open_alerts else Light.GREY
    if told.cause is Cause.NOTHING:
        return Light.AMBER if facts.open_alerts else Light.GREEN
    mended = told.cause in BUGS or (surely_costs(told.price) and told.remedy is not Remedy.NOTHING)
    return Light.RED if mended else Light.AMBER


def surely_costs(price: Price | None) -> bool:
    """Return whether the interval of a loss lies above nothing: of the money, or of the log loss where none is told."""
    if price is None:
        return False
    told = price.money if price.money is not None and price.money.sufficient else price.log_loss
    return told.sufficient and told.low > 0


def headline(facts: WeeklyFacts) -> tuple[str, str]:
    """Return what happened, as one sentence, and what that means."""
    if facts.diagnosis is None:
        return "This week was not examined.", "No diagnosis was made of it."
    first, then = CAUSES[facts.diagnosis.cause]
    return worded(first, facts.wording), worded(then, facts.wording)


def cost(facts: WeeklyFacts) -> str:
    """Return what the change costs, or why that is not told."""
    told, wording = facts.diagnosis, facts.wording
    if told is None or told.price is None:
        quiet = told is not None and told.cause is Cause.NOTHING
        return "Since nothing changed, no loss was computed." if quiet else "What it costs cannot be told yet."
    price = told.price
    if wording.unit is None or price.money is None:
        return f"No costs are declared for {text(wording.system)}, so that no sum can be named. {_log_loss(price)}"
    if not price.money.sufficient:
        return f"What it costs in {text(wording.unit)} cannot be told yet: too few data. {_log_loss(price)}"
    return _money(price, price.money, wording, "fault" if told.cause in BUGS else "change")


def doing(facts: WeeklyFacts) -> str:
    """Return what is to be done."""
    told = facts.diagnosis
    if told is None:
        return "Nothing was decided on it."
    changed = told.cause not in (Cause.NOTHING, Cause.UNTOLD) and told.remedy is Remedy.NOTHING
    said = worded(HARDER if changed else REMEDIES[told.remedy], facts.wording)
    if told.learn_from is None:
        return said
    last = told.learn_from.end - days(1) if told.learn_from.length > days(1) else told.learn_from.end
    return f"{said} It learns from what happened from {day(told.learn_from.start)} to {day(last)}."


def moved(one: Moved) -> str:
    """Return how a column moved."""
    size = "much" if one.psi >= LARGE else "somewhat"
    parts = [f"Moved {size} (index {number(one.psi, 2)})."]
    if one.mean_shift is not None and abs(one.mean_shift) >= NOTICEABLE_SHIFT:
        way = "higher" if one.mean_shift > 0 else "lower"
        parts.append(f"Its mean is {way} than in training by {number(abs(one.mean_shift), 1)} of its usual spread.")
    elif one.numeric:
        parts.append("Its mean is about where it was; its values are spread otherwise.")
    elif one.bins:
        most = max(one.bins, key=lambda found: abs(found.now - found.then))
        parts.append(f"{text(most.name)}: {percent(most.now)} now, {percent(most.then)} in training.")
    if abs(one.missing_now - one.missing_then) >= NOTICEABLE_MISSING:
        parts.append(f"Missing in {percent(one.missing_now)} now, in {percent(one.missing_then)} then.")
    return " ".join(parts)


def untold(diagnosis: Diagnosis | None) -> list[str]:
    """Return which tests could not look, and why."""
    return [] if diagnosis is None else [f"{text(k)}: {text(why)}" for k, why in sorted(diagnosis.untold.items())]


def _money(price: Price, money: Estimate, wording: Wording, what: str) -> str:
    unit, n = text(wording.unit or ""), price.requests
    how = "estimated without the outcomes" if price.how == "estimated" else "by the outcomes known so far"
    between = f"between {number(money.low * n)} and {number(money.high * n)}"
    total = f"{number(money.value * n)} {unit} on {number(n, 0)} {text(wording.requests)} ({between}; {how})"
    if money.low > 0:
        return f"The {what} cost {total}."
    if money.high < 0:
        return f"The {what} cost nothing, but saved: the sum is {total}."
    return f"Whether the {what} cost anything is not certain: the sum is {total}."


def _log_loss(price: Price) -> str:
    loss = price.log_loss
    if not loss.sufficient:
        return "How much worse the model predicts cannot be told either."
    between = f"between {number(loss.low, 3)} and {number(loss.high, 3)}"
    return f"Its log loss is {number(loss.value, 3)} more than it would have been ({between})."


def worded(sentence: str, wording: Wording) -> str:
    """Return a sentence with the system's own words in it, escaped."""
    article = "an" if wording.request[:1].lower() in VOWELS else "a"
    names = {
        "request": f"{article} {text(wording.request)}",
        "requests": text(wording.requests),
        "positive": text(wording.positive),
    }
    return sentence.format(**names)
