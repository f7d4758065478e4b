"""How far scores and columns moved, in all rows and within each class."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.production_monitoring.shift_kind.by_day import Days, Moved, two_sided
from mlsys_assets.production_monitoring.shift_kind.density_ratio import numbers_of_both, standardized
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

SCORE = "scores"
"""What the first row of a movement is of."""


@dataclass(frozen=True, eq=False)
class Movement:
    """Differences of means, in standard deviations of the reference: first of the score's log-odds, then of columns.

    Parameters
    ----------
    names
        (d,) ``scores``, and the columns that are numbers.
    value, error
        (d,) each difference, and its standard error.
    days
        Days of the side that has fewer.
    """

    names: tuple[str, ...]
    value: Floats
    error: Floats
    days: int

    @property
    def score(self) -> Moved:
        """How far the score moved."""
        return Moved(float(self.value[0]), float(self.error[0]), self.days)

    def farthest(self, *, chance: float) -> tuple[str, float] | None:
        """Return what moved farthest beyond chance, all of it taken together, and how far; None if nothing did."""
        beyond = holm(two_sided(self.value, self.error, self.days)) <= chance
        far = np.where(beyond, np.abs(self.value), -1.0)
        k = int(np.argmax(far))
        return (self.names[k], float(self.value[k])) if beyond[k] else None


@dataclass(frozen=True)
class Movements:
    """How rows moved.

    Parameters
    ----------
    marginal
        All rows.
    within
        Within each class, in the mean of both classes: 0 where nothing but the share of positives changed.
    negatives, positives
        How far the score moved within each class.
    apart
        How far above that of the negatives the score of the positives lies in the reference.
    """

    marginal: Movement
    within: Movement
    negatives: Moved
    positives: Moved
    apart: float

    def by_positives(self, share: float) -> float:
        """Return how far the score would have moved if so much more of the rows were positive, each class as it was."""
        return share * self.apart


def movements(reference: ScoredRows, window: ScoredRows, days: Days) -> Movements:
    """Return how labelled rows moved from a reference to a window."""
    sides = standardized((reference.features, window.features), (reference.score, window.score))
    names = (SCORE, *numbers_of_both(reference.features, window.features))
    value, error_of_all = days.means(*sides)
    moved, parts, classes = np.zeros(len(names)), [np.zeros(side.shape) for side in sides], list[Moved]()
    for label in (0.0, 1.0):
        own = (reference.label == label, window.label == label)
        found, adds = _class_means((sides[0][:, own[0]], sides[1][:, own[1]]))
        moved += found / 2
        for part, rows, add in zip(parts, own, adds, strict=True):
            part[:, rows] = add / 2
        there = days.within(*own)
        error = there.errors(adds[0][:1], adds[1][:1])
        classes.append(Moved(float(found[0]), float(error[0]), there.fewer))
    inside = Movement(names, moved, days.errors(parts[0], parts[1]), days.fewer)
    low, high = (float(sides[0][0, reference.label == label].mean(dtype=np.float64)) for label in (0.0, 1.0))
    return Movements(Movement(names, value, error_of_all, days.fewer), inside, classes[0], classes[1], high - low)


def _class_means(sides: tuple[Floats, Floats]) -> tuple[Floats, tuple[Floats, Floats]]:
    """Return (d,) differences of means of (d, n) and (d, m) values, and what each row adds to them."""
    means = [side.mean(axis=1, dtype=np.float64) for side in sides]
    parts = [(side - mean[:, None]) / side.shape[1] for side, mean in zip(sides, means, strict=True)]
    return np.asarray(means[1] - means[0]), (parts[0], parts[1])
