"""A training's models held against each other: which one challenges the champion, and what the gate says of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.compared_models import (
    Model,
    case_on_record,
    fitted_models,
    open_test,
    score_models,
    standing_champion,
)
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, Test, Validation
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.declared_tests import budgets, tried_as_declared
from mlsys_assets.held_out import TEST_SCORES
from mlsys_assets.ledger import CHALLENGER, COMPARISON, EVALUATION, GATE, REFITTED
from mlsys_assets.models.bundle import from_files
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluation, Evaluator, score_schema
from mlsys_assets.offline_evaluation.findings import JUDGED
from mlsys_assets.offline_evaluation.verdict import Case, GateVerdict, decide
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP
from mlsys_assets.types import CHAMPION, Finding
from mlsys_resources.operations_rows import Alias, Decision


@dataclass(frozen=True)
class Challenger:
    """The candidate that is held against the champion, and the score from which on one acts by it."""

    name: str
    threshold: float


def choose(step: DecisionStep, validation: Validation, models: list[Model]) -> Challenger:
    """Return the challenger and its threshold, both chosen on validation and put on record."""
    system = step.system
    own = [m for m in models if m.name not in (CHAMPION, *step.baselines)]
    if not own:
        raise dg.Failure(
            f"no model candidate could be fitted as of {step.as_of:%Y-%m-%d}: {'; '.join(step.failures())}"
        )
    scores = {m.name: m.predictor.predict(validation.features, threads=system.threads) for m in own}
    hashes = {m.name: m.content_hash for m in own}
    rows = Scored("validation", validation.content_hash, validation.at, validation.label, scores, hashes)
    choice = system.gates.choice.choose(rows, system.metrics[0], seed=system.seed, support=system.gates.support)
    told: dict[str, object] = {"challenger": choice.name, "rows": rows.data_hash}
    found = None
    if system.threshold is not None:
        found = system.threshold.choose(validation, scores[choice.name], support=system.gates.support)
        told |= {f"threshold {name}": value for name, value in found.as_dict().items()}
    threshold = system.acts_from(found.threshold if found is not None else None)
    reason = f"{choice.reason}; acts from {threshold:.4f} on" + (f": {found.reason}" if found is not None else "")
    evidence = {**told, "threshold": threshold}
    # What the others did stands beside the record: one more of them that is not chosen changes no decision.
    others = {"compared": adapter.numbers(choice.evidence)}
    step.record(CHALLENGER, CHALLENGER, verdict=choice.name, reason=reason, evidence=evidence, context=others)
    return Challenger(choice.name, threshold)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What was found of a training's models.

    Parameters
    ----------
    challenger
        Its name.
    models
        Those that were evaluated, with the tests' scores by test.
    found
        How each did on each test.
    tested
        What the declared tests found of the challenger.
    """

    challenger: str
    models: list[Model]
    scored: Mapping[str, Scored]
    found: list[Evaluation]
    tested: list[Finding]


def evaluate(step: DecisionStep, split: Split, *, reason: str) -> Evaluated:
    """Open the tests, measure every model on them, and put on record what was found and who challenges."""
    system = step.system
    models = [*fitted_models(step), *standing_champion(step)]
    chosen = choose(step, split.validation, models)
    tests = [split.recent_test, *([split.static_test] if system.split.static_test else [])]
    opened = {test.name: open_test(step, test, models, reason) for test in tests}
    scored = {test.name: score_models(system, test, opened[test.name], models) for test in tests}
    evaluator = Evaluator(system.metrics, system.slices, seed=system.seed, support=system.gates.support)
    found = [
        evaluator.evaluate(
            opened[name], one.scores[m.name], model=m.name, hashes=(m.content_hash, one.data_hash), split=name
        )
        for name, one in scored.items()
        for m in models
    ]
    compared = _compared(step, scored, chosen.name)
    (predictor,) = [m.predictor for m in models if m.name == chosen.name]
    tested = [*tried_as_declared(step, opened[RECENT], predictor, threshold=chosen.threshold), budgets(step)]
    written = step.stores.lake.write_ticks(
        system.name,
        TEST_SCORES,
        adapter.in_tick(pa.concat_tables(_score_rows(system, opened, scored)), step.as_of),
        schema=score_schema(system.requests.key, PREDICT_AT),
        ticks=[step.as_of],
        run_id=step.context.run.run_id,
    )
    _record(step, found, compared, {"scores_version": written.version, "scores_hash": written.content_hash})
    return Evaluated(chosen.name, models, scored, found, tested)


def gate(step: DecisionStep) -> tuple[Case, GateVerdict]:
    """Put on record whether the challenger passes, and return what was looked at and the verdict."""
    (choice,) = step.decisions(CHALLENGER)
    name, case = choice.evidence["challenger"], case_on_record(step, choice.evidence["challenger"])
    (mine,) = [d for d in step.decisions(EVALUATION) if d.name == name]
    rows = {split: one["data_hash"] for split, one in mine.evidence.items()}
    verdict = decide(step.system.gates, case, model_hash=mine.evidence[RECENT]["model_hash"], data_hashes=rows)
    champion = step.champion_before()
    step.record(
        GATE,
        CHAMPION,
        verdict=verdict.verdict.value,
        reason=verdict.reason,
        evidence={"challenger": name, **verdict.evidence},
        context={"champion_revision": champion.revision if champion else 0},
    )
    return case, verdict


@dataclass(frozen=True)
class JudgedRefit:
    """What the static test says of a refitted model: what it lacks, empty if nothing, and the numbers behind that."""

    lacks: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


def judge_refit(step: DecisionStep, refit: Decision, test: Test) -> JudgedRefit:
    """Hold a refitted model against the champion on the static test, by the rule of the gate.

    The gate judged the recipe before it learned from the rows of validation and recent test. What is wrong with those
    shows in the refit alone, and on trusted rows alone. Nothing is asked where there is no champion to compare with,
    no static test, or the very model is promoted that was evaluated.

    Parameters
    ----------
    refit
        Its record.
    test
        The static test as of then.
    """
    system, champion = step.system, standing_champion(step)
    if not champion or not system.split.static_test or refit.verdict != REFITTED:
        return JudgedRefit()
    loaded = step.stores.models.load(system.name, int(refit.context["version"]))
    mine = Model(refit.name, loaded.version.content_hash, from_files(loaded.content), loaded.version.run_id)
    models, metric = [mine, *champion], system.gates.champion.metric
    scored = score_models(system, test, open_test(step, test, models, JUDGED), models)
    pair = (mine.name, CHAMPION)
    compared = compare(scored, pair, metrics=[metric], seed=system.seed, support=system.gates.support)
    found = compared.differences[metric.name]
    lacks = system.gates.champion.shortfall(found, STATIC) if found.sufficient else ""
    return JudgedRefit(lacks, {f"{STATIC} refit minus {CHAMPION} {metric.name}": found.as_dict()})


def _compared(step: DecisionStep, scored: Mapping[str, Scored], challenger: str) -> list[Comparison]:
    """Return the challenger against each baseline, and against the champion on what that one has not seen."""
    gates, champion = step.system.gates, _trained(step, step.champion_to_beat())
    metrics = {m.name: m for m in (step.system.metrics[0], *gates.compared)}
    against = partial(compare, metrics=list(metrics.values()), seed=step.system.seed, support=gates.support)
    fitted = [name for name in step.baselines if name in scored[RECENT].scores]
    found = [against(one, (challenger, b)) for one in scored.values() for b in fitted]
    if champion is not None:
        unseen = {**scored, RECENT: scored[RECENT].unseen_since(champion)}
        by = gates.champion.metric
        found += [against(one, (challenger, CHAMPION), by_slice=by) for one in unseen.values()]
    return found


def _score_rows(system: MLSystem, opened: Mapping[str, OpenedTest], scored: Mapping[str, Scored]) -> Iterator[pa.Table]:
    schema = score_schema(system.requests.key, PREDICT_AT)
    for name, one in scored.items():
        view = opened[name]
        at = pa.array(view.at, pa.timestamp("us")).cast(TIMESTAMP)
        for model, score in one.scores.items():
            columns = [pa.repeat(v, len(view)) for v in (model, one.hashes[model], name, one.data_hash)]
            yield pa.table([*columns, view.ids, at, pa.array(view.label), pa.array(score)], schema=schema)


def _record(
    step: DecisionStep, found: list[Evaluation], compared: list[Comparison], context: Mapping[str, object]
) -> None:
    first = step.system.metrics[0].name
    for model in dict.fromkeys(e.model for e in found):
        mine = [e for e in found if e.model == model]
        told = ", ".join(f"{first} on {e.split} {e.whole[first]}" for e in mine)
        evidence = {e.split: e.as_dict() for e in mine}
        step.record(EVALUATION, model, verdict="evaluated", reason=told, evidence=evidence, context=context)
    for other in dict.fromkeys(c.other for c in compared):
        told = "; ".join(
            f"{name} on {c.split}: {e}" for c in compared if c.other == other for name, e in c.differences.items()
        )
        evidence = {c.split: c.as_dict() for c in compared if c.other == other}
        step.record(COMPARISON, other, verdict="compared", reason=told, evidence=evidence, context=context)


def _trained(step: DecisionStep, champion: Alias | None) -> datetime | None:
    """Return as of when the champion was trained: after a rollback that is not when it became champion."""
    if champion is None:
        return None
    model = step.stores.operations.model(step.system.name, champion.version)
    if model is None:
        raise RuntimeError(f"the champion, version {champion.version}, is not on record; see `mlsys doctor`")
    return model.as_of
