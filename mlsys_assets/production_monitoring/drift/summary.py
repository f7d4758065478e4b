"""What one side of a column looks like, in a few numbers."""

from dataclasses import dataclass
from typing import Final

import numpy as np

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The shares of the values that the quantiles of a summary lie above."""


@dataclass(frozen=True)
class Summary:
    """One side of a column; NaN for what it has not, such as a text's mean.

    Parameters
    ----------
    rows
        How many there are.
    effective
        How many equally weighted rows tell as much (Kish 1965).
    missing_share, infinite_share
        Of the weight of all rows: without a value; with an infinite one.
    mean, sd, skew, kurtosis
        Of the finite values, weighted: moments divided by the weight, kurtosis less the normal's 3.
    quantiles
        At ``QUANTILES``: the smallest values up to which such shares of the finite ones lie.
    levels
        How many categories there are; None of a number.
    """

    rows: int
    effective: float
    missing_share: float
    infinite_share: float = 0.0
    mean: float = np.nan
    sd: float = np.nan
    skew: float = np.nan
    kurtosis: float = np.nan
    quantiles: tuple[float, ...] = (np.nan,) * len(QUANTILES)
    levels: int | None = None
