"""Performance before labels come: what a window's metrics are expected to be, and when that is not to be believed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats, Metric
from mlsys_assets.production_monitoring.expected_labels import ExpectedLabels
from mlsys_assets.production_monitoring.label_shift import LabelShift
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, Times, unfit_window

NOT_VALID: Final = "not valid"


def estimated_performance(
    reference: ReferenceScores, score: Floats, at: Times, *, metrics: Sequence[Metric], seed: int
) -> dict[str, Estimate]:
    """Return what each metric of a window is expected to be, by name, from its unlabelled scores.

    By what came of like scores on the reference: average confidence (Guillory et al. 2021) of calibrated scores. Each
    interval holds what will be realised, as often as it says, under covariate shift. Each
    is untold where window or reference are unfit; see ``not_valid`` for when not to believe it.

    Parameters
    ----------
    score, at
        (n,) the window's probabilities, and when each was predicted.
    metrics
        Of probabilities: AUC, log loss, Brier score, those at a threshold, and what decisions cost.
    seed
        Of the draws.

    Raises ValueError for other times than scores.
    """
    if unfit := unfit_window(score, at) or reference.unfit:
        untold = Estimate(np.nan, np.nan, np.nan, len(reference.score), 0, 0, sufficient=False, note=unfit)
        return {metric.name: untold for metric in metrics}
    labels = ExpectedLabels.of(reference, score, at, seed=seed)
    return {metric.name: labels.estimate(metric, score) for metric in metrics}


@dataclass(frozen=True)
class Comparison:
    """What was estimated of a window before its labels came, and what they then said.

    Parameters
    ----------
    window
        Which one.
    metric
        Its name.
    """

    window: Hashable
    metric: str
    estimated: Estimate
    realised: float

    @property
    def error(self) -> float:
        """The estimate minus what was realised; NaN where either is not known."""
        return self.estimated.value - self.realised

    @property
    def held(self) -> bool:
        """Whether the interval holds what was realised."""
        return bool(self.estimated.low <= self.realised <= self.estimated.high)

    def __str__(self) -> str:
        return f"{self.metric} of {self.window}: {self.realised:.4f} realised, {self.estimated} estimated"


def compared(
    estimated: Mapping[Hashable, Mapping[str, Estimate]], realised: Mapping[Hashable, Mapping[str, float | None]]
) -> tuple[Comparison, ...]:
    """Return each estimate beside what was realised, in the order of the estimates, where both are known.

    Parameters
    ----------
    estimated, realised
        By window and metric; None or NaN where labels cannot tell yet.
    """
    found = []
    for window, metrics in estimated.items():
        for name, one in metrics.items():
            known = realised.get(window, {}).get(name)
            if one.sufficient and known is not None and np.isfinite(known):
                found.append(Comparison(window, name, one, float(known)))
    return tuple(found)


def mean_absolute_error(comparisons: Sequence[Comparison]) -> float:
    """Return how far estimates lay from what was realised, in the mean; NaN without any."""
    return float(np.mean([abs(one.error) for one in comparisons])) if comparisons else float(np.nan)


def not_valid(shift: LabelShift | None, matured: Sequence[Comparison]) -> str:
    """Return why estimates of a window are not to be believed; "" if nothing speaks against them.

    Parameters
    ----------
    shift
        What the window's scores tell of a label shift; None if nobody asked.
    matured
        The comparisons of the last window whose labels are known: where one missed, scores may no longer mean what
        they did.
    """
    if shift is not None and shift.symptom is not None:
        return f"{NOT_VALID}: label shift, {shift.symptom.told}"
    missed = [str(one) for one in matured if not one.held]
    return f"{NOT_VALID}: the last estimate missed ({'; '.join(missed)})" if missed else ""


def silenced(estimates: Mapping[str, Estimate], reason: str) -> dict[str, Estimate]:
    """Return the estimates; untold, each with the reason, if there is one."""
    if not reason:
        return dict(estimates)
    nan = float(np.nan)
    return {
        name: replace(one, value=nan, low=nan, high=nan, error=nan, bias=0.0, sufficient=False, note=reason)
        for name, one in estimates.items()
    }
