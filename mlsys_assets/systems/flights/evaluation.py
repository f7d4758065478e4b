"""How a model of flights is judged: what it must beat, how it must behave, and where it is looked at closely."""

from mlsys_assets import (
    Abstention,
    ByCost,
    CostMatrix,
    Directional,
    EdgeCase,
    Fairness,
    FeedbackLog,
    GroupRate,
    Higher,
    HumanRule,
    Invariant,
    LogLoss,
    Monitoring,
    Perturbed,
    PipelineTests,
    RandomBaseline,
    Readings,
    RowsAlone,
    Slice,
    SliceFinder,
    TruePositiveRate,
    When,
    Words,
    Worth,
    ZeroRule,
)

COSTS = CostMatrix(false_positive=20, false_negative=100, true_positive=40)
BASELINES = (
    RandomBaseline(),
    ZeroRule(),
    # What somebody at the gate would say: delays already, fog, rain, the evening.
    HumanRule(
        (
            When("all_dep_late_3h", ">", 0.5),
            When("origin_visib", "<", 2.0),
            When("origin_precip", ">", 0.0),
            When("sched_hour", ">=", 17),
        ),
        name="person",
    ),
    GroupRate(by=("carrier", "dest", "sched_hour")),
)
"""From the simplest on; the champion of the day is the fifth."""
SLICES = (Slice("origin"), Slice("carrier"))
FINDER = SliceFinder(
    ("carrier", "origin", "dest", "sched_hour", "sched_arr_hour", "weekday", "planned_hours", "origin_visib")
)
SENSORS = (
    "origin_temp", "origin_dewp", "origin_humid", "origin_wind_dir", "origin_wind_speed", "origin_wind_gust",
    "origin_precip", "origin_pressure", "origin_visib",
)  # fmt: skip
STORM = {"origin_precip": 0.5, "origin_visib": 1.0, "origin_wind_speed": 30.0, "origin_dep_delay_1h": 60.0}
BEHAVIOR = (
    Perturbed(SENSORS, readings=Readings("origin"), called="auc_holds_under_the_noise_of_weather"),
    Invariant("tailnum"),
    Invariant("carrier", at_most=0.1),
    RowsAlone(),
    Directional("origin_precip", 1, by=0.1),
    Directional("origin_visib", -1, by=2.0),
    EdgeCase("storm", STORM, Higher(0.02)),
)
FAIRNESS = (Fairness(Slice("carrier"), (TruePositiveRate(),), at_most=0.4),)
"""Who flies with one carrier is to be warned nearly as often as who flies with another."""
THRESHOLD = ByCost(COSTS)
ABSTENTION = Abstention(price=15.0, costs=COSTS)
"""Somebody at the gate looks for himself: a quarter of an hour."""
WORTH = Worth(LogLoss(), least_gain=0.005, costs=COSTS, price=0.01)

MONITORING = Monitoring(
    # No gust is told where there was none: how many hours had one changes with the weather.
    bugs={
        "weather": PipelineTests(may_jump=("wind_gust",)),
        "features": PipelineTests(may_jump=("origin_wind_gust",)),
    },
    feedback=FeedbackLog(item=("carrier", "dest"), shown_per_day=20),  # what the desk looks at: the likeliest late
    words=Words("flight", "flights", positive="late"),
)
"""What each week is held against the four before it."""
