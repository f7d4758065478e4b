"""What another policy would have achieved, told from a log of what this one showed and with which chance."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import Floats

LEAST_EFFECTIVE = 30.0
"""Fewer effective rows than this, and the interval is itself a guess."""
LEAST_CHANCE_OF_WEIGHTS = 1e-4
"""Weights are 1 in the mean; how likely chance alone takes them as far away as they are."""


@dataclass(frozen=True, eq=False)
class LoggedRows:
    """What was shown, and how it went.

    Parameters
    ----------
    outcome
        (n,) what came of each row.
    propensity
        (n,) how likely the logging policy was to show it; None if nobody logged it.
    block
        (n,) the block of each row, such as its day, 0 … k−1: rows of one may depend on each other.
    """

    outcome: Floats
    propensity: Floats | None
    block: NDArray[np.intp]

    def __post_init__(self) -> None:
        """Raise ValueError for parts of different lengths, and outcomes that are not finite."""
        n = len(self.outcome)
        if len(self.block) != n or (self.propensity is not None and len(self.propensity) != n):
            raise ValueError("outcomes, propensities and blocks must be of the same rows")
        if not np.isfinite(self.outcome).all():
            raise ValueError("outcomes must be finite; leave out the rows whose outcome is not known")


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """What a model expects, for the doubly robust estimate.

    Parameters
    ----------
    of_shown
        (n,) the expected outcome of what each row showed.
    of_policy
        (n,) the expected outcome of what the other policy would have shown instead, in the mean over its choices.
    """

    of_shown: Floats
    of_policy: Floats


@dataclass(frozen=True)
class PolicyValue:
    """The mean outcome of a row under another policy, by several estimators.

    Parameters
    ----------
    naive
        The mean of the log: the value of the policy that logged, and of no other.
    ips
        Inverse propensity scoring (Horvitz & Thompson 1952): right on the mean, wide where propensities are small.
    self_normalised
        The same over the sum of the weights (Swaminathan & Joachims 2015): narrower, slightly biased in few rows.
    doubly_robust
        A model's expectation, corrected by the weighted residuals (Dudík et al. 2011): right on the mean if either
        the propensities or the model are; None without a model.
    mean_weight
        The mean weight before any clipping: 1, if the propensities are those of the policy that logged and it showed
        whatever the other policy would.
    effective_rows
        As many rows without weights would tell as much (Kish 1965).
    clip, clipped
        The largest weight that counts in full, and the share of rows beyond it.
    """

    naive: Estimate
    ips: Estimate
    self_normalised: Estimate
    doubly_robust: Estimate | None
    mean_weight: Estimate
    effective_rows: float
    clip: float | None
    clipped: float


def policy_value(
    rows: LoggedRows,
    target: Floats,
    *,
    clip: float | None = None,
    model: OutcomeModel | None = None,
    support: Support | None = None,
) -> PolicyValue:
    """Return the mean outcome of a row if ``target`` had chosen what to show, with intervals by block.

    Without propensities, with some that are no probabilities above 0, and where the weights show that they are not
    those of the log, no estimate is given: it says why.

    Parameters
    ----------
    target
        (n,) how likely the other policy is to show what each row showed.
    clip
        Weights beyond it count as it: narrower, and too low where what is clipped does well. None: none are clipped.
    model
        What a model expects of each row.

    Raises ValueError for target probabilities outside [0, 1], or not one a row; and for a clip of less than 1.
    """
    _require(rows, target, clip, model)
    asked = support or Support()
    one = np.ones(len(rows.outcome))
    naive = _ratio(rows.outcome, one, rows, asked)
    p = rows.propensity
    if p is None or (reason := _unusable(p)):
        reason = "no propensities were logged: log the chance of what is shown" if p is None else reason
        untold = replace(Estimate.untold(rows.outcome, naive.blocks), note=reason)
        robust = None if model is None else untold
        return PolicyValue(naive, untold, untold, robust, untold, 0.0, clip, 0.0)
    full = target / p
    weight = full if clip is None else np.minimum(full, clip)
    mean_weight = _ratio(full, one, rows, Support(0, asked.least_blocks))
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0
    reason = _unfit(mean_weight, effective)
    parts = [(weight * rows.outcome, one), (weight * rows.outcome, weight)]
    if model is not None:
        parts.append((model.of_policy + weight * (rows.outcome - model.of_shown), one))
    found = [replace(Estimate.untold(rows.outcome, naive.blocks), note=reason) for _ in parts]
    if not reason:
        found = [_ratio(top, bottom, rows, asked) for top, bottom in parts]
    clipped = float((full > weight).mean()) if len(full) else 0.0
    robust = found[2] if model is not None else None
    return PolicyValue(naive, found[0], found[1], robust, mean_weight, effective, clip, clipped)


def _ratio(top: Floats, bottom: Floats, rows: LoggedRows, support: Support) -> Estimate:
    """Return Σ top / Σ bottom, with the linearised error over blocks (Cochran 1977, ch. 6)."""
    blocks = len(np.unique(rows.block))
    blank = Estimate.untold(rows.outcome, blocks)
    if not support.suffices(rows.outcome, rows.outcome, blocks) or not bottom.sum():
        return blank
    value = float(top.sum() / bottom.sum())
    parts = np.bincount(rows.block, weights=top - value * bottom)
    error = float(np.sqrt(blocks / (blocks - 1) * (parts**2).sum()) / bottom.sum())
    found = replace(blank, value=value, error=error, sufficient=True)
    low, high = found.interval()
    return replace(found, low=low, high=high)


def _unusable(propensity: Floats) -> str:
    wrong = ~((propensity > 0) & (propensity <= 1))
    if not wrong.any():
        return ""
    return (
        f"{int(wrong.sum())} of {len(wrong)} propensities are not in (0, 1], such as {propensity[wrong][0]:g}; what "
        "was shown had a chance: see how it is logged"
    )


def _unfit(mean_weight: Estimate, effective: float) -> str:
    if not mean_weight.sufficient:
        return ""
    if effective < LEAST_EFFECTIVE:
        return (
            f"{effective:.3g} effective rows, {LEAST_EFFECTIVE:g} are needed: the policies hardly ever agree; declare "
            "a clip, or log with more exploration"
        )
    off = replace(mean_weight, value=mean_weight.value - 1)
    if off.p_zero < LEAST_CHANCE_OF_WEIGHTS:
        return (
            f"weights are {mean_weight.value:.3g} in the mean, and must be 1: the propensities are not those of the "
            "log, or it never shows what the policy would"
        )
    return ""


def _require(rows: LoggedRows, target: Floats, clip: float | None, model: OutcomeModel | None) -> None:
    n = len(rows.outcome)
    if len(target) != n or (n and not ((target >= 0) & (target <= 1)).all()):
        raise ValueError(f"{len(target)} target probabilities for {n} rows; there must be one in [0, 1] a row")
    if clip is not None and not clip >= 1:
        raise ValueError(f"clip is {clip}; it must be at least 1, the mean of the weights")
    if model is not None and not (len(model.of_shown) == len(model.of_policy) == n):
        raise ValueError(f"the model expects {len(model.of_shown)} and {len(model.of_policy)} outcomes of {n} rows")
