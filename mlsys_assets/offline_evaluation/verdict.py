"""The gate's verdict: a pure function of what was measured, with every number that it rests on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlsys_assets import ledger
from mlsys_assets.measures.intervals import LEVEL, Estimate
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.offline_evaluation.champion_gate import RECENT, worst_of
from mlsys_assets.offline_evaluation.comparison import Comparison
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.gates import ECE, Gates
from mlsys_assets.types import Finding, Scalar, Severity


class Verdict(StrEnum):
    """What a gate says."""

    PASS = ledger.PASS
    FAIL = ledger.FAIL
    INSUFFICIENT_DATA = ledger.INSUFFICIENT


class WrongEvidence(ValueError):
    """An evaluation of another model or other rows than the gate was asked about."""


@dataclass(frozen=True)
class GateVerdict:
    """The verdict with its reason and the numbers it rests on."""

    verdict: Verdict
    reason: str
    evidence: Mapping[str, Scalar]

    @property
    def passed(self) -> bool:
        """Whether the challenger may go on."""
        return self.verdict is Verdict.PASS


@dataclass(frozen=True)
class Case:
    """All that a gate looks at.

    Parameters
    ----------
    challenger
        Its name.
    evaluations
        Of the challenger and, where there is one, of the champion (named ``champion``), on both tests.
    baselines
        The challenger against each baseline, on both tests.
    champion
        The challenger against the champion, on rows neither was fitted on; empty if there is none yet.
    findings
        What the declared tests of behaviour and fairness found; a failed one of severity ERROR holds the challenger.
    """

    challenger: str
    evaluations: Sequence[Evaluation]
    baselines: Sequence[Comparison]
    champion: Sequence[Comparison] = ()
    findings: Sequence[Finding] = ()


def decide(gates: Gates, case: Case, *, model_hash: str, data_hashes: Mapping[str, str]) -> GateVerdict:
    """Return whether the challenger passes.

    Parameters
    ----------
    gates
        What is asked.
    case
        What was measured.
    model_hash, data_hashes
        The challenger that is asked about and the rows of each test; WrongEvidence is raised if the
        case is about others.
    """
    _require_same(case, model_hash, data_hashes)
    evidence = dict(_evidence(case)) | {"model": model_hash, **{f"{k} rows": v for k, v in data_hashes.items()}}
    thin = [c for c in case.baselines if not c.sufficient]
    if thin:
        named = sorted({c.split for c in thin})
        failed = sorted({e.note for c in thin for e in c.differences.values() if e.note})
        why = f"; {'; '.join(failed)}" if failed else ""
        return GateVerdict(Verdict.INSUFFICIENT_DATA, f"too few rows in {', '.join(named)} to compare{why}", evidence)
    waiting, worse = _against_champion(gates, case)
    unmet = [*_against_baselines(gates, case), *_calibration(gates, case), *worse, *_findings(case)]
    if unmet:
        return GateVerdict(Verdict.FAIL, "; ".join(unmet), evidence)
    if waiting and gates.without_recent == "hold":
        return GateVerdict(Verdict.INSUFFICIENT_DATA, waiting, evidence)
    met = "beats every baseline" + (f" and {gates.champion.asks}" if case.champion else "; there is no champion yet")
    return GateVerdict(Verdict.PASS, met + (f" ({waiting}; the static test decides)" if waiting else ""), evidence)


def _require_same(case: Case, model_hash: str, data_hashes: Mapping[str, str]) -> None:
    measured = [(e.model_hash, e.split, e.data_hash) for e in case.evaluations if e.model == case.challenger]
    measured += [(c.hashes[0], c.split, c.data_hash) for c in (*case.baselines, *case.champion)]
    for model, split, data in measured:
        if model != model_hash:
            raise WrongEvidence(f"the gate was asked about model {model_hash}, the evidence is about {model}")
        if data_hashes.get(split) != data:
            raise WrongEvidence(
                f"the gate was asked about {split} rows {data_hashes.get(split)}, the evidence is about {data}"
            )


def _against_baselines(gates: Gates, case: Case) -> Iterator[str]:
    for comparison in case.baselines:
        for metric in gates.beats_baselines:
            found = comparison.differences[metric.name]
            if worst_of(metric, found) >= 0:
                yield (
                    f"{metric.name} does not beat {comparison.other} on {comparison.split}: difference {found}, "
                    "the whole interval must be on the better side of 0"
                )


def _calibration(gates: Gates, case: Case) -> Iterator[str]:
    if gates.most_ece is None:
        return
    for evaluation in case.evaluations:
        found = evaluation.whole.get(ECE)
        mine = evaluation.model == case.challenger and evaluation.split == RECENT
        if mine and found is not None and found.sufficient and found.value > gates.most_ece:
            yield f"ece on {RECENT} is {found}, at most {gates.most_ece} is allowed"


def _findings(case: Case) -> Iterator[str]:
    yield from (f.summary for f in case.findings if not f.passed and f.severity is Severity.ERROR)


def _against_champion(gates: Gates, case: Case) -> tuple[str, list[str]]:
    """Return what is waited for, and in what the challenger is worse."""
    gate, waiting, worse = gates.champion, "", list[str]()
    for comparison in case.champion:
        found = comparison.differences[gate.metric.name]
        if not found.sufficient:
            waiting = f"{gate.metric.name} against the champion on {comparison.split}: {found}"
        elif lacking := gate.shortfall(found, comparison.split):
            worse.append(lacking)
    return waiting, [*worse, *_slices(gates, case)]


def _slices(gates: Gates, case: Case) -> Iterator[str]:
    """Yield slices that are worse by more than the margin, beyond what the worst of so many is by chance."""
    if gates.slice_margin is None:
        return
    sign = -1.0 if gates.champion.metric.higher_is_better else 1.0
    told = [(c.split, name, e) for c in case.champion for name, e in c.slices.items() if e.sufficient]
    chances = holm([_worse_by_chance(e, sign, gates.slice_margin) for _, _, e in told])
    for (split, name, found), chance in zip(told, chances, strict=True):
        if chance <= 1 - LEVEL:
            yield (
                f"{gates.champion.metric.name} for {name} on {split} is worse than the champion's by "
                f"{sign * found.value:.4f}, allowed is {gates.slice_margin} (difference {found}, chance {chance:.2g} "
                f"among {len(told)} slices)"
            )


def _worse_by_chance(found: Estimate, sign: float, margin: float) -> float:
    """Return how likely a loss as large comes by chance, if the truth is at the margin."""
    return found.p_above(margin) if sign > 0 else found.p_below(-margin)


def _evidence(case: Case) -> Iterator[tuple[str, Scalar]]:
    for e in case.evaluations:
        for name, found in e.whole.items():
            yield f"{e.split} {e.model} {name}", found.value if found.sufficient else None
    for c in (*case.baselines, *case.champion):
        for name, found in c.differences.items():
            for end in ("value", "low", "high"):
                yield f"{c.split} {name} minus {c.other} {end}", getattr(found, end) if found.sufficient else None
    for finding in case.findings:
        yield finding.name, finding.passed
