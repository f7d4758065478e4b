"""The light, the headline and the sum of a week, for every cause and every way a price can be told."""

from dataclasses import replace
from typing import Any

import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy
from mlsys_assets.production_monitoring.weekly.facts import Moved, WeeklyFacts, Wording
from mlsys_assets.production_monitoring.weekly.words import (
    CAUSES,
    REMEDIES,
    STRIP,
    Light,
    cost,
    doing,
    headline,
    light,
    moved,
)
from mlsys_assets.types import TimeWindow, utc

WEEK = TimeWindow.of("2013-12-16", "2013-12-23")
WORDING = Wording("flights", "ops", request="flight", requests="flights", positive="late", unit="USD")
ALERT = (utc("2013-12-20"), "warning", "ops", "worse", "open")


def estimate(value: float, low: float, high: float, *, sufficient: bool = True) -> Estimate:
    return Estimate(value, low, high, 500, 90, 7, sufficient=sufficient)


SURE, UNSURE, UNTOLD = estimate(2, 1, 3), estimate(0.5, -1, 2), estimate(0, 0, 0, sufficient=False)


def facts(cause: Cause, price: Price | None = None, remedy: Remedy = Remedy.NOTHING, **more: Any) -> WeeklyFacts:
    return WeeklyFacts(
        WORDING, WEEK, WEEK.end, diagnoses=(Diagnosis(WEEK, cause, (), price, remedy, None, ""),), **more
    )


def test_every_cause_and_every_remedy_has_its_words() -> None:
    assert set(CAUSES) == set(STRIP) == set(Cause)
    assert set(REMEDIES) == set(Remedy)
    letters = [letter for _, letter, _ in STRIP.values()]
    assert len(set(letters)) == len(letters)  # read in grey, they are told apart
    for cause in Cause:
        assert "{" not in "".join(headline(facts(cause)))


@pytest.mark.parametrize(
    ("cause", "price", "colour"),
    [
        (Cause.NOTHING, None, Light.GREEN),
        (Cause.UNTOLD, None, Light.GREY),
        (Cause.SCHEMA, None, Light.RED),
        (Cause.PIPELINE, None, Light.RED),
        (Cause.SKEW, Price(UNSURE, UNSURE, 10, "estimated"), Light.RED),
        (Cause.COVARIATE, None, Light.AMBER),
        (Cause.LABEL, Price(SURE, UNSURE, 10, "realised"), Light.AMBER),  # money, where it is told, decides
        (Cause.LABEL, Price(UNSURE, SURE, 10, "realised"), Light.RED),
        (Cause.CONCEPT, Price(SURE, None, 10, "realised"), Light.RED),
        (Cause.CONCEPT, Price(SURE, UNTOLD, 10, "realised"), Light.RED),
        (Cause.CONCEPT, Price(UNTOLD, UNTOLD, 10, "realised"), Light.AMBER),
    ],
)
def test_the_light(cause: Cause, price: Price | None, colour: Light) -> None:
    assert light(facts(cause, price, Remedy.RETRAIN)) is colour


def test_a_change_that_nothing_is_done_about_is_no_red_and_says_why() -> None:
    harder = facts(Cause.COVARIATE, Price(SURE, SURE, 10, "estimated"), Remedy.NOTHING)
    assert light(harder) is Light.AMBER
    assert doing(harder) == (
        "Learning anew would not help: such flights are harder to foretell. The model stays as it is."
    )
    assert plain(cost(facts(Cause.SKEW, Price(SURE, SURE, 10, "realised")))).startswith("The fault cost 20.00 USD")


def test_an_open_alert_is_no_green() -> None:
    from mlsys_assets.production_monitoring.weekly.facts import AlertLine

    assert light(facts(Cause.NOTHING, alerts=(AlertLine.of(ALERT),))) is Light.AMBER
    closed = AlertLine.of((*ALERT[:4], "closed"))
    assert light(facts(Cause.NOTHING, alerts=(closed,))) is Light.GREEN
    assert light(WeeklyFacts(WORDING, WEEK, WEEK.end)) is Light.GREY


def plain(said: str) -> str:
    import re

    return re.sub(r"<[^>]+>", "", said)


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (
            Price(SURE, SURE, 6000, "realised"),
            "The change cost 12,000 USD on 6,000 flights (between 6,000 and 18,000; by the outcomes known so far).",
        ),
        (
            Price(SURE, UNSURE, 10, "estimated"),
            (
                "Whether the change cost anything is not certain: the sum is 5.00 USD on 10 flights (between "
                "−10.00 and 20.00; estimated without the outcomes)."
            ),
        ),
        (
            Price(SURE, estimate(-2, -3, -1), 10, "realised"),
            (
                "The change cost nothing, but saved: the sum is −20.00 USD on 10 flights (between −30.00 and "
                "−10.00; by the outcomes known so far)."
            ),
        ),
        (
            Price(SURE, UNTOLD, 10, "realised"),
            (
                "What it costs in USD cannot be told yet: too few data. Its log loss is 2.000 more than it "
                "would have been (between 1.000 and 3.000)."
            ),
        ),
        (
            Price(UNTOLD, None, 10, "realised"),
            (
                "No costs are declared for flights, so that no sum can be named. How much worse the model "
                "predicts cannot be told either."
            ),
        ),
        (None, "What it costs cannot be told yet."),
    ],
)
def test_what_it_costs(price: Price | None, said: str) -> None:
    assert plain(cost(facts(Cause.LABEL, price))) == said


def test_a_quiet_week_costs_nothing_and_asks_for_nothing() -> None:
    quiet = facts(Cause.NOTHING)
    assert cost(quiet) == "Since nothing changed, no loss was computed."
    assert doing(quiet) == "Nothing needs to be done."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"psi": 0.3, "mean_shift": 1.25},
            "Moved much (index 0.30). Its mean is higher than in training by 1.2 of its usual spread.",
        ),
        (
            {"psi": 0.2, "mean_shift": -0.5},
            "Moved somewhat (index 0.20). Its mean is lower than in training by 0.5 of its usual spread.",
        ),
        (
            {"mean_shift": 0.1},
            "Moved somewhat (index 0.11). Its mean is about where it was; its values are spread otherwise.",
        ),
        (
            {"missing_now": 0.25},
            (
                "Moved somewhat (index 0.11). Its mean is about where it was; its values are spread "
                "otherwise. Missing in 25.0% now, in 0.0% then."
            ),
        ),
    ],
)
def test_how_a_column_moved(change: dict[str, Any], said: str) -> None:
    assert plain(moved(replace(Moved("temp", 0.11, 0.0, 0.0, 0.0, (), numeric=True), **change))) == said


def test_a_declaration_of_words_tells_its_mistakes() -> None:
    assert WORDING.mistakes() == []
    (one, two) = replace(WORDING, request=" ", unit="x" * 61).mistakes()
    assert one.startswith("wording: request is ' '")
    assert "1 to 60 characters" in two
