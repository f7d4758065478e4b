"""Candidates fitted on train, and the winner's recipe refitted on all that is known."""

from collections.abc import Mapping

import dagster as dg
import numpy as np

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.features.profile import PROFILE_MEANS, PROFILE_SCHEMA, TRAINING_PROFILE, profile
from mlsys_assets.ledger import GATE, PASS, TRAINING_SET
from mlsys_assets.measures.intervals import attempt
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.debugging import CHECKS, together
from mlsys_assets.models.ensembles.error_correlation import error_correlation
from mlsys_assets.models.fitting import Fitting, fitting, forget_searches
from mlsys_assets.models.logbook import Logbook
from mlsys_assets.models.stateful.lineage import Lineage
from mlsys_assets.models.tuning.plots import search_plot, search_thumbnail
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding
from mlsys_resources.resources import Resources

STAGE = "models"
CANDIDATES = "candidates"
REFITTED = "refitted_model"
ALL_FITTED = "every_candidate_fitted"
REFITS = "The recipe that passed the gate, refitted on all known rows but the static test, and registered."
AS_IT_WAS = "The very model that was evaluated and passed the gate, registered as it is: this system refits none."


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the fitted candidates, the refitted winner, and what the rows looked like that it learned from."""
    return [_candidates(system), _refitted(system), _profile(system)]


def _candidates(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, CANDIDATES)
    names = ", ".join(c.name for c in system.candidates)
    measured = [f"validation {m.name}" for m in system.metrics]

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(
            asset, {ALL_FITTED: ("Every declared candidate could be fitted.", False), **CHECKS}
        ),
        description=f"{names}: fitted on train, chosen on validation, each an MLflow run.",
        **adapter.common(system, STAGE, kinds=("lightgbm", "scikitlearn", "mlflow")),
    )
    def candidates(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        logbook = Logbook(step)
        rows = step.training_rows()
        split = step.split(rows)
        table, failed, found, scores = [], [], {}, {}
        lineage = Lineage(step, rows)
        with fitting(step, logbook) as fits:
            for candidate in system.candidates:
                start = lineage.start(candidate, split)
                train = split.train if start is None else start.train
                try:
                    tracked, found[candidate.name] = fits.fit(candidate, split, start)
                except FitError as error:
                    run_id, validation = logbook.failed(candidate.name, str(error)), dict.fromkeys(measured)
                    failed.append(str(error))
                else:
                    label = split.validation.label
                    validation = {f"validation {m.name}": attempt(m, label, tracked.scores) for m in system.metrics}
                    run_id = logbook.log(tracked, rows, train, metrics=validation, start=start)
                    scores[candidate.name] = tracked.scores
                table.append((candidate.name, *validation.values(), f"[run]({stores.models.run_url(run_id)})"))
        forget_searches(step)
        all_fitted = Finding(ALL_FITTED, not failed, "; ".join(failed) or "every candidate could be fitted")
        return dg.MaterializeResult(
            metadata={
                "candidates": adapter.markdown_table(("candidate", *measured, "MLflow"), table),
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(logbook.parent)),
                **_searched(fits),
                **_errors_in_common(split.validation, scores),
            },
            check_results=[adapter.check_result(f, asset) for f in (all_fitted, *together(found))],
        )

    return candidates


def _searched(fits: Fitting) -> dict[str, dg.MetadataValue]:
    """Return a picture of each search: the value of every trial, and the best so far."""
    shown: dict[str, dg.MetadataValue] = {}
    for name, heard in fits.heard.items():
        trials = [progress.trial for progress in heard]
        thumbnail, plot = (draw(trials, heard[0].metric, name=name) for draw in (search_thumbnail, search_plot))
        shown |= adapter.pictures(f"search of {name}", thumbnail, plot)
    return shown


def _errors_in_common(validation: Validation, scores: Mapping[str, Floats]) -> dict[str, dg.MetadataValue]:
    """Return how much the candidates err alike: what an ensemble of them could gain."""
    differing = {name: score for name, score in scores.items() if np.ptp(score) > 0}
    if len(differing) < 2:  # noqa: PLR2004 - one errs like itself
        return {}
    found = error_correlation(validation.label, differing)
    return {
        "errors in common": dg.MetadataValue.md(found.table()),
        "errors in common, large": adapter.image(found.picture(), "errors in common"),
    }


def _refitted(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, REFITTED)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, name) for name in ("champion_decision", CANDIDATES, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        description=REFITS if system.learning.refit else AS_IT_WAS,
        **adapter.common(system, STAGE, kinds=("lightgbm", "mlflow")),
    )
    def refitted_model(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        (gate,) = step.decisions(GATE)
        if gate.verdict != PASS:
            return dg.MaterializeResult(metadata={"refitted": "no", "why": gate.reason})
        name = gate.evidence["challenger"]
        (chosen,) = [c for c in system.candidates if c.name == name]
        (fit,) = [d for d in step.fitted() if d.name == name]
        rows = step.training_rows()
        logbook = Logbook(step)
        if system.learning.refit:
            start = Lineage(step, rows).rest(chosen, fit, step.refit_view(rows))
            train = step.learned_from(rows) if start is None else start.train
            with fitting(step, logbook) as fits:
                tracked = fits.refit(chosen, train, fit.evidence["recipe"], start)
            version = logbook.register(tracked, rows, train, gate=gate, start=start)
            forget_searches(step)
        else:
            train = step.learned_from(rows)
            version = logbook.register_evaluated(fit, rows, train, gate=gate)
        return dg.MaterializeResult(
            metadata={
                "candidate": chosen.name,
                "version": version.version,
                "content hash": version.content_hash,
                "rows": len(train),
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(version.run_id)),
            }
        )

    return refitted_model


def _profile(system: MLSystem) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, TRAINING_PROFILE),
        deps=[adapter.key(system, name) for name in (REFITTED, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        description="How each feature was distributed in the rows that the registered model learned from.",
        metadata={"dagster/column_schema": adapter.arrow_schema(PROFILE_SCHEMA, PROFILE_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def training_profile(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        (gate,) = step.decisions(GATE)
        if gate.verdict != PASS:
            return dg.MaterializeResult(metadata={"profile": "none", "why": gate.reason})
        train = step.learned_from(step.training_rows())
        rows = adapter.in_tick(profile(train.features), step.as_of)
        written = stores.lake.write_ticks(
            system.name, TRAINING_PROFILE, rows, schema=PROFILE_SCHEMA, ticks=[step.as_of], run_id=context.run.run_id
        )
        return dg.MaterializeResult(metadata={"dagster/row_count": rows.num_rows, "lake_version": written.version})

    return training_profile
