"""Label shift: whether the share of positives moved by itself, told from a window's scores before its labels come."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.prevalence import Prevalence
from mlsys_assets.production_monitoring.day_shares import DayShares
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.expected_labels import ExpectedLabels
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, Times, days_of, unfit_window
from mlsys_assets.production_monitoring.score_mixture import (
    LEAST_APART,
    Counts,
    Fit,
    fit_of,
    likeliest_share,
    share_by_cells,
    share_by_confusion,
    standard_error,
)

LEAST_EFFECT: Final = 0.1
"""Cohen's h from which a shift counts, half of what Cohen (1988) calls small: from .22 to .263, or from .01 to .022."""
LEAST_MISFIT: Final = 0.1
"""Cohen's w from which scores are called no mixture (Cohen 1988: small)."""
BY_CHANCE: Final = 0.002
"""How often chance alone may give as much, if all rows are independent."""
BY_CHANCE_OF_DAYS: Final = 0.01
"""How often chance alone may give as much, if only days are: their deviation is itself a guess of a few of them."""
EDGE: Final = 0.005
"""A share as near to 0 or 1 is no share, but says that the scores lie beyond what any mixture gives."""
SAME_DAYS: Final = 0.9
"""A window with this share of its days in the reference has met what those days brought to their features."""
UNTOLD: Final = Estimate(np.nan, np.nan, np.nan, 0, 0, 0, sufficient=False)


@dataclass(frozen=True)
class LabelShift:
    """What a window's unlabelled scores tell of its share of positives.

    Parameters
    ----------
    before
        The reference's share.
    share
        The window's, if only the share moved: of the largest likelihood.
    moved
        That minus the reference's.
    by_confusion, by_cells
        The same by a confusion matrix at a threshold, and by that of all cells.
    by_features
        The window's share if only the features moved: what its calibrated scores foretell in the mean.
    fit
        How well a mixture of the reference's classes explains the scores; None where nothing is told.
    objection
        What speaks against the assumption that only the share moved; "" if nothing does.
    symptom
        The shift, where it is beyond chance, large enough to matter, and nothing speaks against it.
    untold
        Why nothing is told; "" if something is.
    """

    before: float
    share: Estimate = UNTOLD
    moved: Estimate = UNTOLD
    by_confusion: Estimate = UNTOLD
    by_cells: Estimate = UNTOLD
    by_features: Estimate = UNTOLD
    fit: Fit | None = None
    objection: str = ""
    symptom: Symptom | None = None
    untold: str = ""

    @property
    def holds(self) -> bool:
        """Whether the shares can be believed: something is told, and nothing speaks against its assumption."""
        return not self.untold and not self.objection

    def __str__(self) -> str:
        if self.untold:
            return f"insufficient data: {self.untold}"
        told = f"{self.before:.3f} positive before; {self.share} now if only the share moved, {self.by_features} if"
        return f"{told} only the features did" + (f"; {self.objection}" if self.objection else "")


def label_shift(
    reference: ReferenceScores, score: Floats, at: Times, *, seed: int, threshold: float | None = None
) -> LabelShift:
    """Return the share of positives that a window's scores tell, and whether what it rests on holds.

    It rests on each class looking as it did. Scores alone cannot always tell that from features that moved: three
    questions are asked, whether a mixture explains the scores, whether two estimates that are both right under label
    shift agree (Hausman 1978), and what moved the share from day to day on the reference, where labels are known.

    Parameters
    ----------
    score, at
        (n,) the window's probabilities, and when each was predicted.
    seed
        Of the bootstrap.
    threshold
        Of the confusion matrix; None: the score that as many rows of the reference reach as are positive.

    Raises ValueError for other times than scores.
    """
    unfit = unfit_window(score, at) or reference.unfit
    if unfit:
        return LabelShift(reference.prior, untold=unfit)
    counts = Counts.of(reference, score, at, seed=seed)
    if threshold is None:
        threshold = float(np.quantile(reference.score, 1 - reference.prior))
    confusion, apart = share_by_confusion(counts, threshold=threshold)
    if abs(apart[0]) < LEAST_APART:
        return LabelShift(
            reference.prior,
            untold=f"ill-conditioned: {threshold:.3g} is reached by nearly as many negatives as positives "
            f"(rates {apart[0]:.3f} apart, {LEAST_APART:g} needed); the model tells the classes hardly apart",
        )
    share = likeliest_share(counts)
    fit = fit_of(counts, share)
    found = LabelShift(
        reference.prior,
        share=counts.estimate_share(share),
        moved=counts.estimate(share - counts.priors),
        by_confusion=counts.estimate_share(confusion),
        by_cells=counts.estimate_share(share_by_cells(counts)),
        by_features=ExpectedLabels.of(reference, score, at, seed=seed).estimate(Prevalence(), score),
        fit=fit,
        objection=_objection(counts, share, confusion, fit) or _by_day(reference, at, seed=seed),
    )
    return _with_symptom(found, standard_error(counts, float(share[0])))


def _objection(counts: Counts, share: Floats, confusion: Floats, fit: Fit) -> str:
    if not EDGE < share[0] < 1 - EDGE:
        return f"the scores lie beyond what any share would give ({share[0]:.3f}): the features moved"
    if fit.effect >= LEAST_MISFIT and fit.p_value < BY_CHANCE_OF_DAYS:
        return (
            f"the scores are no mixture of both classes as they were (Cohen's w {fit.effect:.2f}, "
            f"p = {fit.p_value:.1g}): the features moved, or what they mean"
        )
    apart = counts.estimate(share - confusion)
    if cohen_h(float(share[0]), float(confusion[0])) >= LEAST_EFFECT and apart.p_zero < BY_CHANCE_OF_DAYS:
        return f"two estimates disagree ({share[0]:.3f} and, by the confusion matrix, {confusion[0]:.3f})"
    return ""


def _by_day(reference: ReferenceScores, at: Times, *, seed: int) -> str:
    """Return what the reference's days speak against; nothing where the window is of the same days."""
    shared = np.isin(days_of(at), days_of(reference.at)).mean()
    return "" if shared >= SAME_DAYS else DayShares.of(reference, seed=seed).objection


def _with_symptom(found: LabelShift, error: float) -> LabelShift:
    from scipy.special import ndtr

    size = cohen_h(found.share.value, found.before)
    chance = 2 * float(ndtr(-abs(found.moved.value) / error)) if error > 0 else 1.0
    if not (size >= LEAST_EFFECT and chance < BY_CHANCE and found.moved.p_zero < BY_CHANCE_OF_DAYS and found.holds):
        return found
    told = (
        f"{found.share.value:.3f} [{found.share.low:.3f}, {found.share.high:.3f}] positive, told from scores; "
        f"{found.before:.3f} on the reference"
    )
    numbers = {"before": found.before, "share": found.share.value, "low": found.share.low, "high": found.share.high}
    measures = {**numbers, "by_confusion": found.by_confusion.value, "by_features": found.by_features.value}
    return replace(found, symptom=Symptom(Cause.LABEL, "score_mixture", "scores", told, size, LEAST_EFFECT, measures))


def cohen_h(one: float, other: float) -> float:
    """Return how far apart two shares are: Cohen's h (1988), at least 0.

    >>> round(cohen_h(0.22, 0.33), 3)
    0.247
    """
    return float(2 * abs(np.arcsin(np.sqrt(one)) - np.arcsin(np.sqrt(other))))
