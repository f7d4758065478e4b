"""A small year of a system that foretells rain, with every kind of fact on its weekly page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import LogLoss
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy, Symptom
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.production_monitoring.revisions import revised_schema
from mlsys_assets.production_monitoring.weekly.facts import Forecast, WeeklyFacts, Wording
from mlsys_assets.production_monitoring.weekly.gather import WeeklyTables, weekly_facts
from mlsys_assets.types import Calendar, TimeWindow, days, utc

START, WEEKS = utc("2013-01-07"), 30
WEEK = TimeWindow(START + days(7 * (WEEKS - 1)), START + days(7 * WEEKS))
WORDING = Wording("rain", "sky-team", "Rain, foretold.", "day", "days", "wet", "EUR")


def week(n: int) -> datetime:
    return START + timedelta(days=7 * n)


def estimate(value: float, low: float, high: float, *, sufficient: bool = True) -> Estimate:
    return Estimate(value, low, high, 500, 90, 7, sufficient=sufficient)


def diagnosis(
    n: int, cause: Cause, price: Price | None = None, remedy: Remedy = Remedy.NOTHING, **more: Any
) -> Diagnosis:
    more = {"symptoms": (), "learn_from": None, "reason": "", **more}
    return Diagnosis(window=TimeWindow(week(n), week(n + 1)), cause=cause, price=price, remedy=remedy, **more)


@dataclass(frozen=True)
class World:
    """The tables and what was said of them."""

    tables: WeeklyTables
    performance: list[dict[str, Any]]
    predictions: pa.Table
    diagnoses: tuple[Diagnosis, ...]
    forecasts: tuple[Forecast, ...]
    alerts: tuple[tuple[datetime, str, str, str, str], ...]

    def facts(self, **more: Any) -> WeeklyFacts:
        given: dict[str, Any] = {
            "as_of": WEEK.end, "diagnoses": self.diagnoses, "forecasts": self.forecasts, "alerts": self.alerts,
            "champion": "the second model", "planned": ("A retraining is under way.",), **more,
        }  # fmt: skip
        return weekly_facts(WORDING, WEEK, self.tables, **given)


def _performance(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n in range(WEEKS):
        for model, worse in (("champion", 0.0), ("usual", 0.1), ("wet_yesterday", 0.05), ("coin", 0.4)):
            for revision, labelled in ((1, 400), (2, 480)):
                rows.append(
                    {
                        "predicted": week(n), "model": model, "revision": revision, "as_of": week(n + revision),
                        "model_hash": "x", "requests": 500 + n, "labelled": labelled + n, "unlabelled": 100, "never": 3,
                        "positives": 90 + 2 * n, "log_loss": 0.4 + worse + rng.random() / 20,
                        "mean_cost": 11 + 10 * worse + rng.random(),
                    }
                )  # fmt: skip
    return rows


def rainy_year() -> World:
    """Return thirty weeks: a fault in the twentieth, and a shift in the last."""
    rng = np.random.default_rng(0)
    rows = _performance(rng)
    at = [week(n) + timedelta(hours=int(h)) for n in range(WEEKS) for h in range(40)]
    predictions = pa.table({"predict_at": pa.array(at, pa.timestamp("us", tz="UTC")), "score": rng.random(len(at)) / 3})
    then = pa.table(
        {"wind": rng.normal(size=2000), "sky": rng.choice(["grey", "blue"], 2000), "calm": rng.random(2000)}
    )
    now = pa.table(
        {"wind": rng.normal(size=500) + 1.5, "sky": rng.choice(["grey", "pink"], 500), "calm": rng.random(500)}
    )
    learned = profile(then)
    price = Price(estimate(0.05, 0.02, 0.08), estimate(2.5, 1.0, 4.0), 529, "estimated")
    diagnoses = tuple(
        diagnosis(n, Cause.PIPELINE, price, Remedy.FIX_DATA) if n == 20 else diagnosis(n, Cause.NOTHING)
        for n in range(WEEKS - 1)
    )
    last = diagnosis(
        WEEKS - 1,
        Cause.CONCEPT,
        price,
        Remedy.RETRAIN,
        reason="It rains otherwise, by .05.",
        symptoms=(Symptom(Cause.CONCEPT, "refit", "scores", "A refit is better by .05.", 0.05, 0.01),),
        learn_from=TimeWindow(week(10), week(WEEKS)),
        untold={"mmd": "only 12 rows"},
    )
    return World(
        WeeklyTables(
            Calendar(START, step=days(7)),
            pa.Table.from_pylist(rows, schema=revised_schema((LogLoss(),))),
            predictions,
            drift(learned, now),
            learned,
            now,
        ),
        rows,
        predictions,
        (*diagnoses, last),
        tuple(
            Forecast(week(n), estimate(0.42, 0.4, 0.45, sufficient=n != 27), 0.41 if n < 29 else None)
            for n in range(25, 30)
        ),
        (
            (week(20), "critical", "data-team", "wind in knots", "closed"),
            (week(29), "warning", "sky-team", "worse", "open"),
        ),
    )
