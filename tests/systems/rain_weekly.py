"""The rain system by weekly ticks on a simulated clock, as a workspace: small enough to live through again."""

from dataclasses import replace

import rain as daily

from mlsys_assets import (
    CostMatrix,
    Drift,
    Every,
    LabelVolume,
    NonInferiority,
    PerformanceDrop,
    Retraining,
    Weekly,
    Workspace,
    days,
    utc,
)  # fmt: skip

rain = replace(
    daily.rain,
    calendar=Weekly("2013-01-01", end="2013-06-04"),
    gates=replace(daily.rain.gates, champion=NonInferiority(recent=0.1, static=0.03)),
    triggers=(Every(days(21)), LabelVolume(grows=0.2), PerformanceDrop(by=0.1), Drift()),
    retraining=Retraining(cooldown=days(14), at_most=3, within=days(56)),
    costs=CostMatrix(false_positive=1, false_negative=5),
    cpu_hour_price=0.04,
    simulated_from=utc("2013-03-05"),
)

workspace = Workspace(rain)
defs = workspace.definitions
