"""Folds in which no group stands in both parts: how a model does on an aircraft, a shop or a patient it never saw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.folds import (
    LEAST_FOLDS,
    Cut,
    Flags,
    Fold,
    FoldError,
    Times,
    between,
    embargo_mistakes,
    end_of,
    require_declared,
    require_parts,
    require_rows,
    settled,
    whole_days,
    yielded,
)
from mlsys_assets.data_sampling.groups import groups_of
from mlsys_assets.data_sampling.splits import LEAST_ROWS
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.mistakes import not_all, out_of_range

MOST_GROUPS = 20
"""So many models are fitted to leave out one group after the other, and no more unless asked."""


@dataclass(frozen=True)
class GroupedFolds:
    """Groups dealt into folds of as nearly equal rows as they allow; a fold's groups are validated, all others train.

    Without ``later``, both parts cover all the time there is, and rows of one day stand in both: that measures new
    groups in known times. With it, only the last days of the history are validated and only what was settled before
    them trains: new groups in new times.

    Parameters
    ----------
    count
        Folds.
    by
        Feature columns whose values together name a row's group; () if groups are handed in.
    later
        How much of the history's end is validated, in whole days; None: all of it.
    embargo
        With ``later``: the longest time a label may take.
    """

    count: int
    by: tuple[str, ...] = ()
    later: timedelta | None = None
    embargo: timedelta | None = None

    def mistakes(self, *, delay: timedelta | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay``."""
        found = out_of_range("grouped folds: count", self.count, whole=True, least=LEAST_FOLDS)
        found += not_all("grouped folds: by", self.by, str)
        return found + _later_mistakes("grouped folds", self.later, self.embargo, delay)

    def folds(
        self, train: Train, *, known_at: Times | None = None, groups: pa.Array | pa.ChunkedArray | None = None
    ) -> Iterator[Fold]:
        """Yield the folds; raises FoldError for fewer groups than folds, rows without a group, or an empty part.

        ``groups`` are (n,) values that name each row's group, where ``by`` names no columns.
        """
        require_declared("grouped folds", self.mistakes())
        require_rows(train, known_at, what="grouped folds")
        found = groups_of(train, self.by, groups)
        halves = _Halves.of(train, self.later, self.embargo, known_at)
        there = int((found.counted(halves.later) > 0).sum())
        if there < self.count:
            raise FoldError(
                f"{self.count} folds need as many groups to validate, there are {there} of {len(found.names)} "
                f"({found.listed}); ask for fewer"
            )
        fold_of = found.dealt(self.count, halves.later)[found.code]
        cuts = [halves.cut(f"groups {k + 1} of {self.count}", fold_of == k) for k in range(self.count)]
        require_parts(cuts, advice=f"{len(found.names)} groups, {halves}; ask for fewer folds")
        return yielded(train, cuts)


@dataclass(frozen=True)
class LeaveGroupOut:
    """One fold a group: its rows are validated, those of all other groups train.

    With ``later``, the group's last days are validated and what was settled before them trains; each fold then has a
    ``control`` too, the same rows with the group's own. The two models differ by the group alone, not by the season,
    and by the number of rows: where a group is large, draw the control down to as many.

    Parameters
    ----------
    by
        Feature columns whose values together name a row's group; () if groups are handed in.
    later
        How much of the history's end is validated, in whole days; None: all of it, and there is no control.
    embargo
        With ``later``: the longest time a label may take.
    most
        More groups than this are refused: each costs a fit.
    least_rows
        Groups with fewer rows to validate have no fold of their own; they still train the others'.
    """

    by: tuple[str, ...] = ()
    later: timedelta | None = None
    embargo: timedelta | None = None
    most: int = MOST_GROUPS
    least_rows: int = LEAST_ROWS

    def mistakes(self, *, delay: timedelta | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay``."""
        found = not_all("leave group out: by", self.by, str)
        found += _later_mistakes("leave group out", self.later, self.embargo, delay)
        found += out_of_range("leave group out: most", self.most, whole=True, least=LEAST_FOLDS)
        return found + out_of_range("leave group out: least_rows", self.least_rows, whole=True, least=1)

    def folds(
        self, train: Train, *, known_at: Times | None = None, groups: pa.Array | pa.ChunkedArray | None = None
    ) -> Iterator[Fold]:
        """Yield a fold for each group of enough rows, in order of their names.

        Raises FoldError for a single group, more than ``most``, none of enough rows, rows without a group, or an
        empty part. ``groups`` are (n,) values that name each row's group, where ``by`` names no columns.
        """
        require_declared("leave group out", self.mistakes())
        require_rows(train, known_at, what="leaving a group out")
        found = groups_of(train, self.by, groups)
        if len(found.names) < LEAST_FOLDS:
            raise FoldError(
                f"all {len(train)} rows are of one group, {found.listed}; give columns that tell rows apart"
            )
        halves = _Halves.of(train, self.later, self.embargo, known_at)
        rows = found.counted(halves.later)
        large = [k for k, n in enumerate(rows) if n >= self.least_rows]
        if not large:
            raise FoldError(
                f"none of {len(rows)} groups has {self.least_rows} rows to validate, the largest has {max(rows)} "
                f"({halves}); merge groups, validate longer, or allow fewer"
            )
        if len(large) > self.most:
            raise FoldError(
                f"there are {len(large)} groups of at least {self.least_rows} rows, {self.most} are allowed, since "
                "each costs a fit: take a coarser column, raise `most`, or deal them into folds by GroupedFolds"
            )
        cuts = [halves.cut(found.names[k], found.code == k) for k in large]
        require_parts(cuts, advice=f"{len(rows)} groups, {halves}; validate less")
        return yielded(train, cuts)

    def too_few(self, train: Train, *, groups: pa.Array | pa.ChunkedArray | None = None) -> Mapping[str, int]:
        """Return the rows to validate of each group that has too few for a fold of its own."""
        require_declared("leave group out", self.mistakes())
        require_rows(train, None, what="leaving a group out")
        found = groups_of(train, self.by, groups)
        rows = found.counted(_Halves.of(train, self.later, self.embargo, None).later)
        return {name: int(n) for name, n in zip(found.names, rows, strict=True) if n < self.least_rows}


@dataclass(frozen=True, eq=False)
class _Halves:
    """What may train and what may be validated, as far as time goes."""

    earlier: Flags
    later: Flags
    begins: np.datetime64
    ends: np.datetime64
    in_time: bool

    @classmethod
    def of(cls, train: Train, later: timedelta | None, embargo: timedelta | None, known_at: Times | None) -> "_Halves":
        ends = end_of(train)
        if later is None or embargo is None:
            every = np.ones(len(train), dtype=bool)
            return cls(every, every, train.at.min().astype("datetime64[D]").astype("datetime64[us]"), ends, False)
        begins = ends - np.timedelta64(later)
        earlier = settled(train.at, begins, embargo=embargo, known_at=known_at)
        return cls(earlier, train.at >= begins, begins, ends, True)

    def cut(self, name: str, mine: Flags) -> Cut:
        control = self.earlier if self.in_time else None
        return Cut(name, self.earlier & ~mine, self.later & mine, self.begins, self.ends, control)

    def __str__(self) -> str:
        return f"validated on {between(self.begins, self.ends)}, {int(self.earlier.sum())} rows may train"


def _later_mistakes(what: str, later: object, embargo: object, delay: timedelta | None) -> list[str]:
    if later is None and embargo is None:
        return []
    if later is None or embargo is None:
        there, lacking = ("embargo", "later") if later is None else ("later", "embargo")
        return [f"{what}: {there} is given without {lacking}; give both, to cut by time too, or neither"]
    return whole_days(f"{what}: later", later) + embargo_mistakes(what, embargo, delay)
