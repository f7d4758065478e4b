"""Reference scores: held-out scores whose labels are known, and the cells that they and a window are counted in."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Support, day_blocks
from mlsys_assets.measures.metrics import Floats

LEAST_ROWS: Final = 100
"""Of a smaller window nothing is told of how its scores are distributed."""
LEAST_DAYS: Final = 5
"""A window of fewer days has too few blocks for an interval; one of a week has seven, or five of a working week."""
SUPPORT: Final = Support()

Times = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class ReferenceScores:
    """Scores of rows that the model was not trained on, with their labels.

    Parameters
    ----------
    score
        (m,) probabilities.
    label
        (m,) 0 or 1.
    at
        (m,) when each was predicted.

    Raises ValueError for parts of other lengths.
    """

    score: Floats
    label: Floats
    at: Times

    def __post_init__(self) -> None:
        """Raise ValueError for parts of other lengths."""
        if not len(self.score) == len(self.label) == len(self.at):
            raise ValueError(
                f"reference: {len(self.score)} scores, {len(self.label)} labels and {len(self.at)} times; "
                "there must be one of each a row"
            )

    @property
    def prior(self) -> float:
        """The share of positives; NaN without rows."""
        return float(self.label.mean()) if len(self.label) else float(np.nan)

    @property
    def unfit(self) -> str:
        """Why nothing can be told from it; "" if something can."""
        if told := _impossible("reference", self.score):
            return told
        if not np.isin(self.label, (0.0, 1.0)).all():
            return "reference: labels must be 0 or 1; leave out rows without a label"
        positives, days = int(self.label.sum()), len(np.unique(day_blocks(self.at)))
        if not SUPPORT.suffices(self.label, self.score, days):
            return (
                f"reference: {positives} positive and {len(self.label) - positives} negative rows on {days} days; "
                f"{SUPPORT.least_of_each_class} of each on {SUPPORT.least_blocks} days are needed"
            )
        return "" if np.ptp(self.score) > 0.0 else f"reference: all {len(self.score)} scores are {self.score[0]:g}"

    def cells(self, most: int) -> Floats:
        """Return the inner edges of at most so many cells of score, rising and distinct.

        Cells hold equal shares of the rows and of the positives, taken together: where positives are rare, cells of
        equal rows would hold all of them in one.
        """
        order = np.argsort(self.score, kind="stable")
        positives = np.cumsum(self.label[order])
        told = (np.arange(1, len(order) + 1) / len(order) + positives / max(positives[-1], 1.0)) / 2
        at = np.searchsorted(told, np.arange(1, most) / most)
        rising = self.score[order]
        edges = np.unique(rising[np.minimum(at, len(order) - 1)])
        return np.asarray(edges[edges > rising[0]], dtype=np.float64)


def unfit_window(score: Floats, at: Times) -> str:
    """Return why nothing can be told of a window's (n,) scores; "" if something can.

    Raises ValueError for other times than scores.
    """
    if len(score) != len(at):
        raise ValueError(f"{len(score)} scores at {len(at)} times; there must be one of each a prediction")
    if told := _impossible("window", score):
        return told
    days = len(np.unique(day_blocks(at)))
    if len(score) < LEAST_ROWS or days < LEAST_DAYS:
        return f"window: {len(score)} predictions on {days} days; {LEAST_ROWS} on {LEAST_DAYS} days are needed"
    return ""


def counted(score: Floats, at: Times, edges: Floats, *, of: Floats | None = None) -> Floats:
    """Return (days, cells) how many rows of each day lie in each cell, or the sum of ``of`` (n,) over them."""
    block, cells = day_blocks(at), len(edges) + 1
    where = block * cells + cell_of(score, edges)
    found = np.bincount(where, weights=of, minlength=(int(block.max()) + 1) * cells)
    return found.reshape(-1, cells).astype(np.float64)


def days_of(at: Times) -> Times:
    """Return (k,) the UTC days of (n,) moments, in the order of ``day_blocks``."""
    return np.unique(at.astype("datetime64[us]").astype("datetime64[D]"))


def cell_of(score: Floats, edges: Floats) -> NDArray[np.intp]:
    """Return (n,) the cell of each score: from an edge on, the next."""
    return np.searchsorted(edges, score, side="right")


def _impossible(what: str, score: Floats) -> str:
    if not len(score):
        return f"{what}: no scores"
    if bad := int((~((score >= 0.0) & (score <= 1.0))).sum()):
        return f"{what}: {bad} of {len(score)} scores are not finite, or outside [0, 1]"
    return ""
