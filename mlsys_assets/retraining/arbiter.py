"""The arbiter: many verdicts, one decision, and no more trainings than are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlsys_assets.ledger import HOLD, TRAIN
from mlsys_assets.mistakes import not_all, not_long, not_one, out_of_range, sound
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict
from mlsys_assets.types import Scalar


@dataclass(frozen=True)
class AnyOf:
    """Holds if any of its parts does: triggers, or further conditions."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: "Trigger | AnyOf | AllOf") -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " or ".join(map(_in_words, self.parts))


@dataclass(frozen=True)
class AllOf:
    """Holds if all of its parts do: triggers, or further conditions."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: "Trigger | AnyOf | AllOf") -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " and ".join(map(_in_words, self.parts))


Condition = AnyOf | AllOf


def _in_words(part: Any) -> str:
    return f"({part})" if isinstance(part, Condition) else str(getattr(part, "name", part))


@dataclass(frozen=True)
class Retraining:
    """How the triggers' verdicts become a decision.

    Parameters
    ----------
    when
        The condition over the system's triggers; any of them, if not given.
    cooldown
        No training sooner after another.
    at_most, within
        No more than so many trainings in so long a time; no limit, if not given.
    """

    when: Condition | None = None
    cooldown: timedelta = timedelta(0)
    at_most: int | None = None
    within: timedelta | None = None

    def __str__(self) -> str:
        limits = [] if self.within is None else [f"at most {self.at_most} trainings in {self.within.days} days"]
        if self.cooldown:
            limits.append(f"none within {self.cooldown.days} days of another")
        return "; ".join([f"train on {self.when or 'any yes'}", *limits])

    @property
    def looks_back(self) -> timedelta:
        """How long ago a training may be that still counts for a limit."""
        return max(self.cooldown, self.within or timedelta(0))

    def mistakes(self, triggers: tuple[Trigger, ...]) -> list[str]:
        """Return what is wrong with the declaration, for a system with these triggers."""
        found = not_long("retraining: cooldown", self.cooldown, zero=True)
        if (self.at_most is None) != (self.within is None):
            found.append("retraining: at_most and within belong together; give both, or neither")
        if self.at_most is not None:
            found += out_of_range("retraining: at_most", self.at_most, whole=True, least=1)
        if self.within is not None:
            found += not_long("retraining: within", self.within)
        return found + ([] if self.when is None else _condition_mistakes(self.when, triggers))


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to train, why, and the verdicts it rests on."""

    train: bool
    reason: str
    evidence: Mapping[str, Scalar]

    @property
    def verdict(self) -> str:
        """In a word."""
        return TRAIN if self.train else HOLD


def decide(policy: Retraining, verdicts: Mapping[str, TriggerVerdict], history: History) -> RetrainDecision:
    """Return the decision as of ``history.as_of``.

    Parameters
    ----------
    policy
        What was declared.
    verdicts
        By trigger's name, in declared order.
    history
        The trainings before.
    """
    evidence: dict[str, Scalar] = {name: found.answer.value for name, found in verdicts.items()}
    fired = [name for name, found in verdicts.items() if found.fires]
    without = _without_model(history)
    if not without and not _holds(policy.when, verdicts):
        told = f"{' and '.join(fired)} said yes, which is not enough" if fired else _silence(verdicts)
        return RetrainDecision(False, told, evidence)
    why = without or f"{' and '.join(fired)} said yes"
    if limited := _limits(policy, history):
        return RetrainDecision(False, f"{why}, but {limited}", evidence)
    return RetrainDecision(True, why, evidence)


def _without_model(history: History) -> str:
    """Return why there is no model, in which case none is to be waited for: what does not serve cannot become worse."""
    if history.trained is None:
        return "nothing was trained yet"
    return "" if history.promoted else "nothing that was trained was promoted yet"


def _silence(verdicts: Mapping[str, TriggerVerdict]) -> str:
    others = [f"{name}: {v.answer.value}" for name, v in verdicts.items() if v.answer is not Answer.NO]
    return "no trigger said yes" + (f" ({', '.join(others)})" if others else "")


def _limits(policy: Retraining, history: History) -> str:
    if not history.attempts:
        return ""
    since = history.as_of - history.attempts[-1]
    if since < policy.cooldown:
        return f"the last training was {since} ago; the cooldown is {policy.cooldown}"
    if policy.at_most is not None and policy.within is not None:
        recent = [at for at in history.attempts if at > history.as_of - policy.within]
        if len(recent) >= policy.at_most:
            return f"there were {len(recent)} trainings within {policy.within}; at most {policy.at_most} are allowed"
    return ""


def _holds(when: Condition | None, verdicts: Mapping[str, TriggerVerdict]) -> bool:
    if when is None:
        return any(found.fires for found in verdicts.values())
    parts = [_holds(p, verdicts) if isinstance(p, Condition) else verdicts[p.name].fires for p in when.parts]
    return any(parts) if isinstance(when, AnyOf) else all(parts)


def _condition_mistakes(when: object, triggers: tuple[Trigger, ...]) -> list[str]:
    if wrong := not_one("retraining: when", when, (AnyOf, AllOf)):
        return wrong
    kinds = (Trigger, AnyOf, AllOf)
    parts = getattr(when, "parts", ())
    found = not_all("retraining: when", parts, kinds)
    if not parts:
        found.append("retraining: when has no parts; name at least one trigger, or leave it out to take any")
    for part in sound(parts, kinds):
        if isinstance(part, AnyOf | AllOf):
            found += _condition_mistakes(part, triggers)
        elif part not in triggers:
            there = ", ".join(t.name for t in triggers) or "none"
            found.append(f"retraining: when names the trigger {part.name!r}, which is none of the system's: {there}")
    return found
