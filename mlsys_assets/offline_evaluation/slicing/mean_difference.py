"""The mean of some rows against that of the others, with an interval by day."""

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import LEVEL, Estimate, Support
from mlsys_assets.measures.metrics import Floats, Weights


def means_apart(
    values: Floats, first: NDArray[np.bool_], *, weights: Weights, support: Support | None = None
) -> tuple[Estimate, Floats]:
    """Return the mean of the first rows minus that of the others, and (b,) the same in each draw, NaN without rows.

    Parameters
    ----------
    values
        (n,) such as 0 or 1, or a loss.
    first
        (n,) which rows are the first; ValueError is raised if the lengths differ.
    weights
        Draws of days for the n rows.
    support
        Each of the two needs as many rows as it asks of a class, and both together its days.
    """
    if not len(values) == len(first) == len(weights.block):
        told = f"{len(values)} values, {len(first)} rows dealt to the two and {len(weights.block)} weights"
        raise ValueError(f"{told}; there must be one of each a row")
    needed = support or Support()
    rows, least = len(values), min(int(first.sum()), int((~first).sum()))
    blocks, positives = len(np.unique(weights.block)), int((values > 0).sum())
    sides = (first.astype(float), (~first).astype(float))
    totals = [(weights.totals(values * side), weights.totals(side)) for side in sides]
    one, other = (np.divide(s, n, out=np.full(len(n), np.nan), where=n > 0) for s, n in totals)
    drawn: Floats = one - other
    if least < max(1, needed.least_of_each_class) or blocks < needed.least_blocks:
        return Estimate(np.nan, np.nan, np.nan, rows, positives, blocks, sufficient=False), drawn
    value = float(values[first].mean() - values[~first].mean())
    return Estimate(value, *percentiles(drawn), rows, positives, blocks), drawn


def percentiles(drawn: Floats) -> tuple[float, float]:
    """Return the ends between which the middle of the draws lies, those that are no number left out."""
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
