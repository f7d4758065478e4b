"""The decision to train as a Dagster condition, which assets of one's own can hang on."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.ledger import TRAIN
from mlsys_assets.retraining.assets import DECISION, WHAT
from mlsys_assets.retraining.history import REMEMBERED
from mlsys_assets.system import MLSystem


@dataclass(frozen=True)
class DecidedToTrain(dg.AutomationCondition[dg.AssetKey]):
    """True for the as-ofs as of which the arbiter decided to train, of its last decisions.

    For an asset without partitions it is true as long as the last decision is to train.
    """

    decision: dg.AssetKey

    @property
    def requires_cursor(self) -> bool:
        """It remembers nothing: it reads what was decided."""
        return False

    @property
    def description(self) -> str:
        """In words."""
        return f"{self.decision.to_user_string()} is {TRAIN}"

    def evaluate(self, context: Any) -> dg.AutomationResult[dg.AssetKey]:
        """Return the part of the asset that it is true for."""
        view, candidates = context.asset_graph_view, context.candidate_subset
        decided = _decided(view.instance, self.decision)
        if context.partitions_def is None:
            train = bool(decided) and next(iter(decided.values())) == TRAIN
            found = candidates if train else view.get_empty_subset(key=context.key)
        else:
            keys = {key for key, verdict in decided.items() if verdict == TRAIN}
            there = keys & set(context.partitions_def.get_partition_keys(current_time=view.effective_dt))
            found = candidates.compute_intersection_with_partition_keys(there)
        return dg.AutomationResult(context=context, true_subset=found)


def decided_to_train(system: MLSystem) -> dg.AutomationCondition[dg.AssetKey]:
    """Return the condition that is true for the as-ofs of a system as of which its ledger says to train.

    It is a state, not an event: combine it, as in ``decided_to_train(rain) & AutomationCondition.missing()`` for an
    asset of the same partitions, or ``decided_to_train(rain).newly_true()`` for one without. It looks at the last 26
    decisions, as they stand in the graph, and at no other store.

    Dagster evaluates a condition that is not its own only where the code is: in a sensor
    ``AutomationConditionSensorDefinition(..., use_user_code_server=True)``.
    """
    return DecidedToTrain(adapter.key(system, DECISION))


def _decided(instance: dg.DagsterInstance, decision: dg.AssetKey) -> dict[str, str]:
    """Return what was decided, by as-of, the latest first; of a decision that was told twice, the later."""
    found: dict[str, str] = {}
    for record in instance.fetch_materializations(decision, limit=REMEMBERED).records:
        told = record.asset_materialization
        if told is not None and told.partition is not None:
            found.setdefault(told.partition, str(told.metadata[WHAT].value))
    return found
