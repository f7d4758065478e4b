"""The rain system by weekly ticks on a simulated clock, as a workspace: small enough to live through again."""

import os
from dataclasses import replace

import rain as daily

from mlsys_assets import (
    CostMatrix,
    Drift,
    Every,
    LabelVolume,
    PerformanceDrop,
    Retraining,
    SystemClock,
    Weekly,
    build_definitions,
    days,
    utc,
)  # fmt: skip
from mlsys_resources.resources import build_resources

rain = replace(
    daily.rain,
    calendar=Weekly("2013-01-01", end="2013-06-04"),
    gates=replace(daily.rain.gates, recent_margin=0.05, static_margin=0.05),
    triggers=(Every(days(21)), LabelVolume(grows=0.2), PerformanceDrop(by=0.1), Drift(share=0.9)),
    retraining=Retraining(cooldown=days(14), at_most=3, within=days(56)),
    costs=CostMatrix(false_positive=1, false_negative=5),
    simulated_from=utc("2013-03-05"),
)

SYSTEMS = (rain,)
resources = build_resources(os.environ, clock=SystemClock().now)
defs = build_definitions(*SYSTEMS, resources=resources)
