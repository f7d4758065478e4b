"""The gate's verdict: a pure function of what was measured, with every number that it rests on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlsys_assets import ledger
from mlsys_assets.measures.intervals import LEVEL, Estimate
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC, worst_of
from mlsys_assets.offline_evaluation.comparison import Comparison
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.gates import ECE, Gates
from mlsys_assets.types import Finding, Scalar, Severity

MOST_NAMED = 5
"""So many slices are named in a reason; every one stands in the evidence."""


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


NO_CHAMPION = "there is no champion yet"
"""What is said where a first one is to be found."""


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
    expected
        The baselines that are declared: one that was not compared was not beaten.
    without
        Why no champion was compared with, where there was none to compare with.
    """

    challenger: str
    evaluations: Sequence[Evaluation]
    baselines: Sequence[Comparison]
    champion: Sequence[Comparison] = ()
    findings: Sequence[Finding] = ()
    expected: Sequence[str] = ()
    without: str = NO_CHAMPION


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
    evidence = dict(_evidence(gates, case)) | {"model": model_hash, **{f"{k} rows": v for k, v in data_hashes.items()}}
    waiting = [*_not_compared(case), *_untold(gates, case)]
    unmet = [
        *_against_baselines(gates, case), *_calibration(gates, case), *_against_champion(gates, case),
        *_slices(gates, case), *_findings(case),
    ]  # fmt: skip
    if unmet:
        return GateVerdict(Verdict.FAIL, "; ".join(unmet), evidence)
    recent_only = all(split == RECENT for split, _ in waiting)
    told = "; ".join(words for _, words in waiting)
    if waiting and not (gates.without_recent == "static" and recent_only and _static_told(case)):
        return GateVerdict(Verdict.INSUFFICIENT_DATA, told, evidence)
    met = "beats every baseline" + (f" and {gates.champion.asks}" if case.champion else f"; {case.without}")
    return GateVerdict(Verdict.PASS, met + (f" ({told}; the static test decides)" if waiting else ""), evidence)


def _not_compared(case: Case) -> Iterator[tuple[str, str]]:
    """Yield the test, and which baseline it could not be compared with there."""
    there = {(c.other, c.split) for c in case.baselines}
    splits = list(dict.fromkeys(c.split for c in (*case.baselines, *case.champion))) or [RECENT, STATIC]
    for name in case.expected or [c.other for c in case.baselines] or ["any baseline"]:
        yield from ((split, f"not compared with {name} on {split}") for split in splits if (name, split) not in there)


def _untold(gates: Gates, case: Case) -> Iterator[tuple[str, str]]:
    """Yield the test, and what its rows cannot tell."""
    thin = {c.split: c for c in case.baselines if not c.sufficient}
    for split, one in thin.items():
        failed = sorted({e.note for e in one.differences.values() if e.note})
        yield split, f"too few rows in {split} to compare" + (f": {'; '.join(failed)}" if failed else "")
    name = gates.champion.metric.name
    for one in case.champion:
        if not one.differences[name].sufficient:
            yield one.split, f"{name} against the champion on {one.split}: {one.differences[name]}"
    found = _ece(case)
    if gates.most_ece is not None and found is not None and not found.sufficient:
        yield RECENT, f"{ECE} on {RECENT}: {found}"


def _static_told(case: Case) -> bool:
    """Return whether the static test can decide by itself: every comparison on it rests on enough rows."""
    static = [c for c in (*case.baselines, *case.champion) if c.split == STATIC]
    return bool(static) and all(c.sufficient for c in static)


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
            if found.sufficient and worst_of(metric, found) >= 0:
                yield (
                    f"{metric.name} does not beat {comparison.other} on {comparison.split}: difference {found}, "
                    "the whole interval must be on the better side of 0"
                )


def _ece(case: Case) -> Estimate | None:
    mine = [e for e in case.evaluations if e.model == case.challenger and e.split == RECENT]
    return mine[0].whole.get(ECE) if mine else None


def _calibration(gates: Gates, case: Case) -> Iterator[str]:
    found = _ece(case)
    if gates.most_ece is not None and found is not None and found.sufficient and found.value > gates.most_ece:
        yield f"{ECE} on {RECENT} is {found}, at most {gates.most_ece} is allowed"


def _findings(case: Case) -> Iterator[str]:
    yield from (f.summary for f in case.findings if not f.passed and f.severity is Severity.ERROR)


def _against_champion(gates: Gates, case: Case) -> Iterator[str]:
    for comparison in case.champion:
        found = comparison.differences[gates.champion.metric.name]
        if found.sufficient and (lacking := gates.champion.shortfall(found, comparison.split)):
            yield lacking


def _slices(gates: Gates, case: Case) -> Iterator[str]:
    """Yield slices that are worse by more than the margin, beyond what the worst of so many is by chance."""
    judged = list(_judged_slices(gates, case))
    worse = sorted((one for one in judged if one.chance <= 1 - LEVEL), key=lambda one: (-one.loss, one.name))
    for one in worse[:MOST_NAMED]:
        yield (
            f"{gates.champion.metric.name} for {one.name} is worse than the champion's by {one.loss:.4f}, allowed is "
            f"{gates.slice_margin} (difference {one.found}, chance {one.chance:.2g} among {len(judged)} slices)"
        )
    if len(worse) > MOST_NAMED:
        yield f"and {len(worse) - MOST_NAMED} more slices"


@dataclass(frozen=True)
class _JudgedSlice:
    """A slice on a test: how much worse it is than the champion's, and how likely that comes by chance."""

    name: str
    found: Estimate
    loss: float
    chance: float


def _judged_slices(gates: Gates, case: Case) -> Iterator[_JudgedSlice]:
    """Yield the slices that can be told, with their chances corrected for their number."""
    if gates.slice_margin is None:
        return
    sign = -1.0 if gates.champion.metric.higher_is_better else 1.0
    told = [(f"{name} on {c.split}", e) for c in case.champion for name, e in c.slices.items() if e.sufficient]
    chances = holm([_worse_by_chance(e, sign, gates.slice_margin) for _, e in told])
    for (name, found), chance in zip(told, chances.tolist(), strict=True):
        yield _JudgedSlice(name, found, sign * found.value, chance)


def _worse_by_chance(found: Estimate, sign: float, margin: float) -> float:
    """Return how likely a loss as large comes by chance, if the truth is at the margin."""
    return found.p_above(margin) if sign > 0 else found.p_below(-margin)


def _evidence(gates: Gates, case: Case) -> Iterator[tuple[str, Scalar]]:
    for e in case.evaluations:
        for name, found in e.whole.items():
            yield f"{e.split} {e.model} {name}", found.value if found.sufficient else None
    for c in (*case.baselines, *case.champion):
        for name, found in c.differences.items():
            for end in ("value", "low", "high"):
                yield f"{c.split} {name} minus {c.other} {end}", getattr(found, end) if found.sufficient else None
    for one in _judged_slices(gates, case):
        yield f"{one.name} minus champion", one.found.value
        yield f"{one.name} chance", one.chance
    for finding in case.findings:
        yield finding.name, finding.passed
