"""The flights system: whether a flight that leaves New York lands more than a quarter of an hour late."""

from datetime import datetime
from zoneinfo import ZoneInfo

from mlsys_assets import (
    Accuracy,
    AllOf,
    AnyOf,
    Brier,
    Drift,
    Ece,
    Every,
    Gates,
    LabelVolume,
    Learning,
    LightGBM,
    LogisticRegression,
    LogLoss,
    MLSystem,
    NonInferiority,
    PerformanceDrop,
    Policy,
    PrAuc,
    Requests,
    Retraining,
    RocAuc,
    SlidingWindow,
    Stateful,
    TimeSplit,
    TimeWindow,
    Weekly,
    days,
    utc,
)
from mlsys_assets.systems.flights.evaluation import (
    ABSTENTION,
    BASELINES,
    BEHAVIOR,
    COSTS,
    FAIRNESS,
    FINDER,
    MONITORING,
    SLICES,
    THRESHOLD,
    WORTH,
)
from mlsys_assets.systems.flights.features import build_features
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.labels import build_label
from mlsys_assets.systems.flights.sources import build_sources

NEW_YORK = ZoneInfo("America/New_York")
TRUSTED_MONTHS = range(1, 7)
TRUSTED_DAYS = (8, 11)
"""The 8th, 9th and 10th of each month, January to June, local time: tested on for ever, trained on never."""


def static_test() -> tuple[TimeWindow, ...]:
    """Return the windows of the static trusted test."""
    first, after = TRUSTED_DAYS
    return tuple(
        TimeWindow.of(datetime(2013, month, first, tzinfo=NEW_YORK), datetime(2013, month, after, tzinfo=NEW_YORK))
        for month in TRUSTED_MONTHS
    )


def build_system(files: FlightsFiles) -> MLSystem:
    """Return the system on the raw files of a folder."""
    sources = build_sources(files)
    monthly, labels = Every(days(28)), LabelVolume(grows=0.1)
    worse, shifted = PerformanceDrop(by=0.05), Drift(costs=0.005)
    return MLSystem(
        name="flights",
        owner="ops-analytics",
        description="Late arrivals of flights from New York City, predicted one hour before the planned departure.",
        calendar=Weekly("2012-12-31", end="2014-01-06"),
        sources=sources.all(),
        requests=Requests(sources.schedule, key="flight_id"),
        label=build_label(sources),
        features=build_features(sources),
        split=TimeSplit(validation=days(14), test=days(14), static_test=static_test()),
        candidates=(
            *BASELINES,
            LogisticRegression(),
            LightGBM(column_share=0.3, more={"max_bin": 63}),
        ),
        metrics=(LogLoss(), RocAuc(), PrAuc(), Brier(), Ece(), Accuracy()),
        slices=SLICES,
        slice_finder=FINDER,
        behavior=BEHAVIOR,
        fairness=FAIRNESS,
        threshold=THRESHOLD,
        worth=WORTH,
        abstention=ABSTENTION,
        gates=Gates(champion=NonInferiority(recent=0.01, static=0.01), slice_margin=0.05),
        triggers=(monthly, labels, worse, shifted),
        retraining=Retraining(
            AnyOf(labels, worse, AllOf(monthly, shifted)), cooldown=days(14), at_most=6, within=days(91)
        ),
        policies=(
            Policy("every_4_ticks_stateful", (monthly,), learning=Learning(stateful=Stateful())),
            Policy("every_4_ticks_nine_weeks", (monthly,), learning=Learning(window=SlidingWindow(days(63)))),
        ),
        monitoring=MONITORING,
        costs=COSTS,
        cpu_hour_price=0.05,  # about what a general-purpose virtual processor is rented for
        simulated_from=utc("2013-07-01"),
    )


flights = build_system(FlightsFiles.installed())
