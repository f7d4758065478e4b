"""The Pareto front: the points than which no other is better in one respect and as good in all (Pareto 1906)."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats

Better = Literal["higher", "lower"]
"""Which values of a dimension are the better ones."""
BETTER: Final[tuple[Better, ...]] = ("higher", "lower")
UNDOMINATED: Final = -1
"""Stands for the position of a point that dominates, where there is none."""


def pareto_front(points: Floats, better: Sequence[Better]) -> NDArray[np.bool_]:
    """Return (n,) whether each point stands on the front; equal points stand there together.

    Parameters
    ----------
    points
        (n, k) values, finite or infinite; one row a point.
    better
        (k,) for each dimension, whether ``higher`` or ``lower`` is better.

    Raises ValueError for NaN, which is neither better nor worse, and for parts that do not match.

    >>> pareto_front(np.array([[0.9, 30], [0.8, 10], [0.7, 20]]), ("higher", "lower")).tolist()
    [True, True, False]
    """
    front: NDArray[np.bool_] = dominators(points, better) == UNDOMINATED
    return front


def dominators(points: Floats, better: Sequence[Better]) -> NDArray[np.intp]:
    """Return (n,) the position of a point of the front that dominates each point, -1 for those on the front.

    Of several it is the first in order of the dimensions: the best in the first one, then in the
    second. Parameters and errors as of ``pareto_front``.

    >>> dominators(np.array([[0.9, 30], [0.8, 10], [0.7, 20]]), ("higher", "lower")).tolist()
    [-1, -1, 1]
    """
    gains = _gains(np.asarray(points, dtype=np.float64), better)
    found = np.full(len(gains), UNDOMINATED, dtype=np.intp)
    front: list[int] = []
    # Whoever dominates a point comes before it in this order, and some point of the front is as good as that one.
    for point in np.lexsort(-gains.T[::-1]) if gains.size else ():
        others = gains[front]
        beaten = (others >= gains[point]).all(axis=1) & (others > gains[point]).any(axis=1)
        if beaten.any():
            found[point] = front[int(beaten.argmax())]
        else:
            front.append(int(point))
    return found


def _gains(points: Floats, better: Sequence[Better]) -> Floats:
    """Return the points with every dimension turned so that higher is better."""
    if isinstance(better, str) or any(one not in BETTER for one in better):
        raise ValueError(f"better is {better!r}; it must say 'higher' or 'lower' for each dimension")
    if points.ndim != 2 or points.shape[1] != len(better) or not better:  # noqa: PLR2004 - one row a point
        raise ValueError(f"points are of shape {points.shape}; {len(better)} directions need (n, {len(better)})")
    unknown = np.isnan(points).any(axis=1)
    if unknown.any():
        raise ValueError(
            f"{int(unknown.sum())} of {len(points)} points hold NaN (the first is number {int(unknown.argmax())}), "
            "which can be neither better nor worse; leave out what could not be measured"
        )
    return points * np.where(np.array(better) == "higher", 1.0, -1.0)
