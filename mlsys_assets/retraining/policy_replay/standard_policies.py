"""The policies that a past is lived by once more: a system's own, and a dozen that anybody would ask about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol

from mlsys_assets.measures.metrics import Metric, RocAuc
from mlsys_assets.mistakes import none_of
from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_performance import PerformanceDrop
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.condition import AllOf
from mlsys_assets.retraining.learning import Learning, in_stage
from mlsys_assets.retraining.policy import DECLARED, Policy
from mlsys_assets.retraining.trigger import Trigger
from mlsys_assets.types import Calendar

EVERY_TICK: Final = "every_tick"
"""Trains as often as it can: what others are told against."""
NEVER: Final = "never"
"""Stays with the first champion."""
PERIODS: Final = (2, 4, 8)
"""Ticks between trainings."""
GROWTHS: Final = (0.1, 0.2, 0.5)
"""Shares by which the labels grow between trainings."""
DROP: Final = 0.05
"""By how much the area under the ROC curve falls until a training, where the system does not say."""
COOLDOWN: Final = 4
"""Ticks without a training after one, where triggers are combined or may fire at every tick."""
ALL: Final = "all"


class Deciding(Protocol):
    """The part of a system that says how it decides to train."""

    @property
    def calendar(self) -> Calendar:
        """Its ticks."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it measures."""
        ...

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What it asks at every tick."""
        ...

    @property
    def retraining(self) -> Retraining:
        """How the answers become a decision."""
        ...

    @property
    def learning(self) -> Learning:
        """What each training learns from, as declared."""
        ...

    @property
    def learns(self) -> Learning:
        """The same in the system's stage of retraining."""
        ...

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that it wants to be compared with its own."""
        ...


def standard_policies(system: Deciding) -> tuple[Policy, ...]:
    """Return the policies that anybody would ask about, and the one that the system declares: all learn as it does.

    Thresholds are the system's own where its triggers have any. Without an area under the ROC curve among its metrics,
    or a threshold of its own, nothing is asked of a drop in performance.
    """
    step, learning = system.calendar.step, system.learns
    labels, drift, drop = LabelVolume(GROWTHS[0]), _own(system, Drift, Drift()), _drop(system)
    rest = Retraining(cooldown=COOLDOWN * step)
    found = [
        Policy(NEVER, ()),
        Policy(EVERY_TICK, (Every(step),)),
        *(Policy(f"every_{n}_ticks", (Every(n * step),)) for n in PERIODS),
        *(Policy(f"labels_grow_{grows * 100:.0f}_percent", (LabelVolume(grows),)) for grows in GROWTHS),
        Policy("labels_grow_with_cooldown", (labels,), rest),
        Policy("drift", (drift,), rest),
        Policy("drift_or_every_8_ticks", (drift, Every(PERIODS[-1] * step)), rest),
    ]
    if drop is not None:
        found += [
            Policy("performance_drop", (drop,), rest),
            Policy("performance_drop_and_labels_grow", (drop, labels), replace(rest, when=AllOf(drop, labels))),
        ]
    own = [Policy.of(system)] if system.triggers else []
    return (*own, *(replace(policy, learning=learning) for policy in found))


def known_policies(system: Deciding) -> dict[str, Policy]:
    """Return the system's policies and the standard ones by name; its own take the place of one of that name."""
    return {policy.name: policy for policy in (*standard_policies(system), *system.policies)}


def asked_policies(system: Deciding, asked: str | None = None) -> tuple[Policy, ...]:
    """Return the policies that are asked for.

    Parameters
    ----------
    system
        Whose.
    asked
        Names with commas between them; ``all``; None: those that the system declares beside its own, what it does, what
        trains as often as it can and what never does; the standard ones, if it declares none.

    Raises LookupError for a name that is not known, and says which are.
    """
    known = known_policies(system)
    if asked == ALL or (asked is None and not system.policies):
        return tuple(known.values())
    if asked is None:
        names = [DECLARED, NEVER, EVERY_TICK, *(policy.name for policy in system.policies)]
        return tuple(known[name] for name in dict.fromkeys(names) if name in known)
    names = [name.strip() for name in asked.split(",")]
    if wrong := [told for name in names for told in none_of("a policy", name, known)]:
        raise LookupError(f"{' '.join(wrong)} Name them with commas between, or {ALL!r}")
    return tuple(known[name] for name in dict.fromkeys(names))


def reference(policies: Sequence[Policy]) -> str | None:
    """Return the policy that the others' losses are told against: that of every tick, if it is among them."""
    return EVERY_TICK if EVERY_TICK in [policy.name for policy in policies] else None


def in_words(policy: Policy, step: timedelta) -> str:
    """Return what a policy does, and how it learns where that is not from all that is known, from scratch."""
    if not policy.triggers:
        return "stays with its first champion"
    learning = in_stage(policy.learning, policy.retraining.stage)
    learns = "" if learning == Learning() else f"; {learning}"
    return "; ".join(_named(t, step) for t in policy.triggers) + f" ({policy.retraining}){learns}"


def _named(trigger: Trigger, step: timedelta) -> str:
    """Return what a trigger asks for after its name, or alone where it begins with that."""
    said = _said(trigger, step)
    return said if said.lower().startswith(trigger.name.lower()) else f"{trigger.name}: {said}"


def _said(trigger: Trigger, step: timedelta) -> str:
    if isinstance(trigger, Every):
        ticks = trigger.period / step
        return "every tick" if ticks == 1 else f"every {ticks:g} ticks"
    if isinstance(trigger, LabelVolume):
        return f"labels +{trigger.grows:.0%}"
    if isinstance(trigger, PerformanceDrop):
        return f"{trigger.metric.name} worse by {trigger.by:g}"
    return type(trigger).__name__


def _own(system: Deciding, kind: type[Any], default: Any = None) -> Any:
    return next((trigger for trigger in system.triggers if isinstance(trigger, kind)), default)


def _drop(system: Deciding) -> PerformanceDrop | None:
    own = _own(system, PerformanceDrop)
    watched = next((metric for metric in system.metrics if isinstance(metric, RocAuc)), None)
    if isinstance(own, PerformanceDrop):
        return own
    return None if watched is None else PerformanceDrop(DROP, watched)
