"""Many questions at once: some answers look large by chance alone, and more of them the more is asked."""

from collections.abc import Sequence

import numpy as np

from mlsys_assets.measures.metrics import Floats


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Return (m,) adjusted p-values: with all that are at most α rejected, any false one comes with α at most.

    Holm (1979), step by step from the smallest: valid however the questions depend on each other. A NaN, of a question
    that the data cannot answer, stays one and is not counted.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    found = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(found), np.nan)
    told = np.flatnonzero(~np.isnan(found))
    rising = told[np.argsort(found[told], kind="stable")]
    factors = len(rising) - np.arange(len(rising))
    adjusted[rising] = np.minimum(np.maximum.accumulate(factors * found[rising]), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float] | Floats) -> Floats:
    """Return (m,) adjusted p-values: of all that are at most α, a share of α at most is false in the mean.

    Benjamini & Hochberg (1995), step by step from the largest: valid where the questions are independent or rise
    together. If nothing is true, any is rejected with α at most, as by `holm`; the more is true, the more it finds.
    A NaN, of a question that the data cannot answer, stays one and is not counted.

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    found = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(found), np.nan)
    told = np.flatnonzero(~np.isnan(found))
    falling = told[np.argsort(-found[told], kind="stable")]
    factors = len(falling) / np.arange(len(falling), 0, -1)
    adjusted[falling] = np.minimum(np.minimum.accumulate(factors * found[falling]), 1.0)
    return adjusted
