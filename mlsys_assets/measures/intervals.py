"""Intervals by the block bootstrap: days are drawn, not rows, since rows of a day share its weather."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats, Metric, Weights
from mlsys_assets.types import days

DRAWS = 1000
LEVEL = 0.95
LEAST_OF_EACH_CLASS = 30
"""Fewer positives or negatives than this, and an interval is itself a guess."""
LEAST_BLOCKS = 7
"""From so many days on, intervals of 95% cover the truth in 92 to 98 of 100 cases (simulated, see the tests), if the
metric is not within a few rows of its bounds."""
A_DAY = days(1)
DIGITS = 12
"""That are put on record: sums of floats differ in the last ones from one kind of processor to another."""
MOST_UNTOLD = 0.05
"""In a larger share of draws without a value, all that tells it stands in two or three days."""


@dataclass(frozen=True)
class Support:
    """What must be there before a number is believed.

    Parameters
    ----------
    least_of_each_class
        Rows of each class; of labels that are no classes, half as many as rows in all.
    least_blocks
        Blocks (days) with rows.
    block
        How long a block is: rows of one may depend on each other, those of two may not.
    """

    least_of_each_class: int = LEAST_OF_EACH_CLASS
    least_blocks: int = LEAST_BLOCKS
    block: timedelta = A_DAY

    def suffices(self, label: Floats, score: Floats, blocks: int) -> bool:
        """Return whether (n,) labels in so many blocks are enough to tell how good (n,) or (n, k) scores are."""
        if blocks < self.least_blocks or not len(label):
            return False
        classes = 2 if score.ndim == 1 else score.shape[1]
        found = np.isin(label, np.arange(classes))
        if not found.all():
            return len(label) >= 2 * self.least_of_each_class
        return int(np.bincount(label.astype(np.intp), minlength=classes).min()) >= self.least_of_each_class


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and how much it rests on; NaN throughout where the data cannot tell.

    Parameters
    ----------
    value, low, high
        The metric on all rows, and the 95% interval.
    rows, positives, blocks
        What it rests on.
    sufficient
        Whether it can be told at all.
    error
        The standard error: its interval at another level, and how likely chance alone gives as much.
    bias
        How much more the draws give than all rows do, on the mean: what resampling adds, so that the interval
        reaches as much further down. Of an error of calibration it is large, of a mean nothing.
    note
        Why the metric could not be computed, if it failed.
    """

    value: float
    low: float
    high: float
    rows: int
    positives: int
    blocks: int
    sufficient: bool = True
    error: float = np.nan
    bias: float = 0.0
    note: str = ""

    @classmethod
    def untold(cls, label: Floats, blocks: int, *, note: str = "") -> "Estimate":
        """Return that (n,) labels in so many blocks cannot tell."""
        rows, positives = len(label), int((label > 0).sum())
        return cls(np.nan, np.nan, np.nan, rows, positives, blocks, sufficient=False, note=note)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval at a level: Student's t on as many degrees of freedom as blocks but one."""
        from scipy.special import stdtrit

        reach = float(stdtrit(max(self.blocks - 1, 1), (1 + level) / 2)) * self.error
        return self.value - max(self.bias, 0.0) - reach, self.value - min(self.bias, 0.0) + reach

    def p_above(self, limit: float) -> float:
        """Return how likely a value as high comes by chance if the truth is ``limit``: one-sided; NaN if untold."""
        return self._chance(self.value - max(self.bias, 0.0) - limit)

    @property
    def p_zero(self) -> float:
        """How likely a value as far from 0, on either side, comes by chance if the truth is 0; NaN if untold."""
        return min(2 * min(self.p_above(0.0), self.p_below(0.0)), 1.0) if self.sufficient else np.nan

    def p_below(self, limit: float) -> float:
        """Return how likely a value as low comes by chance if the truth is ``limit``: one-sided; NaN if untold."""
        return self._chance(limit - self.value + min(self.bias, 0.0))

    def _chance(self, beyond: float) -> float:
        from scipy.special import stdtr

        if not self.sufficient:
            return np.nan
        if self.error == 0:
            return float(beyond <= 0)
        return float(stdtr(max(self.blocks - 1, 1), -beyond / self.error))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it: NaN becomes null, and digits that a processor decides go."""
        return {k: _told(v) for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Estimate":
        """Return the estimate that ``as_dict`` gave."""
        known: dict[str, Any] = {k: np.nan if v is None else v for k, v in found.items()}
        return cls(**known)

    def __str__(self) -> str:
        if self.note:
            return f"failed: {self.note}"
        if not self.sufficient:
            return f"insufficient data ({self.rows} rows, {self.positives} positive, {self.blocks} days)"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def on_record(value: float) -> float:
    """Return a number with as many digits as are put on record."""
    return float(f"{value:.{DIGITS}g}")


def _told(value: object) -> object:
    if not isinstance(value, float):
        return value
    return on_record(value) if np.isfinite(value) else None


def day_blocks(at: NDArray[np.datetime64], *, length: timedelta = A_DAY) -> NDArray[np.intp]:
    """Return (n,) the number of each row's UTC day, or of a block of another ``length``, 0 … k−1 in order of time."""
    stamp = at.astype("datetime64[us]").astype(np.int64) // (length // timedelta(microseconds=1))
    _, block = np.unique(stamp, return_inverse=True)
    return np.asarray(block, dtype=np.intp)


def bootstrap(block: NDArray[np.intp], *, seed: int, draws: int = DRAWS) -> Weights:
    """Return weights that draw as many blocks as there are, with replacement (Efron & Tibshirani 1993, ch. 8)."""
    blocks = int(block.max()) + 1 if len(block) else 1
    counts = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)
    return Weights(block, counts.astype(float))


def estimate(
    metric: Metric, label: Floats, score: Floats, *, weights: Weights, support: Support | None = None
) -> Estimate:
    """Return a metric with its interval; a metric that fails is told in the estimate's ``note``.

    The interval is Student's t times the bootstrap's standard error, corrected for the number of blocks. Percentiles
    of the draws are too narrow with few days, and miss an error of calibration altogether, which grows with every
    resampling. Of a share that lies a few rows from 0 or 1 no such interval is wide enough: so few errors say little.
    """
    found = _estimate([(metric, score, 1.0)], label, weights, support or Support())
    least = getattr(metric, "least", -np.inf)  # of a metric that is never below: no interval reaches there
    return replace(found, low=max(found.low, least)) if found.sufficient else found


def difference(
    metric: Metric,
    label: Floats,
    scores: tuple[Floats, Floats],
    *,
    weights: Weights,
    support: Support | None = None,
) -> Estimate:
    """Return the metric of the first scores minus that of the second, paired: the same rows in every draw."""
    return _estimate([(metric, scores[0], 1.0), (metric, scores[1], -1.0)], label, weights, support or Support())


def spread(whole: float, drawn: Floats, *, like: Estimate) -> Estimate:
    """Return the estimate of a value with (b,) values of it under the draws, resting on what ``like`` rests on.

    It is untold if that one is, or if too many draws have no value.
    """
    told, blocks = drawn[np.isfinite(drawn)], like.blocks
    few = len(told) < max((1 - MOST_UNTOLD) * len(drawn), 2)
    if few or not np.isfinite(whole) or not like.sufficient:
        return replace(like, value=np.nan, low=np.nan, high=np.nan, error=np.nan, bias=0.0, sufficient=False)
    error, bias = float(told.std(ddof=1)) * float(np.sqrt(blocks / max(blocks - 1, 1))), float(told.mean()) - whole
    found = replace(like, value=float(whole), error=error, bias=bias)
    low, high = found.interval()
    return replace(found, low=low, high=high)


def require_rows(label: Floats, score: Floats, *, what: str, probabilities: bool = True) -> None:
    """Raise ValueError unless there is a finite score for each label, and each in [0, 1] if they are probabilities."""
    if len(label) != len(score):
        raise ValueError(f"{what}: {len(score)} scores for {len(label)} labels; they must be of the same rows")
    if bad := int((~np.isfinite(score)).sum() + (~np.isfinite(label)).sum()):
        raise ValueError(f"{what}: {bad} labels or scores are not finite; leave out rows without a label")
    if probabilities and len(score) and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError(f"{what}: scores reach from {score.min():g} to {score.max():g}; probabilities are in [0, 1]")


def attempt(metric: Metric, label: Floats, score: Floats) -> float:
    """Return a metric of rows that each count once; NaN where it cannot be told, or fails."""
    try:
        return float(_drawn(metric, label, score, Weights.once(len(label)))[0])
    except Exception:  # noqa: BLE001 - a metric may be anybody's: the evaluation names it, with its reason
        return float(np.nan)


def _drawn(metric: Metric, label: Floats, score: Floats, weights: Weights) -> Floats:
    """Return (b,) a metric under each draw; raises ValueError for what are no such numbers, and for odd scores."""
    if bad := int((~np.isfinite(score)).sum()):
        raise ValueError(f"{bad} scores are not finite")
    found = np.asarray(metric.draws(label, score, weights), dtype=np.float64)
    if found.shape != (len(weights.counts),):
        raise ValueError(f"it gave {found.shape} values for {len(weights.counts)} draws")
    return found


def _estimate(parts: list[tuple[Metric, Floats, float]], label: Floats, weights: Weights, support: Support) -> Estimate:
    blocks = len(np.unique(weights.block))
    if not support.suffices(label, parts[0][1], blocks):
        return Estimate.untold(label, blocks)
    try:
        whole = sum(sign * float(_drawn(m, label, score, weights.whole)[0]) for m, score, sign in parts)
        drawn = np.sum([sign * _drawn(m, label, score, weights) for m, score, sign in parts], axis=0)
    except Exception as error:  # noqa: BLE001 - a metric may be anybody's: it is named, and the others still come
        return Estimate.untold(label, blocks, note=f"{parts[0][0].name}: {type(error).__name__}: {error}")
    return spread(whole, drawn, like=replace(Estimate.untold(label, blocks), sufficient=True))
