"""From what is observed to a diagnosis: bugs first, then skew, then what changed in the world, then what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.concept.changes import watch
from mlsys_assets.production_monitoring.concept.streams import ErrorStream
from mlsys_assets.production_monitoring.diagnosing.bug_looks import bug_looks
from mlsys_assets.production_monitoring.diagnosing.seen import Seen
from mlsys_assets.production_monitoring.diagnosing.together import apart, moved_together
from mlsys_assets.production_monitoring.diagnosis import BUGS, SHIFTS, Cause, Diagnosis, Price, Remedy, Symptom
from mlsys_assets.production_monitoring.drift.columns import Distances, Reference
from mlsys_assets.production_monitoring.drift.outcome import Outcome
from mlsys_assets.production_monitoring.drift.shifted import shifted_columns
from mlsys_assets.production_monitoring.drift.usual import APART
from mlsys_assets.production_monitoring.estimated_price import price_of_covariate_shift, price_of_label_shift
from mlsys_assets.production_monitoring.label_shift import BY_CHANCE_OF_DAYS, LabelShift, label_shift
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores
from mlsys_assets.production_monitoring.refit_comparison import compare_refit
from mlsys_assets.production_monitoring.shift_kind.beyond_share import beyond_share
from mlsys_assets.production_monitoring.shift_kind.kinds import Known, ShiftKind
from mlsys_assets.production_monitoring.shift_kind.naming import informed, shift_kind
from mlsys_assets.production_monitoring.shift_kind.price import REALISED, realised_price
from mlsys_assets.production_monitoring.shift_kind.recalibration import Line
from mlsys_assets.production_monitoring.shift_kind.scored_rows import scored

BLOCKS: Final = "blocks"
"""The measure of a symptom that says whether it is a bug: a column that is new is told, and breaks nothing."""
SURELY: Final = 0.001
"""How rarely chance may give as much of a loss, where neither level, slope nor region of the scores is credibly other:
days that turn as one differ in how much they lose."""
SHOWN: Final = 3
"""Symptoms that the reason repeats."""


@dataclass(frozen=True, eq=False)
class Diagnosing:
    """One window's diagnosis in the making: each look is taken once.

    Parameters
    ----------
    seen
        What is observed.
    asked
        How the system is monitored.
    learner
        What is refitted to see whether learning anew would gain.
    seed, threads
        Of draws and fits.
    """

    seen: Seen
    asked: Monitoring
    learner: Learner
    seed: int = 0
    threads: int = 1

    def diagnosis(self) -> Diagnosis:
        """Return what changed, what it costs and what to do."""
        found = self._looked()
        symptoms, untold = [*found.symptoms, *self.seen.skew], {**found.untold, **dict(self._unlooked())}
        bugs = [s.cause for s in symptoms if s.cause in BUGS and s.measures.get(BLOCKS, True)]
        told = self._of_bugs(min(bugs, key=BUGS.index)) if bugs else self._of_shifts(symptoms)
        every = [*told.symptoms, *(s for s in symptoms if s not in told.symptoms)]
        every.sort(key=lambda s: s.cause is not told.cause)  # stable: in each part as they were found
        told = replace(told, symptoms=tuple(every), untold=untold)
        return replace(told, reason=_reason(told))

    def _looked(self) -> Examined:
        """Return what speaks for bugs, and for features that moved: with two threads, both are looked for at once."""
        with ThreadPoolExecutor(1) as beside:
            moved = beside.submit(lambda: (self._covariate, self._moved_together))
            if self.threads == 1:
                wait([moved])
            bugs = list(bug_looks(self.seen, self.asked, seed=self.seed))
            return Examined.of([*bugs, *moved.result()])

    def _unlooked(self) -> Iterator[tuple[str, str]]:
        """Yield what could not be told of the kind of a shift, and why."""
        kind, shift = self.kind, self.label_shift
        if kind is None:
            yield "kind of shift", "no champion, or nothing was predicted"
        elif kind.cause is Cause.UNTOLD:
            yield "kind of shift", kind.reason
        if shift is not None and shift.untold:
            yield "label shift", shift.untold

    # ---------------------------------------------------------------------------------------------- bugs

    def _of_bugs(self, cause: Cause) -> Diagnosis:
        if cause is Cause.SKEW:
            return self._named(cause, Remedy.FIX_SERVING, self.seen.skew_price)
        return self._named(cause, Remedy.FIX_DATA, self._loss())

    # ---------------------------------------------------------------------------------------------- shifts

    @cached_property
    def distances(self) -> dict[str, Distances]:
        """How far each feature lies from the reference times; nothing where there is no reference."""
        pair = self.seen.features
        return {} if pair.untold else Reference.of(pair.before).distances(pair.now)

    @cached_property
    def _covariate(self) -> Examined:
        """Features that moved: far, beyond chance, and beyond what is usual of this system."""
        if self.seen.past is None:
            return self._shifted(self.distances, {})
        psi = {name: one.psi for name, one in self.distances.items() if np.isfinite(one.psi)}
        usual = self.asked.usual.judged(self.seen.past, psi, most=APART)
        limits = {one.name: one.limit for one in usual.statistics}
        judged = {name: one for name, one in self.distances.items() if name in limits or name not in psi}
        found = self._shifted(judged, limits)
        young = {f"drift of {name}": why for name, why in usual.untold.items()}
        return Examined(found.symptoms, {**found.untold, **young})

    def _shifted(self, distances: Mapping[str, Distances], limits: Mapping[str, float]) -> Examined:
        found = shifted_columns(distances, self.asked.columns, usual=limits)
        return Examined(found.symptoms, {f"drift of {name}": why for name, why in found.untold.items()})

    @cached_property
    def together(self) -> Outcome | None:
        """How far all features together lie from the reference times; None if that is not asked."""
        test = self.asked.together
        return None if test is None else apart(test, self.seen.features, seed=self.seed)

    @property
    def _moved_together(self) -> Examined:
        found = self.together
        if found is None:
            return Examined()
        return moved_together(found, self.seen.past_together, self.asked.usual)

    @cached_property
    def reference(self) -> ReferenceScores | None:
        """The held-out scores with their labels."""
        held = self.seen.held_out
        if held is None:
            return None
        known = held.take(held.known)
        return ReferenceScores(known.score, known.label, known.at)

    @cached_property
    def label_shift(self) -> LabelShift | None:
        """What the window's scores alone tell of its share of positives."""
        rows = self.seen.predicted
        if self.reference is None or not len(rows):
            return None
        return label_shift(self.reference, rows.score, rows.at, seed=self.seed)

    @cached_property
    def kind(self) -> ShiftKind | None:
        """What the labels that are known tell: whether features or what they mean changed."""
        held, rows = self.seen.held_out, self.seen.predicted
        if held is None or not len(rows):
            return None
        known = Known(self._covariate.symptoms)
        found = shift_kind(held, rows, limits=self.asked.kinds, known=known)
        if found.cause is Cause.COVARIATE:
            known = replace(known, refit=self._refit())
        elif found.cause is Cause.CONCEPT and found.reference is not None:
            known = replace(known, since=self._since(found.reference))
        else:
            return found
        return informed(found, rows, known)

    def _since(self, line: Line) -> np.datetime64 | None:
        """Return when errors got worse, within the reference times and the window; None where detectors disagree.

        Rows are read in order of prediction, not of their labels: it is by prediction times that rows are learned from.
        """
        rows = scored([part for part in (self.seen.recent, self.seen.predicted) if part is not None])
        if rows is None:
            return None
        known = rows.take(rows.known)
        stream = ErrorStream.of(known.label, known.score, known_at=known.at, calibrated=line(known.score))
        return watch(stream, self.asked.detectors).since

    def _refit(self) -> Estimate | None:
        """Return what a refit on the reference times would gain on the window."""
        recent, rows = self.seen.recent, self.seen.predicted
        both = scored([part for part in (recent, rows) if part is not None])
        if recent is None or both is None:
            return None
        found = compare_refit(
            both, self.learner, known_at=both.at, held_from=rows.at.min(), seed=self.seed, threads=self.threads
        )
        return found.difference if found.difference.sufficient else None

    def _of_shifts(self, symptoms: Sequence[Symptom]) -> Diagnosis:
        """Return what labels tell; where too few are known, what the scores and features tell without them."""
        kind, shift = self.kind, self.label_shift
        if kind is not None and kind.cause in {Cause.NOTHING, Cause.COVARIATE} and (lost := self._surely_lost()):
            return lost
        if kind is not None and kind.cause in SHIFTS:
            price = self._expected() if kind.cause is Cause.COVARIATE else self._loss()
            told = self._named(kind.cause, kind.remedy, price)
            return replace(told, symptoms=kind.symptoms, learn_from=kind.learn_from)
        labelled = kind is not None and kind.cause is Cause.NOTHING
        moved = any(s.cause is Cause.COVARIATE for s in symptoms)
        if shift is not None and not labelled and not (moved and self._moved_otherwise(shift)):
            named = self._of_share(shift)
            if named is not None:
                return named
        if moved:
            return self._named(Cause.COVARIATE, Remedy.NOTHING if labelled else Remedy.WAIT, self._expected())
        if labelled or (shift is not None and not shift.untold) or self._features_compared:
            return self._named(Cause.NOTHING, Remedy.NOTHING, None)
        return self._named(Cause.UNTOLD, Remedy.WAIT, None)

    def _surely_lost(self) -> Diagnosis | None:
        """Return a concept shift where far more is lost than scores foretell, in whatever shape labels turned."""
        price, limit = self._loss(), self.asked.kinds.gain
        if price is None or price.how != REALISED or not price.log_loss.p_above(limit) <= SURELY:
            return None
        loss = price.log_loss
        told = f"labels lose {loss} log loss a request more than calibrated scores foretell"
        symptom = Symptom(Cause.CONCEPT, "excess loss", "scores", told, loss.value, limit, {"p": loss.p_above(limit)})
        return replace(
            self._named(Cause.CONCEPT, Remedy.RETRAIN, price), symptoms=(symptom,), learn_from=self.seen.window
        )

    def _of_share(self, shift: LabelShift) -> Diagnosis | None:
        """Return the label shift that scores alone tell of; None if they tell of none."""
        if shift.symptom is None or self.reference is None:
            return None
        price = price_of_label_shift(self.reference, self.seen.predicted.score, shift, costs=self.seen.costs)
        return replace(self._named(Cause.LABEL, Remedy.CORRECT_PRIOR, price), symptoms=(shift.symptom,))

    def _moved_otherwise(self, shift: LabelShift) -> bool:
        """Return whether features did not move as the share of positives that the scores tell would move them."""
        held, share = self.seen.held_out, shift.share.value
        if held is None:
            return False
        return beyond_share(held.take(held.known), self.seen.predicted, share, chance=BY_CHANCE_OF_DAYS) is not None

    @property
    def _features_compared(self) -> bool:
        """Whether any feature could be held against the reference times."""
        return len(self._covariate.untold) < len(self.distances)

    def _named(self, cause: Cause, remedy: Remedy, price: Price | None) -> Diagnosis:
        return Diagnosis(self.seen.window, cause, (), price, remedy, None, "")

    # ---------------------------------------------------------------------------------------------- what it costs

    def _expected(self) -> Price | None:
        """Return what features that moved cost, by the scores alone."""
        rows = self.seen.predicted
        if self.reference is None or not len(rows):
            return None
        return price_of_covariate_shift(self.reference, rows.score, rows.at, costs=self.seen.costs, seed=self.seed)

    def _loss(self) -> Price | None:
        """Return what labels that follow otherwise cost; what the scores tell, where too few labels are known."""
        kind = self.kind
        if kind is None or kind.reference is None:
            return self._expected()
        rows = self.seen.predicted
        return realised_price(rows, kind.reference(rows.score), costs=self.seen.costs, seed=self.seed)


def _reason(told: Diagnosis) -> str:
    """Return a diagnosis in a sentence."""
    if told.cause is Cause.NOTHING:
        return "nothing changed beyond what is usual"
    if told.cause is Cause.UNTOLD:
        return "insufficient data: nothing could be held against anything"
    of = [s for s in told.symptoms if s.cause is told.cause]
    what = "; ".join(s.told for s in of[:SHOWN]) + (f"; and {len(of) - SHOWN} more" if len(of) > SHOWN else "")
    price = "what it costs cannot be told" if told.price is None else str(told.price)
    return f"{told.cause}: {what}. {price}; remedy: {told.remedy}"
