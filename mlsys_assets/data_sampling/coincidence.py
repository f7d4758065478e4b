"""What comes back by chance: where features are few and coarse, later rows equal earlier ones, and nobody copied.

How often is seen in the training rows themselves: how many contents of a stretch of days stand in other stretches too,
those next to it left out, since neighbours in time share their weather.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.bands import VOID, Hashes
from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.measures.intervals import day_blocks

STRETCHES: Final = (4, 16)
"""The least and the most stretches that training is cut into, each about as long as the later part."""
UNSEEN: Final = 3.0
"""Of what was never seen so many may have been missed: the rule of three (Hanley & Lippman-Hand 1983), at 95%."""
SURE: Final = 1e-5
"""Copies that come by chance less often than this are no coincidence."""
CONTENTS: Final = 30
"""So many recurring contents with labels tell whether labels come back with them."""
AGREE: Final = 0.05
"""Labels that disagree in a smaller share of recurring contents than this part of what chance gives were copied."""


@dataclass(frozen=True)
class Coincidence:
    """How often content comes back by chance.

    Parameters
    ----------
    rate
        The largest share of a stretch's distinct contents that stand in another, not next to it.
    contents
        Distinct contents looked at.
    stretches
        In how many stretches; fewer than ``STRETCHES`` has at least, and nothing can be told.
    carried
        Whether labels come back with their contents, which chance does not do: the share is then of half rows.
    """

    rate: float
    contents: int
    stretches: int
    carried: bool = False

    @property
    def sufficient(self) -> bool:
        """Whether chance can be told."""
        return self.stretches >= STRETCHES[0]

    def expected(self, contents: int) -> float:
        """Return how many of so many distinct contents come back by chance, at most."""
        return contents * min(1.0, max(self.rate, UNSEEN / max(self.contents, 1)))

    def explains(self, copies: int, *, of: int) -> bool:
        """Return whether so many copies, among ``of`` distinct contents, may be chance (Poisson's tail)."""
        from scipy.special import pdtrc

        return not self.sufficient or copies < 1 or float(pdtrc(copies - 1, self.expected(of))) >= SURE


def coincidence(train: Train, hashes: Iterable[Hashes], *, rows: int) -> Coincidence:
    """Return how often training content comes back within training.

    Parameters
    ----------
    train
        The rows.
    hashes
        (n,) hashes each, of which two rows that are alike share at least one; ``VOID`` is shared with none.
    rows
        How many rows the later part has.
    """
    stretch = _stretches(train, rows)
    again = _recurring(hashes, stretch)
    found = _coincidence(train.fingerprints, again, stretch)
    if not _carried(train, again):
        return found
    names = train.features.schema.names
    halves = [row_hashes(train.features.select(half)) for half in (names[::2], names[1::2]) if half]
    single = np.unique(train.fingerprints, return_index=True)[1]  # each content once: no copy is counted
    rates = [_coincidence(half[single], _recurring([half[single]], stretch[single]), stretch[single]).rate
             for half in halves]  # fmt: skip
    return Coincidence(min(found.rate, *rates), found.contents, found.stretches, carried=True)


def _stretches(train: Train, rows: int) -> NDArray[np.intp]:
    """Return (n,) the stretch of whole days that each row stands in, numbered in order of time."""
    least, most = STRETCHES
    number = int(np.clip(len(train) // max(rows, 1), least, most))
    day = day_blocks(train.at)
    before = np.concatenate([[0], np.cumsum(np.bincount(day))])[:-1]  # rows of earlier days
    _, stretch = np.unique(before[day] * number // max(len(train), 1), return_inverse=True)
    return np.asarray(stretch, dtype=np.intp)


def _recurring(hashes: Iterable[Hashes], stretch: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return (n,) which rows share a hash with a row of another stretch, not next to their own."""
    found = np.zeros(len(stretch), dtype=bool)
    for one in hashes:
        if not len(one):
            continue
        order = np.argsort(one, kind="stable")
        starts = np.flatnonzero(np.diff(one[order], prepend=~one[order[:1]]))
        group = np.repeat(np.arange(len(starts)), np.diff([*starts, len(one)]))
        first, last = (extreme.reduceat(stretch[order], starts)[group] for extreme in (np.minimum, np.maximum))
        apart = (stretch[order] - first > 1) | (last - stretch[order] > 1)
        found[order] |= apart & (one[order] != VOID)
    return found


def _coincidence(content: Hashes, again: NDArray[np.bool_], stretch: NDArray[np.intp]) -> Coincidence:
    """Return the largest share of a stretch's distinct contents that come back."""
    number = int(stretch.max(initial=-1)) + 1
    order = np.lexsort((~again, content, stretch))  # of equal contents, one that comes back stands first
    first = np.diff(content[order], prepend=~content[order[:1]]) != 0
    first |= np.diff(stretch[order], prepend=-1) != 0
    own = order[first]
    contents = np.bincount(stretch[own], minlength=number)
    repeats = np.bincount(stretch[own], weights=again[own], minlength=number)
    return Coincidence(float((repeats / np.maximum(contents, 1)).max(initial=0.0)), int(contents.sum()), number)


def _carried(train: Train, again: NDArray[np.bool_]) -> bool:
    """Return whether recurring contents hardly ever have labels that disagree, though as many rows by chance would."""
    known = again & ~np.isnan(train.label)
    _, group, size = np.unique(train.fingerprints[known], return_inverse=True, return_counts=True)
    if (size > 1).sum() < CONTENTS:
        return False
    positive = np.bincount(group, weights=train.label[known] > 0, minlength=len(size))
    rate = float((train.label[~np.isnan(train.label)] > 0).mean())
    expected = (1 - rate**size - (1 - rate) ** size)[size > 1].mean()
    disagreeing = ((positive > 0) & (positive < size))[size > 1].mean()
    return bool(disagreeing < AGREE * expected)
