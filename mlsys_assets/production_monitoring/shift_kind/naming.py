"""Covariate, label or concept shift, or nothing: the kind is told from the line, the regions and the movements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.production_monitoring.diagnosis import Cause, Remedy, Symptom
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.decomposition import Decomposition, decompose
from mlsys_assets.production_monitoring.shift_kind.density_ratio import DensityRatio, LogisticRatio
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits, Known, ShiftKind
from mlsys_assets.production_monitoring.shift_kind.movement import SCORE, Movements, movements
from mlsys_assets.production_monitoring.shift_kind.recalibration import Line, Recalibrated, recalibrated
from mlsys_assets.production_monitoring.shift_kind.regions import Region, worst_region
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

LABELS: Final = "labels"
CREDIBLE: Final = 0.05
"""How likely chance may give what a movement costs: that there is one has been told beyond chance by then."""


def shift_kind(
    reference: ScoredRows,
    window: ScoredRows,
    *,
    limits: KindLimits | None = None,
    known: Known | None = None,
    ratio: DensityRatio | None = None,
) -> ShiftKind:
    """Return what kind of shift a window of labelled rows shows against a reference.

    P(Y|X) is asked first: does the champion's score need another line than it did, or residuals in some bin of a
    column? A slope, or residuals of some rows, are a concept shift. A level alone is a label shift if the score moved
    as the share of positives says and lies within each class as it did, and a concept shift if the score lies as it
    did over all rows. Where labels follow as before, features that moved are a covariate shift.

    Parameters
    ----------
    reference
        Held-out rows that the champion did well on.
    window
        Rows of the same columns.
    limits
        From where on a change counts.
    known
        What others found out.
    ratio
        How densities are compared; by a logistic regression if None.
    """
    asked, more = limits or KindLimits(), known or Known()
    if reason := reference.lacks("the reference") or window.lacks("the window"):
        return _untold(f"insufficient data: {reason}")
    then, now = reference.take(reference.known), window.take(window.known)
    days = Days.of(then.at, now.at)
    line = recalibrated(then, now, days)
    if line is None:
        return _untold("insufficient data: scores separate the classes, so that there is no line to compare")
    seen = _Seen.of(then, now, line, days)
    foretold = (line.reference(then.score), line.reference(now.score))
    parts = decompose(then, now, foretold, days, ratio=ratio or LogisticRatio())
    symptoms = sorted(seen.symptoms(parts, asked, more), key=partial(_accounts_for, parts), reverse=True)
    if not symptoms:
        return ShiftKind(Cause.NOTHING, Remedy.NOTHING, (), parts, line.reference, None, seen.quiet)
    return _named(symptoms, parts, line.reference, _Times(window, more))


def informed(found: ShiftKind, window: ScoredRows, known: Known) -> ShiftKind:
    """Return a kind that was told, with the remedy as others found out since, and no row looked at again.

    Equal to what ``shift_kind`` tells with the same ``known``, where its symptoms are those that it was told with.
    """
    if not found.symptoms or found.parts is None or found.reference is None:
        return found
    return _named(found.symptoms, found.parts, found.reference, _Times(window, known))


@dataclass(frozen=True, eq=False)
class _Seen:
    """All that was looked at."""

    line: Recalibrated
    region: Region | None
    moves: Movements
    shares: tuple[float, float]

    @classmethod
    def of(cls, then: ScoredRows, now: ScoredRows, line: Recalibrated, days: Days) -> "_Seen":
        region = worst_region(then, now, (line.reference(then.score), line.window(now.score)), days)
        return cls(line, region, movements(then, now, days), (float(then.label.mean()), float(now.label.mean())))

    @property
    def quiet(self) -> str:
        """What is said where nothing is named."""
        return (
            f"nothing that costs: the level of the score moved by {self.line.level}, its slope by {self.line.slope}, "
            f"its mean by {self.moves.marginal.score} standard deviations"
        )

    def symptoms(self, parts: Decomposition, limits: KindLimits, known: Known) -> Iterator[Symptom]:
        """Yield what holds, one a kind."""
        region = 1.0 if self.region is None else self.region.p
        level, slope, part = holm([self.line.level.p, self.line.slope.p, region]) <= limits.chance
        slope &= self.line.slope_gain >= limits.gain
        part &= self.region is not None and self.region.gain >= limits.gain
        level &= self.line.level_gain >= limits.gain
        of_label = bool(level) and self._as_positives(limits)
        if slope or part or (level and not of_label):
            yield self._concept(bool(part), limits)
        if of_label and not (slope or part):
            yield self._label(limits)
        yield from self._covariate(parts, limits, known, within=bool(level))

    def _as_positives(self, limits: KindLimits) -> bool:
        """Return whether scores moved as the share of positives did, rather than not at all.

        Of two hypotheses, "features lie as they did" and "features of each class lie as they did", the one is taken
        whose mean score is nearer; where both are refuted, features moved besides, and the level is the positives'.
        """
        moved = self.moves.marginal.score
        foretold = self.moves.by_positives(self.shares[1] - self.shares[0])
        own = float(holm([self.moves.negatives.p, self.moves.positives.p]).min())
        return abs(moved.value - foretold) <= abs(moved.value) or max(own, moved.p) <= limits.chance

    def _concept(self, part: bool, limits: KindLimits) -> Symptom:
        line, region = self.line, self.region
        gain = line.level_gain + line.slope_gain + (region.gain if region is not None and part else 0.0)
        told = f"the champion's score would need a slope of {line.window.slope:.2f} (was {line.reference.slope:.2f})"
        where = SCORE
        if region is not None and part:
            where = region.column
            told += f"; where {where} is {region.told}, labels are 1 by {region.residual:+.1%} of the rows more"
        measures = {
            "level": line.level.value,
            "slope": line.slope.value,
            "p_level": line.level.p,
            "p_slope": line.slope.p,
        }
        return Symptom(Cause.CONCEPT, "recalibration", where, told, gain, limits.gain, measures)

    def _label(self, limits: KindLimits) -> Symptom:
        before, after = self.shares
        told = f"{after:.1%} positive, {before:.1%} before; scores of each class as before, log-odds off by "
        told += f"{self.line.prior:+.2f}"
        measures = {"before": before, "after": after, "log_odds": self.line.prior, "p": self.line.level.p}
        return Symptom(Cause.LABEL, "prior", LABELS, told, self.line.level_gain, limits.gain, measures)

    def _covariate(self, parts: Decomposition, limits: KindLimits, known: Known, *, within: bool) -> Iterator[Symptom]:
        """Yield how features moved; ``within`` classes where the share of positives changed, as it moves them too."""
        movement = self.moves.within if within else self.moves.marginal
        far, of = movement.farthest(chance=limits.chance), parts.of_features
        handed = [] if within else [s for s in known.symptoms if s.cause is Cause.COVARIATE]
        own = far is not None and abs(far[1]) >= limits.moved
        if not (handed or own) or abs(of.value) < limits.cost or (of.p_of_rows if handed else of.p) > CREDIBLE:
            return
        where, size = far if far is not None and own else (handed[0].where, handed[0].size)
        by = f" by {size:+.2f} standard deviations" if own else ""
        told = f"{where} moved{by}, which alone changes the log loss by {of.value:+.4f}"
        measures = {"moved": size, "beyond_overlap": parts.beyond_overlap, "p": of.p}
        yield Symptom(Cause.COVARIATE, "density ratio", where, told, abs(of.value), limits.cost, measures)


@dataclass(frozen=True)
class _Times:
    """When a window was, and what is known of it."""

    window: ScoredRows
    known: Known

    @property
    def learn_from(self) -> TimeWindow:
        """From when errors got worse, or the window's first row, to its last."""
        first, last = self.window.at.min(), self.window.at.max()
        since = first if self.known.since is None else self.known.since
        start, end = (one.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC) for one in (since, last))
        return TimeWindow(min(start, end), end)


def _named(symptoms: Sequence[Symptom], parts: Decomposition, line: Line, times: _Times) -> ShiftKind:
    cause = symptoms[0].cause
    remedy = _remedy(cause, parts, times.known.refit)
    learn = times.learn_from if remedy in {Remedy.RETRAIN, Remedy.REWEIGHT} else None
    told = "; ".join(f"{s.cause}: {s.told} ({s.size:.4f} log loss a request)" for s in symptoms)
    return ShiftKind(cause, remedy, tuple(symptoms), parts, line, learn, told)


def _remedy(cause: Cause, parts: Decomposition, refit: Estimate | None) -> Remedy:
    """Return what to do.

    Features that moved ask for a retraining if the loss has risen with them, or a refit gains. That one does not gain
    speaks for nothing: it learned from fewer rows than the champion, of times when features lay as before.
    """
    if cause is Cause.LABEL:
        return Remedy.CORRECT_PRIOR
    if cause is Cause.CONCEPT:
        return Remedy.RETRAIN
    gains = refit is not None and refit.sufficient and refit.high < 0.0
    return Remedy.REWEIGHT if gains or parts.of_features.value > 0.0 else Remedy.NOTHING


def _accounts_for(parts: Decomposition, symptom: Symptom) -> float:
    """Return how much of the change of log loss a symptom's cause accounts for."""
    return abs(parts.of_features.value if symptom.cause is Cause.COVARIATE else parts.of_labels.value)


def _untold(reason: str) -> ShiftKind:
    return ShiftKind(Cause.UNTOLD, Remedy.WAIT, (), None, None, None, reason)
