"""Copies across the split: a test row that stands in training too asks what was told."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.bands import BANDS, Hashes, joined, near_matches, within
from mlsys_assets.data_sampling.coincidence import Coincidence, coincidence
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.data_sampling.splits import PARTS, Split
from mlsys_assets.data_sampling.views import Test, Train, Validation, View
from mlsys_assets.types import Finding, Scalar, Severity, days

COPIES: Final = "no_copy_in_an_earlier_part"
NEAR_COPIES: Final = "no_near_copy_in_an_earlier_part"
NEIGHBOURS: Final = days(1)
"""Rows that stand nearer than this in time are alike because of when they are, not because one was copied."""
LEARNED_FROM: Final = PARTS[:2]
"""What models are fitted to or chosen on; that two tests share rows misleads nobody."""
COLUMNS_A_BAND: Final = 2
"""Of tables with fewer columns, rows that share bands of them are many, and say nothing."""


Part = View | Test


@dataclass(frozen=True)
class Shared:
    """What a later part shares with an earlier one.

    Parameters
    ----------
    earlier, later
        Names of the parts.
    rows
        Rows of the later part with a copy in the earlier one.
    contents, of
        Distinct contents among those, and in the later part altogether.
    chance
        How often that comes by chance; None where nothing is shared, which needs no chance.
    bound
        Whether more than chance gives is surely a copy.
    """

    earlier: str
    later: str
    rows: int
    contents: int
    of: int
    chance: Coincidence | None = None
    bound: bool = True

    @property
    def explained(self) -> bool:
        """Whether chance, or neighbourhood in time, may give as many."""
        return self.chance is None or not self.bound or self.chance.explains(self.contents, of=self.of)

    def __str__(self) -> str:
        if self.chance is None:
            return ""
        told = f"at most {self.chance.expected(self.of):.1f} by chance" if self.chance.sufficient else "chance untold"
        return f"{self.earlier} & {self.later} {self.rows} ({self.contents} distinct, {told})"


def copies_across(split: Split) -> Finding:
    """Return whether rows of a later part have their exact copy in one that is learned from.

    An ERROR where more contents come back than the training rows repeat of their own, from one stretch of days to
    another as long; a WARN where chance may give as many, as it does where features are few and coarse.
    """
    chance = _lazily(split.train, lambda train: [train.fingerprints])
    found = []
    for (first, earlier), (second, later) in _pairs(split):
        copied = within(earlier.fingerprints, later.fingerprints)
        found.append(_shared((first, second), later.fingerprints, copied, chance))
    evidence: dict[str, Scalar] = {}
    if found and found[0].rows:
        agreeing, expected = _agreement(split.train, split.validation)
        evidence = {"labels of copies agree": agreeing, "would by chance": expected}
    return _finding(COPIES, found, "copies", evidence)


def near_copies_across(split: Split) -> Finding:
    """Return whether rows of a later part are nearly as one that is learned from, though no exact copy.

    Rounded numbers, one or a few columns changed. Rows of the day before the later part are left out; where parts lie
    within each other's time, neighbours are many, and nearly the same is a WARN at most.
    """
    columns = len(split.train.features.schema)
    if columns < COLUMNS_A_BAND * BANDS:
        told = f"{columns} columns are too few to tell near copies from rows that happen to be alike"
        return Finding(NEAR_COPIES, True, f"insufficient data: {told}", Severity.WARN, {"columns": columns})
    chance = _lazily(split.train, lambda train: joined(train.near_fingerprints))
    found = []
    for n, first in enumerate(LEARNED_FROM):
        earlier, later = getattr(split, first), {name: getattr(split, name) for name in PARTS[n + 1 :]}
        for second, near in _near(earlier, later).items():
            content, bound = later[second].fingerprints, not _amid(earlier, later[second])
            copied = near & ~within(earlier.fingerprints, content)
            found.append(_shared((first, second), content, copied, chance, bound=bound))
    return _finding(NEAR_COPIES, found, "near copies", {})


def _near(earlier: View, later: Mapping[str, Part]) -> dict[str, NDArray[np.bool_]]:
    """Return which rows of later parts are nearly as an earlier one's that is no neighbour in time."""
    starts = [part.window.start for part in later.values() if not _amid(earlier, part)]
    known = earlier.near_fingerprints
    if starts:
        known = known[:, earlier.at < moment(min(starts) - NEIGHBOURS)]
    near = near_matches(known, np.concatenate([part.near_fingerprints for part in later.values()], axis=1))
    return dict(zip(later, np.split(near, np.cumsum([len(part) for part in later.values()])[:-1]), strict=True))


def _amid(earlier: View, later: Part) -> bool:
    """Return whether rows of a part stand after another's beginning, so that they may be neighbours."""
    return bool(len(earlier)) and bool(earlier.at.max() >= moment(later.window.start))


def _pairs(split: Split) -> Iterator[tuple[tuple[str, View], tuple[str, Part]]]:
    for n, first in enumerate(LEARNED_FROM):
        for second in PARTS[n + 1 :]:
            yield (first, getattr(split, first)), (second, getattr(split, second))


def _lazily(train: Train, hashes: Callable[[Train], Iterable[Hashes]]) -> Callable[[int], Coincidence]:
    """Return what tells chance for a later part of so many rows: only asked where something is shared."""
    return lambda rows: coincidence(train, hashes(train), rows=rows)


def _shared(
    names: tuple[str, str],
    content: Hashes,
    copied: NDArray[np.bool_],
    chance: Callable[[int], Coincidence],
    *,
    bound: bool = True,
) -> Shared:
    rows = int(copied.sum())
    if not rows:
        return Shared(*names, 0, 0, len(content))
    contents, of = len(np.unique(content[copied])), len(np.unique(content))
    return Shared(*names, rows, contents, of, chance(len(content)), bound=bound)


def _agreement(train: Train, validation: Validation) -> tuple[float, float]:
    """Return the share of copies in validation with the label of the first in training, and that of any two rows."""
    _, first = np.unique(train.fingerprints, return_index=True)
    known = train.fingerprints[first]
    place = np.minimum(np.searchsorted(known, validation.fingerprints), len(known) - 1)
    copied = known[place] == validation.fingerprints
    rates = float(train.label.mean()), float(validation.label[copied].mean())
    agreeing = float((train.label[first[place[copied]]] == validation.label[copied]).mean())
    return agreeing, rates[0] * rates[1] + (1 - rates[0]) * (1 - rates[1])


def _finding(name: str, found: list[Shared], what: str, evidence: dict[str, Scalar]) -> Finding:
    counts: dict[str, Scalar] = {f"{one.earlier} & {one.later}": one.rows for one in found}
    told = "; ".join(filter(None, map(str, found)))
    if not told:
        return Finding(name, True, f"no {what} of what is learned from in a later part", Severity.WARN, counts)
    error = any(not one.explained for one in found)
    advice = (
        ": no coincidence; keep each in one part only (merge_duplicates before the split), or the test is no test"
        if error
        else ": chance, or neighbourhood in time, may give as many; look at whether somebody copied them"
    )
    if "labels of copies agree" in evidence:
        told += "; labels agree in {:.0%}, {:.0%} by chance".format(*evidence.values())
    return Finding(
        name, False, f"{what}: {told}{advice}", Severity.ERROR if error else Severity.WARN, counts | evidence
    )
