"""What triggers, policy, costs and the clock get wrong is told when it is declared."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pytest

from mlsys_assets import (
    AllOf,
    AnyOf,
    CostMatrix,
    Drift,
    Ece,
    Every,
    LabelVolume,
    MLSystem,
    PerformanceDrop,
    Retraining,
    days,
    utc,
)

ROOT = Path(__file__).parents[2]
RAIN = runpy.run_path(str(ROOT / "tests" / "systems" / "rain.py"))
W, O, SYSTEM = RAIN["weather"], RAIN["outcomes"], RAIN["rain"]  # noqa: E741 - the weather and its outcomes


def rain(**changes) -> MLSystem:
    return replace(SYSTEM, **changes)


def trigger(*ones) -> MLSystem:
    return rain(triggers=ones)


def policy(*parts, **changes) -> MLSystem:
    """The system with two triggers and a policy over these parts, if any."""
    when = {"when": AnyOf(*parts)} if parts else {}
    return rain(triggers=(MONTHLY, LABELS), retraining=Retraining(**(when | changes)))


def costs(false_positive=1, false_negative=5, **changes) -> MLSystem:
    return rain(costs=CostMatrix(false_positive, false_negative, **changes))


@dataclass(frozen=True)
class Deaf:
    """What asks for no history is no trigger."""

    name: str = "deaf"
    by_clock: bool = True

    def mistakes(self) -> list[str]:
        return []


MONTHLY, LABELS = Every(days(28)), LabelVolume(grows=0.1)

MISTAKES = {
    # triggers
    "a trigger without a comma": (lambda: rain(triggers=(MONTHLY)), "triggers is a Every; it must be a tuple"),
    "a trigger's class": (lambda: trigger(Every), "triggers[0] is the class Every; write Every(...)"),
    "a trigger by name": (lambda: trigger(MONTHLY, "drift"), "triggers[1] is 'drift'; it must be Trigger, and lacks"),
    "a trigger that cannot be asked": (lambda: trigger(Deaf()), "triggers[0] is a Deaf; it must be Trigger, and lacks"),
    "a trigger twice": (lambda: trigger(MONTHLY, Every(days(7))), "2 triggers are named 'every'; rename all but one"),
    "a trigger in capitals": (lambda: trigger(MONTHLY, Every(days(7), name="Every")), "named 'every' and 'Every'"),
    "a trigger by time with a space": (lambda: trigger(Every(days(7), name="each week")), "is called 'each week'"),
    "a trigger by volume with a dash": (lambda: trigger(LabelVolume(0.1, name="label-volume")), "called"),
    "a trigger by performance with a dot": (lambda: trigger(PerformanceDrop(0.1, name="auc.05")), "is called 'auc.05'"),
    "a trigger by drift without a name": (lambda: trigger(Drift(name="")), "a trigger is called ''; a name must"),
    "a period in days": (lambda: trigger(Every(28)), "trigger 'every': period is 28; it must be a duration"),
    "no period": (lambda: trigger(Every(days(0))), "trigger 'every': period must be longer than nothing"),
    "a period backwards": (lambda: trigger(Every(days(-7))), "trigger 'every': period must be longer than nothing"),
    "no growth": (lambda: trigger(LabelVolume(grows=0)), "trigger 'label_volume': grows is 0; it must be a number,"),
    "growth in words": (lambda: trigger(LabelVolume(grows="10%")), "trigger 'label_volume': grows is '10%'; it must"),
    "no drop": (lambda: trigger(PerformanceDrop(by=0)), "trigger 'performance_drop': by is 0; it must be a number,"),
    "a drop over no ticks": (lambda: trigger(PerformanceDrop(0.1, over=0)), "'performance_drop': over is 0; it must"),
    "a drop over half a tick": (lambda: trigger(PerformanceDrop(0.1, over=1.5)), "over is 1.5; it must be a whole"),
    "a drop in a metric by name": (
        lambda: trigger(PerformanceDrop(0.1, metric="roc_auc")), "trigger 'performance_drop': metric is 'roc_auc'",
    ),
    "a drop in what is not measured": (
        lambda: trigger(PerformanceDrop(0.1, metric=Ece())), "metric 'ece' is none of the system's: log_loss, roc_auc,",
    ),
    "a change that earns": (lambda: trigger(Drift(costs=-1)), "trigger 'drift': costs is -1; it must be a number, at"),
    "drift over no ticks": (lambda: trigger(Drift(over=0)), "trigger 'drift': over is 0; it must be a whole"),
    # retraining
    "a policy's class": (lambda: rain(retraining=Retraining), "retraining is the class Retraining; write Retraining("),
    "a policy that is a trigger": (lambda: rain(retraining=MONTHLY), "retraining is a Every; it must be Retraining"),
    "a cooldown in days": (lambda: policy(cooldown=14), "retraining: cooldown is 14; it must be a duration"),
    "a cooldown backwards": (lambda: policy(cooldown=days(-1)), "retraining: cooldown must not be negative"),
    "a limit without a time": (lambda: policy(at_most=3), "at_most and within belong together; give both, or neither"),
    "a time without a limit": (lambda: policy(within=days(91)), "at_most and within belong together; give both, or"),
    "no training ever": (lambda: policy(at_most=0, within=days(7)), "at_most is 0; it must be a whole number, at"),
    "trainings in halves": (lambda: policy(at_most=1.5, within=days(7)), "retraining: at_most is 1.5; it must be a"),
    "a limit in days": (lambda: policy(at_most=3, within=91), "retraining: within is 91; it must be a duration"),
    "a limit in no time": (lambda: policy(at_most=3, within=days(0)), "retraining: within must be longer than nothing"),
    "a trigger as condition": (lambda: policy(when=MONTHLY), "retraining: when is a Every; it must be AnyOf or AllOf"),
    "a condition of nothing": (lambda: policy(when=AllOf()), "when has no parts; name at least one trigger"),
    "a condition by name": (lambda: policy(MONTHLY, "drift"), "retraining: when[1] is 'drift'; it must be Trigger or"),
    "a trigger of another system": (
        lambda: policy(MONTHLY, AllOf(LABELS, Drift())), "names the trigger 'drift', which is none of the",
    ),
    "a trigger's double with other numbers": (
        lambda: policy(AllOf(Every(days(7)), LABELS)), "names another trigger 'every' than the system's",
    ),
    "a condition over no triggers": (
        lambda: rain(retraining=Retraining(AnyOf(MONTHLY))), "trigger 'every', which is none of the system's: none",
    ),
    "a condition of nothing within another": (lambda: policy(LABELS, AllOf()), "when has no parts; name at least one"),
    # costs
    "costs in a mapping": (lambda: rain(costs={"false_positive": 1}), "costs is a dict; it must be CostMatrix"),
    "costs of a class": (lambda: rain(costs=CostMatrix), "costs is the class CostMatrix; write CostMatrix(...)"),
    "a cost in words": (lambda: costs(false_positive="20 USD"), "costs: false_positive is '20 USD'; it must be a"),
    "a cost that is none": (lambda: costs(false_negative=None), "costs: false_negative is None; it must be a number"),
    "an endless cost": (lambda: costs(true_positive=float("inf")), "costs: true_positive is inf; it must be a number"),
    "a cost beyond all sums": (lambda: costs(true_negative=-1e13), "costs: true_negative is -10000000000000.0; it"),
    "acting that never pays": (lambda: costs(true_positive=5), "acting must cost less, else it never pays"),
    "acting that always pays": (lambda: costs(true_negative=1), "not acting must cost less, else acting always pays"),
    "no unit": (lambda: costs(unit=" "), "costs: unit is ' '; it must be text of 1 to 20 characters, as 'USD'"),
    "a unit that is a number": (lambda: costs(unit=5), "costs: unit is 5; it must be text of 1 to 20 characters"),
    "a unit in a sentence": (lambda: costs(unit="thousands of US dollars"), "it must be text of 1 to 20 characters"),
    # the simulated clock
    "a clock that begins on a date in text": (lambda: rain(simulated_from="2013-03-05"), "is '2013-03-05'; it must"),
    "a clock without a zone": (
        lambda: rain(simulated_from=datetime(2013, 3, 5)), "it must be a moment with a time zone",  # noqa: DTZ001
    ),
    "a clock that begins within a tick": (
        lambda: rain(simulated_from=utc("2013-03-05T12:00")), "2013-03-05 12:00 is not the start of a tick; the",
    ),
    "a clock that begins a second late": (
        lambda: rain(simulated_from=utc("2013-03-05") + timedelta(seconds=1)), "is not the start of a tick",
    ),
    "a clock before the calendar": (lambda: rain(simulated_from=utc("2012-12-31")), "is not the start of a tick; the"),
    "a clock past the calendar": (lambda: rain(simulated_from=utc("2013-04-02")), "is not the start of a tick; the"),
    "a clock before any data": (lambda: rain(simulated_from=utc("2013-01-01")), "with no data before it to train on"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_declaration(told: Callable[..., None], name: str) -> None:
    told(*MISTAKES[name])
