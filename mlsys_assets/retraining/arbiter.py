"""The arbiter: many verdicts, one decision, and no more trainings than are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.ledger import HOLD, TRAIN
from mlsys_assets.mistakes import not_long, not_one, out_of_range
from mlsys_assets.retraining.condition import Condition, condition_mistakes, holds, triggers_in
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.stage import Stage
from mlsys_assets.retraining.training_cost import TrainingCost
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict
from mlsys_assets.retraining.worth_it import WorthIt
from mlsys_assets.types import Scalar

BY_HAND = "by hand only"
"""Why nothing is decided in the stage of manual training."""


@dataclass(frozen=True)
class Retraining:
    """How the triggers' verdicts become a decision.

    Parameters
    ----------
    when
        The condition over the system's triggers, such as ``EVERY & DRIFT | WORSE``; any of them, if not given.
    cooldown
        No training sooner after another.
    at_most, within
        No more than so many trainings in so long a time; no limit, if not given.
    stage
        Who may start a training: a person, the clock or all triggers.
    cost
        What a training costs, by declaration.
    most_cost
        What all trainings of any time ``within`` may cost, the next among them; no limit, if not given. It counts the
        declared ``cost``, never measured processor time, which is never the same twice: a decision replays.
    worth_it
        Holds back what does not gain its cost.
    """

    when: Condition | None = None
    cooldown: timedelta = timedelta(0)
    at_most: int | None = None
    within: timedelta | None = None
    stage: Stage = Stage.TRIGGERED
    cost: TrainingCost | None = None
    most_cost: float | None = None
    worth_it: WorthIt | None = None

    def __str__(self) -> str:
        if self.stage is Stage.MANUAL:
            return f"train {BY_HAND}"
        asked = "any yes" if self.when is None else self.when
        limits = [] if self.at_most is None else [f"at most {self.at_most} trainings in {_days(self.within)}"]
        if self.cooldown:
            limits.append(f"none within {_days(self.cooldown)} of another")
        if self.most_cost is not None:
            limits.append(f"at most {float(self.most_cost):g} spent in {_days(self.within)}")
        if self.worth_it is not None:
            limits.append("none that is not worth its cost")
        if self.stage.by_clock_alone:
            limits.append(f"stage {self.stage}: by the clock alone")
        return "; ".join([f"train on {asked}", *limits])

    @property
    def looks_back(self) -> timedelta:
        """How long ago a training may be that still counts."""
        remembered = timedelta(0) if self.worth_it is None else self.worth_it.looks_back
        return max(self.cooldown, self.within or timedelta(0), remembered)

    def mistakes(self, triggers: tuple[Trigger, ...]) -> list[str]:
        """Return what is wrong with the declaration, for a system with these triggers."""
        found = not_long("retraining: cooldown", self.cooldown, zero=True)
        alone = self.within is not None and self.at_most is None and self.most_cost is None
        if alone or (self.at_most is not None and self.within is None):
            found.append("retraining: at_most and within belong together; give both, or neither")
        if self.at_most is not None:
            found += out_of_range("retraining: at_most", self.at_most, whole=True, least=1)
        if self.within is not None:
            found += not_long("retraining: within", self.within)
        found += self._cost_mistakes() + self._stage_mistakes(triggers)
        return found + ([] if self.when is None else condition_mistakes(self.when, triggers))

    def _cost_mistakes(self) -> list[str]:
        found: list[str] = []
        if self.cost is not None:
            found += not_one("retraining: cost", self.cost, TrainingCost) or self.cost.mistakes()
        if self.worth_it is not None:
            found += not_one("retraining: worth_it", self.worth_it, WorthIt) or self.worth_it.mistakes()
        if self.most_cost is not None:
            found += out_of_range("retraining: most_cost", self.most_cost, above=0)
            if self.within is None:
                found.append("retraining: most_cost and within belong together; give both, or neither")
        if self.cost is None and (self.most_cost is not None or self.worth_it is not None):
            found.append(
                "retraining: most_cost and worth_it need the cost of a training; declare cost=TrainingCost(...)"
            )
        if not found and self.cost is not None and self.most_cost is not None and self.cost.fixed > self.most_cost:
            found.append(
                f"retraining: most_cost is {float(self.most_cost):g}, less than the {self.cost.of(0):g} that any "
                "training costs: none would ever be started; allow more"
            )
        return found

    def _stage_mistakes(self, triggers: tuple[Trigger, ...]) -> list[str]:
        if wrong := not_one("retraining: stage", self.stage, Stage):
            return wrong
        if self.stage.by_clock_alone and triggers and not any(t.by_clock is True for t in triggers):
            told = f"retraining: in the stage {self.stage} only triggers by the clock count, and there is none among "
            return [told + f"{', '.join(t.name for t in triggers)}; declare one, such as Every(days(28))"]
        return []


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


def decide(
    policy: Retraining,
    verdicts: Mapping[str, TriggerVerdict],
    history: History,
    *,
    triggers: tuple[Trigger, ...] = (),
) -> RetrainDecision:
    """Return the decision as of ``history.as_of``.

    Parameters
    ----------
    policy
        What was declared.
    verdicts
        By trigger's name.
    history
        The trainings before.
    triggers
        Those of the system: reasons name them in this order, else in that of the verdicts, and in the stages of
        training by the clock they tell which of them look at it.
    """
    verdicts = _in_order(verdicts, triggers)
    evidence: dict[str, Scalar] = {name: found.answer.value for name, found in verdicts.items()}
    counting = _counting(policy, verdicts, triggers)
    fired = [name for name, found in counting.items() if found.fires]
    without = _without_model(history)
    if policy.stage is Stage.MANUAL:
        return RetrainDecision(False, f"{BY_HAND}; {without or _told(verdicts)}", evidence)
    if not without and not _wanted(policy.when, verdicts, counting):
        told = f"{' and '.join(fired)} said yes, which is not enough" if fired else _silence(counting)
        return RetrainDecision(False, told, evidence)
    why = without or f"{' and '.join(fired)} said yes"
    evidence |= _costs(policy, history)
    if limited := _limits(policy, history):
        return RetrainDecision(False, f"{why}, but {limited}", evidence)
    if policy.worth_it is not None and policy.cost is not None and not without:
        worth = policy.worth_it.verdict(history, policy.cost)
        evidence |= {"worth it": worth.answer.value, **{f"worth it: {k}": v for k, v in worth.evidence.items()}}
        if worth.answer is Answer.NO:
            return RetrainDecision(False, f"{why}, but {worth.reason}", evidence)
    return RetrainDecision(True, why, evidence)


def _in_order(verdicts: Mapping[str, TriggerVerdict], triggers: tuple[Trigger, ...]) -> dict[str, TriggerVerdict]:
    declared = [t.name for t in triggers if t.name in verdicts]
    rest = [name for name in verdicts if name not in declared]
    return {name: verdicts[name] for name in [*declared, *rest]}


def _counting(
    policy: Retraining, verdicts: Mapping[str, TriggerVerdict], triggers: tuple[Trigger, ...]
) -> dict[str, TriggerVerdict]:
    """Return the verdicts that count in the policy's stage."""
    if not policy.stage.by_clock_alone:
        return dict(verdicts)
    named = () if policy.when is None else tuple(triggers_in(policy.when))
    by_clock = {t.name for t in (*triggers, *named) if t.by_clock}
    return {name: found for name, found in verdicts.items() if name in by_clock}


def _without_model(history: History) -> str:
    """Return why there is no model, in which case none is to be waited for: what does not serve cannot become worse."""
    if history.trained is None:
        return "nothing was trained yet"
    return "" if history.promoted else "nothing that was trained was promoted yet"


def _told(verdicts: Mapping[str, TriggerVerdict]) -> str:
    fired = [name for name, found in verdicts.items() if found.fires]
    return f"{' and '.join(fired)} said yes" if fired else _silence(verdicts)


def _silence(verdicts: Mapping[str, TriggerVerdict]) -> str:
    others = [f"{name}: {v.answer.value}" for name, v in verdicts.items() if v.answer is not Answer.NO]
    return "no trigger said yes" + (f" ({', '.join(others)})" if others else "")


def _costs(policy: Retraining, history: History) -> dict[str, Scalar]:
    if policy.cost is None:
        return {}
    spent = {} if policy.within is None else {"spent before": policy.cost.spent(history, policy.within)}
    return {"cost of a training": policy.cost.next(history), **spent}


def _limits(policy: Retraining, history: History) -> str:
    if history.attempts and (since := history.as_of - history.attempts[-1]) < policy.cooldown:
        return f"the last training was {since} ago; the cooldown is {policy.cooldown}"
    if policy.within is None:
        return ""
    recent = [at for at in history.attempts if at > history.as_of - policy.within]
    if policy.at_most is not None and len(recent) >= policy.at_most:
        return f"there were {len(recent)} trainings within {policy.within}; at most {policy.at_most} are allowed"
    if policy.cost is not None and policy.most_cost is not None:
        spent, more = policy.cost.spent(history, policy.within), policy.cost.next(history)
        if spent + more > policy.most_cost:
            return (
                f"trainings within {policy.within} cost {spent:g} and one more costs {more:g}; at most "
                f"{float(policy.most_cost):g} may be spent"
            )
    return ""


def _wanted(
    when: Condition | None, verdicts: Mapping[str, TriggerVerdict], counting: Mapping[str, TriggerVerdict]
) -> bool:
    if when is None:
        return any(found.fires for found in counting.values())
    return holds(when, lambda name: verdicts[name].fires if name in counting or name not in verdicts else None)


def _days(length: timedelta | None) -> str:
    return f"{(length or timedelta(0)) / timedelta(days=1):g} days"
