"""Holm's correction: several questions asked of the same rows, and few false answers among all of them."""

from collections.abc import Sequence

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.repeats import standard_error

SMALLEST_ERROR = 1e-9
"""A standard error below this share of the difference is what rounding leaves of none."""


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted so that all at or below a level are wrong with at most its chance (Holm 1979).

    NaN stands for a question that the data cannot answer: it stays NaN, and is not counted.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    found = np.array(p_values, dtype=np.float64)
    asked = np.flatnonzero(~np.isnan(found))
    order = asked[np.argsort(found[asked], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(found[order] * steps), 1.0)
    return tuple(found.tolist())


def p_value(difference: Estimate, drawn: Floats, *, one_sided: bool = False) -> float:
    """Return the chance of a difference as large where there is none, by its standard error over days.

    Student's t with one degree of freedom fewer than days. NaN where the data cannot tell.

    Parameters
    ----------
    difference
        The difference and how many days it rests on.
    drawn
        (b,) the difference in each draw of days.
    one_sided
        Ask of a difference above 0 only, else of either.
    """
    from scipy.special import stdtr

    error = standard_error(drawn, difference.blocks)
    if not difference.sufficient or not np.isfinite(error):
        return float("nan")
    if error <= SMALLEST_ERROR * abs(difference.value):  # the same in every draw
        return 1.0 if difference.value == 0 or (one_sided and difference.value < 0) else 0.0
    t = difference.value / error
    below = float(stdtr(difference.blocks - 1, -t if one_sided else -abs(t)))
    return below if one_sided else 2 * below
