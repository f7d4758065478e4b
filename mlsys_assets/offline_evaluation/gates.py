"""Gates: what a challenger must show, and a verdict that names what it did not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mlsys_assets import ledger
from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import LogLoss, Metric, PrAuc
from mlsys_assets.mistakes import alike, not_all, not_one, out_of_range, sound
from mlsys_assets.offline_evaluation.comparison import Comparison
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.slices import Slice
from mlsys_assets.types import CHAMPION, Scalar

RECENT, STATIC = "recent_test", "static_test"
WITHOUT_RECENT = ("hold", "static")
ECE = "ece"
MOST_ECE = 0.5
"""Who says one half of every row has an ECE of at most this: a larger bound would ask nothing."""
LEAST_RESAMPLED = 2
"""Of a single block every draw is the same: an interval without width, which would pass for certainty."""


class Verdict(StrEnum):
    """What a gate says."""

    PASS = ledger.PASS
    FAIL = ledger.FAIL
    INSUFFICIENT_DATA = ledger.INSUFFICIENT


class WrongEvidence(ValueError):
    """An evaluation of another model or other rows than the gate was asked about."""


@dataclass(frozen=True)
class Gates:
    """What is asked of a challenger before it may become champion.

    Parameters
    ----------
    beats_baselines
        Metrics in which it must beat every baseline, on both tests, by more than chance: the whole
        interval on its side. Never accuracy, which the zero rule wins where positives are rare.
    champion_metric
        The metric in which it is held against the champion.
    recent_margin, static_margin
        How much worse than the champion its interval may reach, in the metric's unit, on recent rows
        and on the static test (non-inferiority).
    most_ece
        The largest expected calibration error allowed on recent rows; None asks nothing.
    slice_margin
        How much worse than the champion any slice's value may be on recent rows; None asks nothing.
    support
        What recent rows must have before they are believed.
    without_recent
        What holds when they have not: ``hold`` the champion, or let the ``static`` test decide alone.
    """

    beats_baselines: tuple[Metric, ...] = (LogLoss(), PrAuc())
    champion_metric: Metric = field(default_factory=LogLoss)
    recent_margin: float = 0.002
    static_margin: float = 0.01
    most_ece: float | None = None
    slice_margin: float | None = None
    support: Support = field(default_factory=lambda: Support(least_of_each_class=200))
    without_recent: str = "hold"

    def mistakes(self, *, metrics: Sequence[Metric], slices: Sequence[Slice], static: bool) -> Iterator[str]:
        """Yield what is wrong with the declaration, and what it asks that could never be answered.

        Parameters
        ----------
        metrics, slices
            What the system measures.
        static
            Whether its split has a static test.
        """
        yield from self._own_mistakes()
        measured = [m.name for m in metrics]
        if self.most_ece is not None and ECE not in measured:
            yield f"gates: most_ece asks for {ECE!r}, which is not among the metrics {measured}; add Ece()"
        if self.slice_margin is not None and not slices:
            yield "gates: slice_margin asks of slices, and the system has none; add one, such as Slice('origin')"
        held = getattr(self.champion_metric, "name", None)
        if self.slice_margin is not None and measured and held != measured[0]:
            yield (
                f"gates: slice_margin is in the champion_metric, {held!r}, but slices are measured by the first of the "
                f"metrics, {measured[0]!r}; put {held!r} first, or choose the other as champion_metric"
            )
        if self.without_recent == "static" and not static:
            yield "gates: without_recent is 'static', and the split has no static_test; give it windows, or say 'hold'"

    def _own_mistakes(self) -> Iterator[str]:
        if self.without_recent not in WITHOUT_RECENT:
            yield f"gates: without_recent is {self.without_recent!r}; allowed: {', '.join(map(repr, WITHOUT_RECENT))}"
        for name in ("recent_margin", "static_margin", "slice_margin"):
            if (margin := getattr(self, name)) is not None or name != "slice_margin":
                yield from out_of_range(f"gates: {name}", margin, least=0)
        if self.most_ece is not None:
            yield from out_of_range("gates: most_ece", self.most_ece, least=0, most=MOST_ECE)
        yield from not_all("gates: beats_baselines", self.beats_baselines, Metric)
        yield from not_one("gates: champion_metric", self.champion_metric, Metric)
        beaten = sound(self.beats_baselines, Metric)
        yield from alike("gates' beats_baselines metric", [m.name for m in beaten])
        if not self.beats_baselines:
            yield "gates: beats_baselines is empty, so that any model would pass; name at least one, such as LogLoss()"
        for metric in (*beaten, *sound(self.champion_metric, Metric)):
            if metric.name == "accuracy":
                yield "gates: accuracy cannot be what decides: where positives are rare the zero rule wins it"
        yield from self._support_mistakes()

    def _support_mistakes(self) -> Iterator[str]:
        if wrong := not_one("gates: support", self.support, Support):
            yield from wrong
            return
        yield from out_of_range(
            "gates: support.least_of_each_class", self.support.least_of_each_class, whole=True, least=1
        )
        yield from out_of_range(
            "gates: support.least_blocks", self.support.least_blocks, whole=True, least=LEAST_RESAMPLED
        )


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
    """

    challenger: str
    evaluations: Sequence[Evaluation]
    baselines: Sequence[Comparison]
    champion: Sequence[Comparison] = ()


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
        return GateVerdict(Verdict.INSUFFICIENT_DATA, f"too few rows in {', '.join(named)} to compare", evidence)
    unmet = [*_against_baselines(gates, case), *_calibration(gates, case)]
    waiting, worse = _against_champion(gates, case)
    unmet += worse
    if unmet:
        return GateVerdict(Verdict.FAIL, "; ".join(unmet), evidence)
    if waiting and gates.without_recent == "hold":
        return GateVerdict(Verdict.INSUFFICIENT_DATA, waiting, evidence)
    met = "beats every baseline" + (
        " and is no worse than the champion" if case.champion else "; there is no champion yet"
    )
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
            if _worst(metric, found) >= 0:
                yield (
                    f"{metric.name} does not beat {comparison.other} on {comparison.split}: difference {found}, "
                    "the whole interval must be on the better side of 0"
                )


def _calibration(gates: Gates, case: Case) -> Iterator[str]:
    if gates.most_ece is None:
        return
    for evaluation in case.evaluations:
        found = evaluation.whole.get("ece")
        mine = evaluation.model == case.challenger and evaluation.split == RECENT
        if mine and found is not None and found.sufficient and found.value > gates.most_ece:
            yield f"ece on {RECENT} is {found}, at most {gates.most_ece} is allowed"


def _against_champion(gates: Gates, case: Case) -> tuple[str, list[str]]:
    """Return what is waited for, and in what the challenger is worse."""
    metric, waiting, worse = gates.champion_metric, "", []
    for comparison in case.champion:
        found = comparison.differences[metric.name]
        margin = gates.recent_margin if comparison.split == RECENT else gates.static_margin
        if not found.sufficient:
            waiting = f"{metric.name} against the champion on {comparison.split}: {found}"
        elif _worst(metric, found) > margin:
            worse.append(
                f"{metric.name} may be worse than the champion's on {comparison.split} by {_worst(metric, found):.4f}, "
                f"at most {margin} is allowed (difference {found})"
            )
    return waiting, [*worse, *_slices(gates, case)]


def _slices(gates: Gates, case: Case) -> Iterator[str]:
    if gates.slice_margin is None or not case.champion:
        return
    recent = {e.model: e for e in case.evaluations if e.split == RECENT}
    if CHAMPION not in recent:
        return
    name = gates.champion_metric.name
    for group, estimates in recent[case.challenger].slices.items():
        mine, other = estimates.get(name), recent[CHAMPION].slices.get(group, {}).get(name)
        if mine is None or other is None or not (mine.sufficient and other.sufficient):
            continue
        loss = _loss(gates.champion_metric, mine.value - other.value)
        if loss > gates.slice_margin:
            yield f"{name} for {group} is worse than the champion's by {loss:.4f}, allowed is {gates.slice_margin}"


def _worst(metric: Metric, difference: Estimate) -> float:
    """Return the loss at the bad end of a difference's interval, positive if worse."""
    return -difference.low if metric.higher_is_better else difference.high


def _loss(metric: Metric, difference: float) -> float:
    return -difference if metric.higher_is_better else difference


def _evidence(case: Case) -> Iterator[tuple[str, Scalar]]:
    for e in case.evaluations:
        for name, found in e.whole.items():
            yield f"{e.split} {e.model} {name}", found.value if found.sufficient else None
    for c in (*case.baselines, *case.champion):
        for name, found in c.differences.items():
            for end in ("value", "low", "high"):
                yield f"{c.split} {name} minus {c.other} {end}", getattr(found, end) if found.sufficient else None
