"""The champion alias: moved by compare-and-set on a passed gate, and only so."""

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.rollout.promotion import CHAMPION, decide_promotion
from mlsys_assets.system import MLSystem
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources

STAGE = "rollout"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the promotion."""

    @dg.asset(
        key=adapter.key(system, "promotion"),
        deps=[adapter.key(system, name) for name in ("refitted_model", "champion_decision")],
        partitions_def=adapter.partitions(system),
        description="Moves `champion` to the refitted model if the gate passed and no other promotion came first.",
        **adapter.common(system, STAGE, kinds=("mlflow",)),
    )
    def promotion(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Resources],
    ) -> dg.MaterializeResult:
        step = adapter.AsOf(context, system, stores)
        (gate,) = step.decisions("gate")
        refit = step.decisions("refit")[0] if gate.verdict == "pass" else None
        before = step.champion_before()
        outcome = decide_promotion(
            gate_passed=gate.verdict == "pass",
            gate_reason=gate.reason,
            challenger=str(refit.evidence["model"]) if refit else None,
            champion=before.content_hash if before else None,
        )
        if outcome.promote and refit is not None:
            _promote(step, int(refit.context["version"]), str(refit.evidence["model"]), gate)
            stores.models.mirror_alias(system.name, CHAMPION)
        step.record(
            "promotion", CHAMPION, verdict=outcome.verdict, reason=outcome.reason,
            evidence={"gate": gate.content_hash, "model": refit.evidence["model"] if refit else None},
        )  # fmt: skip
        now = stores.operations.alias(system.name, CHAMPION)
        return dg.MaterializeResult(
            metadata={
                "verdict": outcome.verdict,
                "why": outcome.reason,
                "champion": f"version {now.version}, {now.content_hash}" if now else "none yet",
            }
        )

    return [promotion]


def _promote(step: adapter.AsOf, version: int, content_hash: str, gate: Decision) -> None:
    """Move the alias from where it stood when the gate compared; a step that is run again finds it moved."""
    now = step.stores.operations.alias(step.system.name, CHAMPION)
    if now is not None and (now.content_hash, now.as_of) == (content_hash, step.as_of):
        return
    step.stores.operations.set_alias(
        step.system.name,
        CHAMPION,
        version=version,
        content_hash=content_hash,
        as_of=step.as_of,
        expected_revision=int(gate.context["champion_revision"]),
        reason=gate.reason,
    )
