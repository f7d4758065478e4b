"""Policies that choose what to show, each with the exact chance of every item: the propensities to be logged.

A policy says how likely each item is to be shown; ``draw`` then chooses a list with just these chances. So what is
logged is exact, whatever the policy is.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range

NEARLY = 1e-9
"""Rounding of a sum of probabilities."""


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is believed of each item.

    Parameters
    ----------
    mean
        (n,) the expected outcome.
    error
        (n,) its standard error: what is not known of it.
    """

    mean: Floats
    error: Floats

    def __post_init__(self) -> None:
        """Raise ValueError for lengths that differ, and for numbers that are not finite."""
        if len(self.mean) != len(self.error):
            raise ValueError(f"{len(self.mean)} means and {len(self.error)} errors; they must be of the same items")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.error).all() and (self.error >= 0).all()):
            raise ValueError("means and errors must be finite, errors at least 0; leave out items nothing is known of")


@runtime_checkable
class Policy(Protocol):
    """Says how likely each item is to be shown."""

    def inclusion(self, beliefs: Beliefs, shown: int, rng: np.random.Generator) -> Floats:
        """Return (n,) each item's chance to be among those shown; they sum to ``shown``, or to all items there are."""
        ...


@dataclass(frozen=True)
class Greedy:
    """Shows what is believed best; of those alike, each with the same chance. It never learns of the rest."""

    def inclusion(self, beliefs: Beliefs, shown: int, rng: np.random.Generator) -> Floats:
        """Return (n,) 1 for the best, 0 for the rest, and less than 1 for those alike at the end of the list."""
        return best(beliefs.mean, shown)


@dataclass(frozen=True)
class EpsilonGreedy:
    """Gives each place of the list, with a probability, to any item that is not better placed (Sutton & Barto 2018).

    Parameters
    ----------
    epsilon
        The probability; 1 is a random list.
    """

    epsilon: float = 0.1

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return out_of_range("epsilon-greedy: epsilon", self.epsilon, least=0, most=1)

    def inclusion(self, beliefs: Beliefs, shown: int, rng: np.random.Generator) -> Floats:
        """Return (n,) chances, each above 0 if epsilon is."""
        from scipy.special import bdtr

        n, k = len(beliefs.mean), min(shown, len(beliefs.mean))
        if not k:
            return np.zeros(n)
        below = np.r_[0.0, bdtr(np.arange(k + 1), k, self.epsilon)]
        found = np.zeros(n)
        for explored, chance in enumerate(np.diff(below)):
            first = best(beliefs.mean, k - explored)
            rest = n - (k - explored)
            found += chance * (first + (1 - first) * (explored / rest if rest else 0.0))
        return found


@dataclass(frozen=True)
class Thompson:
    """Shows each item as often as it may well be among the best, given what is not known of it (Thompson 1933).

    Parameters
    ----------
    floor
        The share of the list that goes to all items alike, so that each has a chance that can be divided by.
    draws
        How often the beliefs are drawn to see which items are best.
    """

    floor: float = 0.05
    draws: int = 200

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range("Thompson: floor", self.floor, least=0, most=1),
            *out_of_range("Thompson: draws", self.draws, whole=True, least=1),
        ]

    def inclusion(self, beliefs: Beliefs, shown: int, rng: np.random.Generator) -> Floats:
        """Return (n,) chances, each at least the floor's."""
        n, k = len(beliefs.mean), min(shown, len(beliefs.mean))
        if k in {0, n}:
            return np.full(n, float(k > 0))
        drawn = beliefs.mean + beliefs.error * rng.standard_normal((self.draws, n))
        top = np.argpartition(-drawn, k - 1, axis=1)[:, :k]
        often = np.bincount(top.ravel(), minlength=n) / self.draws
        found: Floats = (1 - self.floor) * often + self.floor * k / n
        return found


def best(mean: Floats, shown: int) -> Floats:
    """Return (n,) 1 for the ``shown`` highest and 0 for the rest; those alike at the end share its places."""
    if shown >= len(mean):
        return np.ones(len(mean))
    if shown <= 0:
        return np.zeros(len(mean))
    last = np.partition(mean, len(mean) - shown)[len(mean) - shown]
    above, alike = mean > last, mean == last
    found: Floats = above + alike * ((shown - above.sum()) / alike.sum())
    return found


def draw(inclusion: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the positions of the items shown: each is among them with just its chance.

    Systematic sampling in random order (Madow 1949): the chances are laid end to end, and a comb of step 1 with a
    random start picks. Raises ValueError for what are no probabilities.
    """
    if len(inclusion) and not (inclusion.min() >= 0 and inclusion.max() <= 1 + NEARLY):
        raise ValueError(f"chances reach from {inclusion.min():g} to {inclusion.max():g}; they are in [0, 1]")
    order = rng.permutation(len(inclusion))
    ends = np.cumsum(inclusion[order])
    whole = round(float(ends[-1])) if len(ends) else 0
    if len(ends) and abs(float(ends[-1]) - whole) > NEARLY * max(whole, 1) * 10:
        raise ValueError(f"chances sum to {ends[-1]:g}; they must sum to a whole number, the items shown")
    picked = np.searchsorted(ends, rng.random() + np.arange(whole), side="right")
    return order[np.minimum(picked, len(order) - 1)]
