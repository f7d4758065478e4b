"""A second model on the rain system's sources and features: will the air be damp in three hours?"""

from dataclasses import replace

import pyarrow.compute as pc
from rain import outcomes, rain as dry, unobserved, weather

from mlsys_assets import (
    Gates,
    LightGBM,
    LogLoss,
    MLSystem,
    NaturalLabel,
    RocAuc,
    Support,
    TimeSplit,
    Trailing,
    ZeroRule,
    count,
    days,
    hours,
)  # fmt: skip

DAMP = 75
"""Relative humidity [%] from which the air is damp."""

rain = replace(
    dry,
    features=(
        *dry.features,
        Trailing(weather, by="origin", over=hours(12), wet_hours=count(lambda r: r["precip"] > 0)),
    ),
)
"""The rain system, with a count of wet hours."""

damp = MLSystem(
    name="damp",
    reuses=rain,
    calendar=rain.calendar,
    sources=rain.sources,
    requests=rain.requests,
    features=(*rain.features[:2], rain.features[3]),
    label=NaturalLabel(
        "damp",
        source=outcomes,
        compute=lambda rows: pc.greater(rows["humid"], DAMP),
        delay=hours(3),
        window=hours(6),
        never={"unobserved": unobserved},
    ),
    split=TimeSplit(validation=days(14), test=days(14)),
    candidates=(ZeroRule(), LightGBM(rounds=30, leaves=7)),
    metrics=(LogLoss(), RocAuc()),
    cold_start="origin_wet_hours_12h",
    gates=Gates(support=Support(least_of_each_class=30)),
)
