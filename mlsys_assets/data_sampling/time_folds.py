"""Folds by time: each validated part is whole days, and what is near it is not trained on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from mlsys_assets.data_sampling.folds import (
    LEAST_FOLDS,
    Cut,
    Fold,
    FoldError,
    Times,
    between,
    embargo_mistakes,
    end_of,
    midnight,
    require_declared,
    require_parts,
    require_rows,
    settled,
    whole_days,
    yielded,
)
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.mistakes import not_long, out_of_range


@dataclass(frozen=True)
class BlockedFolds:
    """Blocks of consecutive UTC days, each validated by what is trained on the days before and after it.

    Trained on are, before a block, rows predicted ``embargo`` before it begins and whose label was known by then;
    after it, rows predicted no sooner than ``after`` from its end (López de Prado 2018, ch. 7). Of the first, a
    label's known time is seen where ``known_at`` is handed in; without it, it is taken that no label takes longer
    than the embargo. Of the second, no trailing feature can hold a label of the block if ``after`` is the label's
    delay and the longest window together.

    Parameters
    ----------
    count
        Blocks, of as nearly the same number of days as there can be.
    embargo
        The longest time a label may take.
    after
        How long after a block nothing is trained on; None: as long as ``embargo``.
    """

    count: int
    embargo: timedelta
    after: timedelta | None = None

    def mistakes(self, *, delay: timedelta | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay``."""
        found = out_of_range("blocked folds: count", self.count, whole=True, least=LEAST_FOLDS)
        found += embargo_mistakes("blocked folds", self.embargo, delay)
        return found + ([] if self.after is None else not_long("blocked folds: after", self.after, zero=True))

    def folds(self, train: Train, *, known_at: Times | None = None) -> Iterator[Fold]:
        """Yield a fold for each block, in order of time; raises FoldError for too few days or a part without rows."""
        require_declared("blocked folds", self.mistakes())
        require_rows(train, known_at, what="blocked folds")
        day = train.at.astype("datetime64[D]")
        there = np.unique(day)
        if len(there) < self.count:
            raise FoldError(
                f"{self.count} blocks need as many days, the rows lie on {len(there)}; ask for fewer, or wait for more"
            )
        after = self.embargo if self.after is None else self.after
        cuts = []
        for block in np.array_split(there, self.count):
            begins, ends = midnight(block[0]), midnight(block[-1] + 1)
            trained = settled(train.at, begins, embargo=self.embargo, known_at=known_at)
            trained |= train.at >= ends + np.timedelta64(after)
            validated = (train.at >= begins) & (train.at < ends)
            cuts.append(Cut(between(begins, ends), trained, validated, begins, ends))
        require_parts(cuts, advice=f"the embargo is {self.embargo}, and {after} after a block; ask for fewer blocks")
        return yielded(train, cuts)


@dataclass(frozen=True)
class WalkForward:
    """The last ``count`` times ``validation`` of the history, each validated by what is trained on its past alone.

    A row is trained on if it was predicted ``embargo`` before the validated days begin and its label was known by
    then, as `BlockedFolds` has it before a block.

    Parameters
    ----------
    count
        How many validated parts.
    validation
        The length of each, in whole days.
    embargo
        The longest time a label may take.
    """

    count: int
    validation: timedelta
    embargo: timedelta

    def mistakes(self, *, delay: timedelta | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay``."""
        found = out_of_range("walk forward: count", self.count, whole=True, least=1)
        found += whole_days("walk forward: validation", self.validation)
        return found + embargo_mistakes("walk forward", self.embargo, delay)

    def folds(self, train: Train, *, known_at: Times | None = None) -> Iterator[Fold]:
        """Yield a fold for each validated part, in order of time; raises FoldError for too short a history."""
        require_declared("walk forward", self.mistakes())
        require_rows(train, known_at, what="walking forward")
        end, length = end_of(train), np.timedelta64(self.validation)
        history = (end - train.at.min().astype("datetime64[D]")) // np.timedelta64(1, "D")
        if self.count * self.validation.days > history:
            raise FoldError(
                f"{self.count} parts of {self.validation} each are longer than the history of {history} days; "
                "ask for fewer parts, or shorter ones"
            )
        cuts = []
        for back in range(self.count, 0, -1):
            begins, ends = end - back * length, end - (back - 1) * length
            trained = settled(train.at, begins, embargo=self.embargo, known_at=known_at)
            validated = (train.at >= begins) & (train.at < ends)
            cuts.append(Cut(between(begins, ends), trained, validated, begins, ends))
        require_parts(
            cuts,
            advice=f"the history begins {train.at.min().astype('datetime64[D]')} and the embargo is {self.embargo}; "
            f"ask for fewer than {self.count} parts, or shorter ones than {self.validation}",
        )
        return yielded(train, cuts)
