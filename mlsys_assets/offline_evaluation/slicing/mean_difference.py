"""The mean of some rows against that of the others, with an interval by day."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, require_rows, spread
from mlsys_assets.measures.metrics import Floats, Weights


def means_apart(
    values: Floats, first: NDArray[np.bool_], *, weights: Weights, support: Support | None = None
) -> tuple[Estimate, Floats]:
    """Return the mean of the first rows minus that of the others, and (b,) the same in each draw, NaN without rows.

    Parameters
    ----------
    values
        (n,) such as 0 or 1, or a loss; ValueError is raised for any that is not finite.
    first
        (n,) which rows are the first; ValueError is raised if the lengths differ.
    weights
        Draws of days for the n rows.
    support
        Each of the two needs as many rows as it asks of a class, and its days; the estimate's ``blocks`` are the
        days of the one that has fewer.
    """
    if not len(values) == len(first) == len(weights.block):
        told = f"{len(values)} values, {len(first)} rows dealt to the two and {len(weights.block)} weights"
        raise ValueError(f"{told}; there must be one of each a row")
    require_rows(values, first.astype(float), what="a difference of means", probabilities=False)
    needed = support or Support()
    sides = (first, ~first)
    rows, blocks = (
        min(len(values[side]) for side in sides),
        min(len(np.unique(weights.block[side])) for side in sides),
    )
    totals = [(weights.totals(np.where(side, values, 0.0)), weights.totals(side.astype(float))) for side in sides]
    one, other = (np.divide(s, n, out=np.full(len(n), np.nan), where=n > 0) for s, n in totals)
    drawn: Floats = one - other
    like = Estimate.untold(values, blocks)
    if rows < max(1, needed.least_of_each_class) or blocks < needed.least_blocks:
        return like, drawn
    value = float(values[first].mean() - values[~first].mean())
    return spread(value, drawn, like=replace(like, sufficient=True)), drawn
