"""The champion alias: moved by compare-and-set on a passed gate, and only so."""

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.evaluated_models import JudgedRefit, judge_refit
from mlsys_assets.ledger import CANDIDATE, EVALUATION, GATE, PASS, PROMOTION, REFIT, TRAINING_SET
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.rollout.promotion import Proof, decide_promotion, objection, require_same
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION
from mlsys_resources.operations_rows import WON, Decision
from mlsys_resources.orphans import GRACE
from mlsys_resources.resources import Resources

STAGE = "rollout"
SWEPT = "swept_models"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the promotion, and the sweep of what earlier ones left when they were killed."""
    return [_promotion(system), _swept(system)]


def _promotion(system: MLSystem) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, PROMOTION),
        deps=[adapter.key(system, name) for name in ("refitted_model", "champion_decision", "training_profile")],
        partitions_def=adapter.as_ofs(system),
        description="Moves `champion` to the refitted model if the gate passed and no other promotion came first.",
        **adapter.common(system, STAGE, kinds=("mlflow",)),
    )
    def promotion(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        (gate,) = step.decisions(GATE)
        refit = step.decisions(REFIT)[0] if gate.verdict == PASS else None
        before, moved = step.champion_to_beat(), _moved(step, refit)
        judged = JudgedRefit() if refit is None else _judged(step, refit)
        outcome = decide_promotion(
            gate_passed=gate.verdict == PASS,
            gate_reason=gate.reason,
            challenger=str(refit.evidence["model"]) if refit else None,
            champion=before.content_hash if before else None,
            objection=objection(
                retired=refit is not None and not moved and _is_retired(step, refit),
                lacks=judged.lacks,
                later=None if moved else _later(step),
            ),
        )
        if outcome.promote and refit is not None:
            if not moved:
                _require_same(step, refit, gate)
                _promote(step, refit, gate)
            stores.models.mirror_alias(system.name, CHAMPION)
            stores.models.add_to_run(
                str(refit.context["mlflow_run"]), tags={"role": CHAMPION}, metrics=_tested(step, gate)
            )
        step.record(
            PROMOTION, CHAMPION, verdict=outcome.verdict, reason=outcome.reason,
            evidence={
                "gate": gate.content_hash, "model": refit.evidence["model"] if refit else None, **judged.evidence,
            },
        )  # fmt: skip
        used = _used(step)
        stores.models.add_to_run(step.mlflow_parent, metrics=used, tags={"promotion": outcome.verdict})
        now = stores.operations.alias(system.name, CHAMPION)
        return dg.MaterializeResult(
            metadata={
                "verdict": outcome.verdict,
                "why": outcome.reason,
                "champion": f"version {now.version}, {now.content_hash}" if now else "none yet",
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(step.mlflow_parent)),
                **used,
            }
        )

    return promotion


def _swept(system: MLSystem) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, SWEPT),
        deps=[adapter.key(system, PROMOTION)],
        partitions_def=adapter.as_ofs(system),
        description="What no record vouches for in the model store, as killed registrations leave it: versions, files "
        f"and runs are marked when they are first seen so, and removed by a sweep that is {GRACE} later, or more.",
        **adapter.common(system, STAGE, kinds=("mlflow",)),
    )
    def swept_models(stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        found = stores.models.sweep(system.name)
        table = [(o.kind, o.name, o.since.isoformat(), "removed" if o.removed else "marked") for o in found]
        told = {"orphans": adapter.markdown_table(("what", "which", "first seen", "now"), table)} if table else {}
        return dg.MaterializeResult(
            metadata={"marked": sum(not o.removed for o in found), "removed": sum(o.removed for o in found), **told}
        )

    return swept_models


def _judged(step: DecisionStep, refit: Decision) -> JudgedRefit:
    return judge_refit(step, refit, step.split(step.training_rows()).static_test)


def _tested(step: DecisionStep, gate: Decision) -> dict[str, float]:
    """Return how the recipe that was promoted did on the tests, before it was refitted on their rows too."""
    (found,) = [d for d in step.decisions(EVALUATION) if d.name == gate.evidence["challenger"]]
    evaluations = [Evaluation.from_dict(found.name, split, told) for split, told in found.evidence.items()]
    return {name: value for evaluation in evaluations for name, value in evaluation.metrics().items()}


def _used(step: DecisionStep) -> dict[str, float]:
    """Return what the training used of the processors and, where a price is declared, what that cost."""
    price = step.system.price(step.cpu_s)
    return {"cpu_s": step.cpu_s} | ({} if price is None else {"compute_cost": price})


def _moved(step: DecisionStep, refit: Decision | None) -> bool:
    """Return whether the alias was moved to the refitted model by this very decision, whatever followed."""
    wanted = None if refit is None else (step.as_of, refit.evidence["model"], WON)
    attempts = step.stores.operations.attempts(step.system.name, CHAMPION)
    return wanted in [(a.as_of, a.content_hash, a.outcome) for a in attempts]


def _is_retired(step: DecisionStep, refit: Decision) -> bool:
    return int(refit.context["version"]) in step.stores.operations.retired(step.system.name)


def _later(step: DecisionStep) -> str | None:
    """Return what was made champion later, or as of then too, which only a rollback can have done by now."""
    now = step.stores.operations.alias(step.system.name, CHAMPION)
    return None if now is None or now.as_of < step.as_of else f"version {now.version} as of {now.as_of:%Y-%m-%d %H:%M}"


def _require_same(step: DecisionStep, refit: Decision, gate: Decision) -> None:
    """Raise unless what is to be promoted is what was evaluated, passed and registered, by the hashes on record."""
    name = gate.evidence["challenger"]
    (candidate,) = [d for d in step.decisions(CANDIDATE) if d.name == name]
    (evaluation,) = [d for d in step.decisions(EVALUATION) if d.name == name]
    (training_set,) = step.decisions(TRAINING_SET)
    loaded = step.stores.models.load(step.system.name, int(refit.context["version"]))
    passport = CompletePassport.of(loaded.record, content_hash=loaded.version.content_hash)
    require_same(
        Proof(
            training_set.evidence,
            candidate.evidence,
            evaluation.evidence,
            gate.evidence,
            refit.evidence,
            gate.content_hash,
            (loaded.version.content_hash, passport.decision.gate.content_hash, passport.data.rows_hash),
        )
    )


def _promote(step: DecisionStep, refit: Decision, gate: Decision) -> None:
    """Move the alias from where it stood when the gate compared."""
    step.stores.operations.set_alias(
        step.system.name,
        CHAMPION,
        version=int(refit.context["version"]),
        content_hash=str(refit.evidence["model"]),
        as_of=step.as_of,
        expected_revision=int(gate.context["champion_revision"]),
        reason=gate.reason,
    )
