"""What each row lost beyond what was to be expected of it: the ground on which slices are compared."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.metrics import SMALLEST, Floats

PRIOR_ROWS = 1.0
"""How much the recalibration is drawn towards the scores as they are: it exists for one class or one score too."""


@dataclass(frozen=True, eq=False)
class ExcessLoss:
    """A loss a row minus its expectation, with the moments that it has if nothing is wrong with the row.

    Parameters
    ----------
    excess
        (n,) loss minus expected loss; positive is worse than foretold.
    variance, third
        (n,) the second and third central moments of ``excess``.
    swing
        (n,) by how much ``excess`` is expected to grow with an effect that many rows of a day share.
    """

    excess: Floats
    variance: Floats
    third: Floats
    swing: Floats

    def __len__(self) -> int:
        return len(self.excess)


def surprise(label: Floats, score: Floats) -> ExcessLoss:
    """Return each row's log loss beyond what the score itself foretells.

    Log loss is large wherever a probability is near one half, which is no fault. A score p whose event has
    probability q foretells a log loss of −q log p − (1 − q) log(1 − p); what a row loses beyond that is
    (q − label) logit p. q is p after a logistic recalibration on all the rows (Platt 1999), so that scores which
    are too high everywhere are no fault of a slice. A slice whose scores are too high while below one half loses
    less than foretold: that is a matter of calibration, and not found here.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    score
        (n,) probabilities; ValueError is raised for any other.

    >>> surprise(np.array([1.0, 0.0] * 50), np.full(100, 0.5)).excess.round(6).max()
    np.float64(0.0)
    """
    _require_probabilities(label, score)
    p = np.clip(score, SMALLEST, 1 - SMALLEST)
    logit = np.log(p) - np.log1p(-p)
    q = _recalibrated(label, logit)
    spread = q * (1 - q)
    return ExcessLoss((q - label) * logit, spread * logit**2, -spread * (1 - 2 * q) * logit**3, -spread * logit)


def relative(loss: Floats) -> ExcessLoss:
    """Return each row's loss minus the mean loss, with the moments of all rows; ValueError where it is not finite.

    >>> relative(np.array([1.0, 3.0])).excess
    array([-1.,  1.])
    """
    if not np.isfinite(loss).all():
        raise ValueError(f"{int((~np.isfinite(loss)).sum())} of {len(loss)} losses are not finite; leave them out")
    excess = loss - loss.mean() if len(loss) else loss
    second, third = (float((excess**power).mean()) if len(loss) else 0.0 for power in (2, 3))
    return ExcessLoss(excess, np.full(len(loss), second), np.full(len(loss), third), np.ones(len(loss)))


def _require_probabilities(label: Floats, score: Floats) -> None:
    if label.shape != score.shape:
        raise ValueError(f"{len(label)} labels and {len(score)} scores; there must be one of each a row")
    wrong = ~((score >= 0) & (score <= 1))
    if wrong.any():
        raise ValueError(f"{int(wrong.sum())} of {len(score)} scores are no probabilities, such as {score[wrong][0]}")
    if not np.isin(label, (0, 1)).all():
        raise ValueError("labels must be 0 or 1; leave out the rows that have none")


def _recalibrated(label: Floats, logit: Floats) -> Floats:
    """Return (n,) the logistic function of a + b logit that fits the labels best, drawn slightly to a = 0, b = 1."""
    from scipy.optimize import minimize
    from scipy.special import expit

    design = np.stack([np.ones(len(logit)), logit], axis=1)
    prior = np.array([0.0, 1.0])
    rows = len(label) + PRIOR_ROWS

    def loss(ab: Floats) -> float:
        margin = design @ ab
        return float(np.logaddexp(0, margin).sum() - label @ margin + PRIOR_ROWS * ((ab - prior) ** 2).sum() / 2) / rows

    def slope(ab: Floats) -> Floats:
        found: Floats = design.T @ (expit(design @ ab) - label) + PRIOR_ROWS * (ab - prior)
        return found / rows

    def curve(ab: Floats) -> Floats:
        q = expit(design @ ab)
        found: Floats = (design.T * (q * (1 - q))) @ design + PRIOR_ROWS * np.eye(2)
        return found / rows

    fitted: Floats = expit(design @ minimize(loss, prior, jac=slope, hess=curve, method="trust-exact").x)
    return fitted
