"""What can be wrong with how a system wants to be trained anew: triggers, decision, what is learned, policies."""

from collections.abc import Iterator

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.mistakes import alike, sound
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.learning import Learning, stage_mistakes
from mlsys_assets.retraining.policy import DECLARED, Policy, policies_mistakes
from mlsys_assets.retraining.trigger import Trigger, trigger_mistakes
from mlsys_assets.retraining.worth_it import WorthIt
from mlsys_assets.system import MLSystem


def retraining_mistakes(system: MLSystem) -> Iterator[str]:
    """Yield what is wrong; what is of the wrong kind was told before, and is left out."""
    triggers = sound(system.triggers, Trigger)
    for trigger in triggers:
        yield from trigger_mistakes(trigger)
        yield from _unmeasured(system, trigger)
    yield from alike("trigger", [t.name for t in triggers])
    for retraining in sound(system.retraining, Retraining):
        yield from retraining.mistakes(triggers)
    for learning in sound(system.learning, Learning):
        yield from learning.mistakes()
        for retraining in sound(system.retraining, Retraining):
            yield from stage_mistakes(retraining.stage, learning)
    yield from _gain_mistakes(system, system.retraining)
    yield from _policy_mistakes(system)


def _policy_mistakes(system: MLSystem) -> Iterator[str]:
    policies = sound(system.policies, Policy)
    yield from policies_mistakes(policies)
    for policy in policies:
        if str(policy.name).casefold() == DECLARED:
            yield f"policy {policy.name!r} is named as what the system itself decides by; choose another name"
        held_to = [told for t in sound(policy.triggers, Trigger) for told in _unmeasured(system, t)]
        held_to += _gain_mistakes(system, policy.retraining)
        yield from (f"policy {policy.name!r}: {told}" for told in held_to)


def _gain_mistakes(system: MLSystem, retraining: object) -> Iterator[str]:
    """Yield that gains are asked for in a metric by which no challenger is compared with the champion."""
    worth_it = retraining.worth_it if isinstance(retraining, Retraining) else None
    if not isinstance(worth_it, WorthIt) or not isinstance(worth_it.metric, Metric):
        return
    for gates in sound(system.gates, Gates):
        champion = getattr(gates.champion, "metric", None)
        asked = (*sound(system.metrics, Metric)[:1], champion, *sound(gates.beats_baselines, Metric))
        compared = [m.name for m in sound(asked, Metric)]
        if worth_it.metric.name not in compared:
            there = ", ".join(dict.fromkeys(compared))
            yield (
                f"retraining: worth_it: the gate does not compare by {worth_it.metric.name!r}, so that no gain in it "
                f"is known; it compares by: {there}"
            )


def _unmeasured(system: MLSystem, trigger: Trigger) -> Iterator[str]:
    measured = [m.name for m in sound(system.metrics, Metric)]
    watched = getattr(trigger, "metric", None)
    if isinstance(watched, Metric) and watched.name not in measured:
        yield f"trigger {trigger.name!r}: metric {watched.name!r} is none of the system's: {', '.join(measured)}"
