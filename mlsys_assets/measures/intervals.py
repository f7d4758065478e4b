"""Intervals by the block bootstrap: days are drawn, not rows, since rows of a day share its weather."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats, Metric, Weights, value

DRAWS = 200
LEVEL = 0.95
LEAST_OF_EACH_CLASS = 30
"""Fewer positives or negatives than this, and an interval is itself a guess."""
LEAST_BLOCKS = 5


@dataclass(frozen=True)
class Support:
    """What must be there before a number is believed.

    Parameters
    ----------
    least_of_each_class
        Positive rows, and negative rows.
    least_blocks
        Blocks (days) with rows.
    """

    least_of_each_class: int = LEAST_OF_EACH_CLASS
    least_blocks: int = LEAST_BLOCKS


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and how much it rests on; NaN throughout where the data cannot tell."""

    value: float
    low: float
    high: float
    rows: int
    positives: int
    blocks: int
    sufficient: bool = True

    def as_dict(self) -> dict[str, float | int | bool | None]:
        """Return it as JSON holds it; NaN becomes null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}  # noqa: PLR0124 - NaN differs from itself

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Estimate":
        """Return the estimate that ``as_dict`` gave."""
        known: dict[str, Any] = {k: np.nan if v is None else v for k, v in found.items()}
        return cls(**known)

    def __str__(self) -> str:
        if not self.sufficient:
            return f"insufficient data ({self.rows} rows, {self.positives} positive, {self.blocks} days)"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def day_blocks(at: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Return (n,) the number of each row's UTC day, 0 … k−1 in order of time."""
    _, block = np.unique(at.astype("datetime64[D]"), return_inverse=True)
    return np.asarray(block, dtype=np.intp)


def bootstrap(block: NDArray[np.intp], *, seed: int, draws: int = DRAWS) -> Weights:
    """Return weights that draw as many blocks as there are, with replacement (Efron & Tibshirani 1993, ch. 8)."""
    blocks = int(block.max()) + 1 if len(block) else 1
    counts = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)
    return Weights(block, counts.astype(float))


def estimate(
    metric: Metric, label: Floats, score: Floats, *, weights: Weights, support: Support | None = None
) -> Estimate:
    """Return a metric with its percentile interval."""
    return _estimate(
        value(metric, label, score), metric.draws(label, score, weights), label, weights, support or Support()
    )


def difference(
    metric: Metric,
    label: Floats,
    scores: tuple[Floats, Floats],
    *,
    weights: Weights,
    support: Support | None = None,
) -> Estimate:
    """Return the metric of the first scores minus that of the second, paired: the same rows in every draw."""
    first, second = scores
    whole = value(metric, label, first) - value(metric, label, second)
    drawn = metric.draws(label, first, weights) - metric.draws(label, second, weights)
    return _estimate(whole, drawn, label, weights, support or Support())


def _estimate(whole: float, drawn: Floats, label: Floats, weights: Weights, support: Support) -> Estimate:
    rows, positives = len(label), int(label.sum())
    blocks = len(np.unique(weights.block))
    drawn = drawn[np.isfinite(drawn)]
    enough = min(positives, rows - positives) >= support.least_of_each_class and blocks >= support.least_blocks
    if not enough or not len(drawn):
        return Estimate(np.nan, np.nan, np.nan, rows, positives, blocks, sufficient=False)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(whole), float(low), float(high), rows, positives, blocks)
