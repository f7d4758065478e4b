"""What is known of a flight one hour before its planned departure.

The plan names the aircraft (see the plan's notice in the sources), so that its last legs can be
looked up; the file holds flights out of New York only, so that an aircraft's way back is not seen.
"""

from collections.abc import Mapping
from typing import Any

from mlsys_assets import (
    Key,
    Lookup,
    Request,
    Scheduled,
    Trailing,
    age,
    count,
    days,
    hours,
    last,
    mean,
    minutes,
    rate,
)
from mlsys_assets.systems.flights.sources import FlightsSources

LATE = 15
"""Minutes from which a departure or an arrival counts as late."""
WEATHER_AGE = hours(4)
"""The oldest hour whose observation still describes the weather."""
PLAN_AGE = days(2)
"""Longer than a plan is known ahead."""

Features = tuple[Request | Lookup | Trailing | Scheduled, ...]
Row = Mapping[str, Any]


def _landed_late(row: Row) -> Any:
    return row["arr_delay"] > LATE


def _left_late(row: Row) -> Any:
    return row["dep_delay"] > LATE


def _lost(row: Row) -> Any:
    """Return the minutes lost after take-off: headwind and queues, beyond what the plan allows."""
    return row["arr_delay"] - row["dep_delay"]


def _planned_hours(row: Row) -> Any:
    """Return the hours from one clock face to the other; zones apart, the same for all flights of a route."""
    return (row["sched_arr_hour"] - row["sched_hour"]) % 24


HOUR = Key("hour", lambda row: row["sched_hour"] // 1)
"""The hour of the planned departure, local."""

LEFT = {"dep_late": rate(_left_late), "dep_delay": mean("dep_delay")}
LANDED = {"late": rate(_landed_late), "delay": mean("arr_delay")}


def build_features(sources: FlightsSources) -> Features:
    """Return the declarations, by what they tell of."""
    return (
        *_request(),
        *_weather(sources),
        *_now(sources),
        *_habits(sources),
        *_aircraft(sources),
        *_congestion(sources),
    )


def _request() -> Features:
    """Return the flight as planned."""
    return (
        Request("carrier", "origin", "dest", "distance", "sched_hour", "sched_arr_hour", "weekday",
                planned_hours=_planned_hours),
    )  # fmt: skip


def _weather(sources: FlightsSources) -> Features:
    """Return the weather at the origin: the last observation, and the hours before."""
    observed = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    return (
        Lookup(sources.weather, by="origin", columns=observed, max_age=WEATHER_AGE),
        Trailing(sources.weather, by="origin", over=(hours(6), hours(24)),
                 rain=mean("precip"), visibility=mean("visib"), mean_pressure=mean("pressure")),
    )  # fmt: skip


def _now(sources: FlightsSources) -> Features:
    """Return how the last hours go: at the origin, at the destination, with the carrier, everywhere."""
    left, landed = sources.departures, sources.arrivals
    return (
        Trailing(left, by=(), over=(hours(1), hours(3)), departed=count(), **LEFT),
        Trailing(left, by="origin", over=minutes(30), dep_late=rate(_left_late)),
        Trailing(left, by="origin", over=(hours(1), hours(3)), departed=count(), **LEFT),
        Trailing(left, by="origin", over=hours(24), **LEFT),
        Trailing(left, by="dest", over=hours(3), **LEFT),
        Trailing(left, by="carrier", over=hours(3), **LEFT),
        Trailing(left, by="carrier", over=hours(24), dep_late=rate(_left_late)),
        Trailing(left, by=("carrier", "origin"), over=hours(3), **LEFT),
        Trailing(left, by=("carrier", "origin"), over=hours(24), dep_late=rate(_left_late)),
        Trailing(landed, by="origin", over=hours(2), delay=mean("arr_delay")),
        Trailing(landed, by="origin", over=hours(3), lost=mean(_lost)),
        Trailing(landed, by="dest", over=(hours(6), hours(24)), delay=mean("arr_delay"), lost=mean(_lost)),
        Trailing(landed, by=("origin", "dest"), over=hours(24), lost=mean(_lost)),
        Trailing(landed, by="carrier", over=hours(3), **LANDED),
        Trailing(landed, by=("carrier", "origin"), over=hours(6), **LANDED),
        Trailing(sources.cancellations, by="origin", over=hours(24), cancelled=count()),
        Trailing(sources.cancellations, by="carrier", over=hours(24), cancelled=count()),
    )


def _habits(sources: FlightsSources) -> Features:
    """Return how such flights went over the last weeks."""
    landed = sources.arrivals
    return (
        Trailing(landed, by="carrier", over=days(7), delay=mean("arr_delay")),
        Trailing(landed, by="carrier", over=days(28), **LANDED),
        Trailing(landed, by=("origin", HOUR), over=(days(7), days(28)), **LANDED),
        Trailing(landed, by=("carrier", "origin", HOUR), over=(days(7), days(28)), **LANDED),
        Trailing(landed, by=("carrier", "flight"), over=days(4), last_delay=last("arr_delay")),
        Trailing(landed, by=("carrier", "flight"), over=days(7), delay=mean("arr_delay")),
        Trailing(landed, by=("carrier", "flight"), over=days(28), **LANDED),
        Trailing(landed, by=("carrier", "flight", "dest"), over=days(28), lost=mean(_lost), **LANDED),
    )


def _aircraft(sources: FlightsSources) -> Features:
    """Return the aircraft, and where its last legs left it."""
    return (
        Lookup(sources.planes, by="tailnum", columns=("seats",)),
        Trailing(sources.arrivals, by="tailnum", over=days(2), last_delay=last("arr_delay"), since_landed=age()),
        Trailing(sources.departures, by="tailnum", over=days(2), last_dep_delay=last("dep_delay"), since_left=age()),
    )


def _congestion(sources: FlightsSources) -> Features:
    """Return what else is planned: around the departure, and around the prediction (what should be leaving)."""
    plan = sources.schedule
    return (
        Scheduled(plan, by="origin", around=(minutes(30), hours(1)), max_age=PLAN_AGE, planned=count()),
        Scheduled(plan, by=("carrier", "origin"), around=hours(1), max_age=PLAN_AGE, planned=count()),
        Scheduled(plan, by="origin", around=(hours(1), hours(2)), max_age=PLAN_AGE, at="predict_at", due=count()),
    )
