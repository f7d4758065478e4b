"""What a shift costs, from scores alone: in log loss and, where actions cost, in money."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats, LogLoss, log_losses
from mlsys_assets.models.prior_correction import correct
from mlsys_assets.production_monitoring.diagnosis import Price
from mlsys_assets.production_monitoring.expected_labels import ExpectedLabels, sigmoid_of
from mlsys_assets.production_monitoring.label_shift import EDGE, LabelShift
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, Times, unfit_window

ESTIMATED = "estimated"

Gap = Callable[[Floats, Floats], float]
"""Maps (n,) probabilities that are believed and (n,) that are true to what believing the others costs in the mean."""


def price_of_label_shift(
    reference: ReferenceScores, score: Floats, shift: LabelShift, *, costs: CostMatrix | None
) -> Price:
    """Return what a label shift costs for as long as scores are not corrected by it.

    That is the expected loss of the scores as calibrated on the reference, minus that of the corrected ones, both
    under the corrected ones: never below 0. Its interval is that of the share, each end of it priced. Untold where the
    shift is.

    Parameters
    ----------
    score
        (n,) the window's probabilities.
    shift
        What they told of the share.
    costs
        What actions cost; None: no money.
    """
    if shift.untold or not shift.share.sufficient:
        like = replace(shift.share, rows=len(score), sufficient=False, note=shift.untold)
        return Price(like, None if costs is None else like, len(score), ESTIMATED)
    believed = sigmoid_of(reference).apply(score)
    money = None if costs is None else _priced(_decisions(costs), believed, shift)
    return Price(_priced(_divergence, believed, shift), money, len(score), ESTIMATED)


def price_of_covariate_shift(
    reference: ReferenceScores, score: Floats, at: Times, *, costs: CostMatrix | None, seed: int
) -> Price:
    """Return what a covariate shift costs: the loss expected of the window minus that of the reference.

    Right as long as scores mean what they meant; below 0 where requests became easier. Untold where window or
    reference are unfit.

    Parameters
    ----------
    score, at
        (n,) the window's probabilities, and when each was predicted.
    costs
        What actions cost; None: no money.
    seed
        Of the draws.
    """
    if unfit := unfit_window(score, at) or reference.unfit:
        untold = Estimate(np.nan, np.nan, np.nan, len(score), 0, 0, sufficient=False, note=unfit)
        return Price(untold, None if costs is None else untold, len(score), ESTIMATED)
    labels = ExpectedLabels.of(reference, score, at, seed=seed)
    money = None if costs is None else labels.change(ExpectedCost(costs), score, reference)
    return Price(labels.change(LogLoss(), score, reference), money, len(score), ESTIMATED)


def _priced(gap: Gap, believed: Floats, shift: LabelShift) -> Estimate:
    """Return a loss with its interval: it grows on both sides of the reference's share, where it is 0."""

    def at(share: float) -> float:
        new = float(np.clip(share, EDGE, 1 - EDGE))
        return gap(believed, correct(believed, train_prior=shift.before, new_prior=new))

    share = shift.share
    value, ends = at(share.value), (at(share.low), at(share.high))
    within = share.low <= shift.before <= share.high
    low, high = 0.0 if within else min(value, *ends), max(value, *ends)
    least, most = share.interval()
    error = share.error * (high - low) / (most - least) if most > least else 0.0  # as wide as its interval says
    return replace(share, value=value, low=low, high=high, error=error, bias=0.0)


def _divergence(believed: Floats, true: Floats) -> float:
    """Return the mean log loss of probabilities less that of the true ones: their Kullback-Leibler divergence."""
    gap = true * (log_losses(np.ones(len(true)), believed) - log_losses(np.ones(len(true)), true))
    gap += (1 - true) * (log_losses(np.zeros(len(true)), believed) - log_losses(np.zeros(len(true)), true))
    return float(gap.mean())


def _decisions(costs: CostMatrix) -> Gap:
    """Return what acting on probabilities costs more in the mean than acting on the true ones."""

    def gap(believed: Floats, true: Floats) -> float:
        one, nothing = np.ones(len(true)), np.zeros(len(true))
        act = true * costs.per_row(one, one) + (1 - true) * costs.per_row(nothing, one)
        leave = true * costs.per_row(one, nothing) + (1 - true) * costs.per_row(nothing, nothing)
        wrong = (believed >= costs.threshold) != (true >= costs.threshold)
        return float((np.abs(act - leave) * wrong).mean())

    return gap
