"""What rows of a group share beyond what a model says of them, for groups of any size, down to two rows."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats, divide

CERTAIN: Final = 1e-6
"""A score is held so far from 0 and 1, whose log odds are infinite."""

Codes = NDArray[np.intp]


def log_odds(score: Floats) -> Floats:
    """Return (n,) log odds of probabilities."""
    held = np.clip(score, CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(held / (1 - held)))


def group_offsets(group: Codes, day: Codes, label: Floats, score: Floats, *, number: int) -> Floats:
    """Return (g,) how far the log odds of each group's rows lie off what a model says of them; 0 where nothing tells.

    A group's offset is the linear Bayes estimate: what the model missed in its rows, over their information and that
    of the spread of all groups (Robbins 1956; Breslow & Clayton 1993). The spread is the mean product of what was
    missed in two rows of a group, of different days: rows of one day share its weather, whatever their group.

    Parameters
    ----------
    group, day
        (n,) each row's group, 0 … number - 1, and the day it lies on.
    label
        (n,) 0 or 1.
    score
        (n,) probabilities, by a model that saw none of these rows' groups.
    number
        How many groups there are.

    >>> rows = np.repeat(np.arange(40), 4)
    >>> found = group_offsets(rows, np.arange(160), (rows % 2).astype(float), np.full(160, 0.5), number=41)
    >>> found[[0, 1, 40]].round(1).tolist()  # of four rows each, whose spread of log odds is 2: 4 * 2 / (1 + 4)
    [-1.6, 1.6, 0.0]
    """
    held = np.clip(score, CERTAIN, 1 - CERTAIN)
    information = held * (1 - held)
    missed = label - held
    level = divide(missed.sum(), information.sum(), otherwise=0.0)  # what the model misses of all rows is no group's
    missed = missed - information * level
    spread = _spread(group, day, missed, information)
    of_group = [np.bincount(group, weights=part, minlength=number) for part in (missed, information)]
    return np.asarray(spread * of_group[0] / (1 + spread * of_group[1]))


def _spread(group: Codes, day: Codes, missed: Floats, information: Floats) -> float:
    """Return the variance of the groups' offsets, at least 0, by the products of rows of different days."""
    _, own = np.unique(group, return_inverse=True)
    _, cell = np.unique(own * (int(day.max(initial=0)) + 1) + day, return_inverse=True)
    products = [
        (np.bincount(own, weights=part) ** 2).sum() - (np.bincount(cell, weights=part) ** 2).sum()
        for part in (missed, information)
    ]
    return max(float(products[0] / products[1]), 0.0) if products[1] > CERTAIN else 0.0
