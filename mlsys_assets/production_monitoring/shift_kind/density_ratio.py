"""How much denser a window's rows lie than a reference's, at rows of the reference: by a classifier of the two."""

from typing import Final, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from mlsys_assets.features.named_columns import is_number, read_numbers
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds

SAMPLED: Final = 4_000
"""Rows of each side that the classifier is fitted on."""
RIDGE: Final = 1e-2
"""Of the penalty, for each row: columns that tell the same share a coefficient."""
ROUNDS: Final = 12
"""Newton steps at most."""
SETTLED: Final = 1e-4
"""Steps shorter than this, in log-odds a standard deviation, end the search."""
FARTHEST: Final = 5.0
"""Standard deviations that a row counts for at most in one column."""
ROUNDING: Final = 1e-6
"""What float32 makes of a constant: less deviation, for a mean of 1, is none."""
TRIMMED: Final = 10.0
"""Rows count for at most so many: beyond it the window lies where the reference hardly was."""


@runtime_checkable
class DensityRatio(Protocol):
    """Tells how much denser one table lies than another."""

    def at_reference(self, reference: pa.Table, window: pa.Table, scores: tuple[Floats, Floats]) -> Floats:
        """Return (n,) densities of the window over those of the reference, at the reference's rows.

        Parameters
        ----------
        reference, window
            (n, d) and (m, d) feature columns.
        scores
            (n,) and (m,) the champion's scores, which may serve as a feature.
        """
        ...


class LogisticRatio:
    """The odds of a logistic regression on standardized numbers and the log-odds of the score (Bickel et al. 2009).

    It is exact for an exponential tilt, as where means of normal columns moved. Categories are seen through the score.
    """

    def at_reference(self, reference: pa.Table, window: pa.Table, scores: tuple[Floats, Floats]) -> Floats:
        """Return (n,) densities of the window over those of the reference, at the reference's rows."""
        first, second = standardized((reference, window), scores)
        fitted = [side[:, :: max(side.shape[1] // SAMPLED, 1)] for side in (first, second)]
        weight = _fit(np.concatenate(fitted, axis=1), np.repeat([0.0, 1.0], [side.shape[1] for side in fitted]))
        prior = np.log(fitted[1].shape[1] / fitted[0].shape[1])
        return np.asarray(np.exp(np.clip(weight[1:] @ first + weight[0] - prior, -50, 50)), dtype=np.float64)


def standardized(tables: tuple[pa.Table, pa.Table], scores: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return (d, n) and (d, m) the log-odds of the score and the numbers that both have, in deviations of the first.

    A missing number is the mean; none lies farther than ``FARTHEST``.
    """
    names = numbers_of_both(*tables)
    sides = [read_numbers(table, names) for table in tables]
    odds = [log_odds(score).astype(np.float32)[None] for score in scores]
    first, second = (np.concatenate([s, x]) for s, x in zip(odds, sides, strict=True))
    there = np.isfinite(first)
    count = np.maximum(there.sum(axis=1), 1)
    mean = np.where(there, first, 0).sum(axis=1, dtype=np.float64) / count
    spread = np.sqrt((np.where(there, first - mean[:, None], 0.0) ** 2).sum(axis=1) / count)
    scale = np.where(spread > ROUNDING * np.abs(mean), spread, np.inf)  # a column that never varied tells nothing
    return tuple(_scaled(side, mean, scale) for side in (first, second))  # type: ignore[return-value]  # two of them


def numbers_of_both(first: pa.Table, second: pa.Table) -> list[str]:
    """Return the columns that are numbers in both tables, in the order of the first."""
    numbers = [{field.name for field in table.schema if is_number(field.type)} for table in (first, second)]
    """Return the columns that are numbers in both tables, or nothing but nulls, in the order of the first."""
    numbers = [
        {field.name for field in table.schema if is_number(field.type) or pa.types.is_null(field.type)}
        for table in (first, second)
    ]
    return [name for name in first.schema.names if name in numbers[0] & numbers[1]]


def trimmed(ratio: Floats) -> tuple[Floats, float]:
    """Return (n,) weights of mean 1, none beyond ``TRIMMED``, and the share of the window's rows that this cut off."""
    mean = float(ratio.mean())
    if not np.isfinite(mean) or mean == 0.0:
        return np.ones(len(ratio)), 1.0
    weight = ratio / mean
    cut = np.minimum(weight, TRIMMED)
    return cut / cut.mean(), max(float(1 - cut.mean()), 0.0)


def _scaled(side: Floats, mean: Floats, scale: Floats) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):  # what is infinite, on a side or by its scale, tells nothing
        moved = (side - mean[:, None].astype(np.float32)) / scale[:, None].astype(np.float32)
    return np.clip(np.where(np.isfinite(moved), moved, np.float32(0)), -FARTHEST, FARTHEST)


def _fit(x: Floats, member: Floats) -> Floats:
    """Return (1 + d,) an intercept and the coefficients of (d, n) columns, by Newton's method."""
    rows = np.concatenate([np.ones((1, x.shape[1]), dtype=x.dtype), x]).astype(np.float64)
    penalty = np.full(len(rows), RIDGE * x.shape[1])
    penalty[0] = 0.0
    weight = np.zeros(len(rows))
    for _ in range(ROUNDS):
        p = logistic(weight @ rows)
        slope = rows @ (member - p) - penalty * weight
        step = np.linalg.solve((rows * (p * (1 - p))) @ rows.T + np.diag(penalty + SETTLED), slope)
        weight = weight + step
        if np.abs(step).max() < SETTLED:
            break
    return weight
