"""Whether columns moved as another share of positives moves them, told without the window's labels."""

from typing import Final

import numpy as np

from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.density_ratio import numbers_of_both, standardized
from mlsys_assets.production_monitoring.shift_kind.movement import SCORE, Movement
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

LEAST: Final = 0.15
"""Standard deviations that count: a share that is told from scores is off by some points, and columns with it."""


def beyond_share(reference: ScoredRows, window: ScoredRows, share: float, *, chance: float) -> tuple[str, float] | None:
    """Return the column farthest from where a share of positives alone would take it, and how far; None if none is.

    If each class looks as it did, the mean of every column is that of the reference's rows once its classes are
    weighted to the share. Where another column than told moved, or alone, it is not.

    Parameters
    ----------
    reference
        Labelled rows of both classes.
    window
        Rows of the same columns; their labels are not looked at.
    share
        The window's share of positives, as its scores tell it.
    chance
        How likely chance alone may give as much, all columns taken together.
    """
    sides = standardized((reference.features, window.features), (reference.score, window.score))
    names = (SCORE, *numbers_of_both(reference.features, window.features))
    prior = float(reference.label.mean())
    weight = np.where(reference.label > 0, share / prior, (1 - share) / (1 - prior))
    expected = (sides[0] * weight).mean(axis=1)
    found = sides[1].mean(axis=1)
    adds = ((sides[0] - expected[:, None]) * weight / len(reference), (sides[1] - found[:, None]) / len(window))
    days = Days.of(reference.at, window.at)
    left = Movement(names, np.asarray(found - expected, dtype=np.float64), days.errors(*adds), days.fewer)
    far = left.farthest(chance=chance)
    return far if far is not None and abs(far[1]) >= LEAST else None
