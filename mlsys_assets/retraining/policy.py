"""A policy: when to train, on what and in which manner, as one thing that can be compared with others."""

from dataclasses import dataclass
from typing import Any, Self

from mlsys_assets.mistakes import alike, misnamed, not_all, not_one, sound
from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.learning import Learning, stage_mistakes
from mlsys_assets.retraining.trigger import Trigger, trigger_mistakes

DECLARED = "declared"
"""The name of the policy that a system declares itself."""


@dataclass(frozen=True)
class Policy:
    """When a system trains, and what each training learns from.

    Parameters
    ----------
    name
        Unique among those that are compared.
    triggers
        What is asked at every tick; none: the first champion stays.
    retraining
        How the answers become a decision.
    learning
        Which rows a training learns from, from scratch or on.

    >>> from mlsys_assets.retraining.by_time import Every
    >>> from mlsys_assets.types import days
    >>> Policy("weekly", (Every(days(7)),)).mistakes()
    []
    """

    name: str
    triggers: tuple[Trigger, ...]
    retraining: Retraining = Retraining()
    learning: Learning = Learning()

    @classmethod
    def of(cls, system: Any, name: str = DECLARED) -> Self:
        """Return the policy that a system declares."""
        return cls(name, system.triggers, system.retraining, system.learning)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        what = f"policy {self.name!r}"
        found = misnamed("a policy", self.name) + not_all(f"{what}: triggers", self.triggers, Trigger)
        triggers = sound(self.triggers, Trigger)
        found += [f"{what}: {told}" for trigger in triggers for told in trigger_mistakes(trigger)]
        found += [f"{what}: {told}" for told in alike("trigger", [t.name for t in triggers])]
        wrong = not_one(f"{what}: retraining", self.retraining, Retraining)
        found += wrong or [f"{what}: {told}" for told in self.retraining.mistakes(triggers)]
        unlearned = not_one(f"{what}: learning", self.learning, Learning)
        found += unlearned or [f"{what}: {told}" for told in self.learning.mistakes()]
        if not (wrong or unlearned):
            found += [f"{what}: {told}" for told in stage_mistakes(self.retraining.stage, self.learning)]
        return found


def policies_mistakes(policies: object) -> list[str]:
    """Return what is wrong with policies that are to be compared: with each, and with their names together."""
    found = not_all("policies", policies, Policy)
    each = sound(policies, Policy)
    twice = [told.replace("policys", "policies") for told in alike("policy", [p.name for p in each])]
    return found + [told for policy in each for told in policy.mistakes()] + twice
