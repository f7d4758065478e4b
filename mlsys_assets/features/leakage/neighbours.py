"""Rows before and after each other within a key: what a step from one to the next is taken over."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.leakage.binned import Codes


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Each row's neighbours in time among the rows of its key: those of the same time are no neighbours.

    Parameters
    ----------
    rows, earlier
        (m,) positions of rows with an earlier one, and of the last of these.
    leaving, later
        (k,) positions of rows with a later one, and of the first of these.
    """

    rows: Codes
    earlier: Codes
    leaving: Codes
    later: Codes

    @classmethod
    def of(cls, code: Codes, at: NDArray[np.datetime64]) -> "Neighbours":
        """Return the neighbours of (n,) rows with a key's number and a time each, in any order."""
        order = np.lexsort((at, code))
        own, when = code[order], at[order]
        place, last = np.arange(len(order)), max(len(order) - 1, 0)
        begins = np.concatenate([[True], (own[1:] != own[:-1]) | (when[1:] != when[:-1])])[: len(order)]
        first = np.maximum.accumulate(np.where(begins, place, 0))
        after = np.concatenate([np.flatnonzero(begins), [len(order)]])[np.cumsum(begins)]
        before, beyond = np.maximum(first - 1, 0), np.minimum(after, last)
        has_before = (first > 0) & (own[before] == own)
        has_after = (after <= last) & (own[beyond] == own)
        return cls(order[has_before], order[before[has_before]], order[has_after], order[beyond[has_after]])
