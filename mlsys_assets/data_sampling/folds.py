"""Folds of a Train view: what every way to cut one has in common. No fold ever holds a row of a sealed test."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.oversampling import require_original
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.mistakes import not_long
from mlsys_assets.types import DeclarationError, TimeWindow, days

LEAST_FOLDS = 2
"""A single part of all rows leaves nothing to train on."""

Flags = NDArray[np.bool_]
Times = NDArray[np.datetime64]


class FoldError(ValueError):
    """Rows that cannot be cut as declared: too short a history, a part without rows, groups that cannot be told."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to cut a Train view in two.

    Parameters
    ----------
    name
        What is validated: its days, or its groups.
    train
        What is fitted on.
    validation
        What is scored; no row of it is near a row of ``train``, in the splitter's sense of near.
    control
        Where a group is left out in time: ``train`` with the group's own rows. A model of these, scored on the same
        ``validation``, tells what the group's absence costs, and no season with it.
    """

    name: str
    train: Train
    validation: Validation
    control: Train | None = None


@runtime_checkable
class Splitter(Protocol):
    """A way to cut a Train view into folds: frozen, and equal rows give equal folds."""

    def mistakes(self, *, delay: timedelta | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay``."""
        ...

    def folds(self, train: Train, *, known_at: Times | None = None) -> Iterator[Fold]:
        """Yield the folds; raises FoldError at once, and TypeError for anything but a Train view as it came."""
        ...


@dataclass(frozen=True, eq=False)
class Cut:
    """Where a fold lies: (n,) masks of a Train view's rows, and the validated time."""

    name: str
    trained: Flags
    validated: Flags
    begins: np.datetime64
    ends: np.datetime64
    control: Flags | None = None


def known_times(train: Train, rows: LabelledRows) -> Times:
    """Return (n,) when each label of ``train`` became known; raises ValueError for a row that ``rows`` does not hold.

    What a splitter is handed as ``known_at``, so that labels which came later than the embargo are purged too.
    """
    place = pc.index_in(train.ids, value_set=rows.ids)
    if place.null_count:
        raise ValueError(
            f"{place.null_count} of {len(train)} rows to train on are not among the {len(rows)} labelled rows; "
            "hand in those that were split"
        )
    found: Times = rows.known_at[place.to_numpy(zero_copy_only=False)]
    return found


def settled(at: Times, begins: np.datetime64, *, embargo: timedelta, known_at: Times | None) -> Flags:
    """Return (n,) which rows were predicted an embargo before then, with their label known by then."""
    found: Flags = at < begins - np.timedelta64(embargo)
    return found if known_at is None else found & (known_at <= begins)


def require_declared(what: str, mistakes: Sequence[str]) -> None:
    """Raise DeclarationError if there are mistakes."""
    if mistakes:
        raise DeclarationError(what, mistakes)


def require_rows(train: object, known_at: Times | None, *, what: str) -> None:
    """Raise TypeError unless ``train`` is a Train view as it came, FoldError unless it has rows, a known time each."""
    require_original(train, what=what)
    rows = len(train) if isinstance(train, Train) else 0
    if rows == 0:
        raise FoldError(f"{what} needs rows, got none")
    if known_at is not None and len(known_at) != rows:
        raise FoldError(f"{what} needs a known time for each of {rows} rows, got {len(known_at)}; use known_times(...)")


def require_parts(cuts: Sequence[Cut], *, advice: str) -> None:
    """Raise FoldError that names each fold with a part without rows."""
    empty = [
        f"{part} of the fold {cut.name}"
        for cut in cuts
        for part, rows in (("the train part", cut.trained), ("the validation part", cut.validated))
        if not rows.any()
    ]
    if empty:
        raise FoldError(f"{' and '.join(empty)} would have no row: {advice}")


def yielded(train: Train, cuts: Sequence[Cut]) -> Iterator[Fold]:
    """Yield folds one at a time: their columns are copied only as they are asked for, a shared control once."""
    shared: tuple[Flags, Train] | None = None
    for cut in cuts:
        if cut.control is not None and (shared is None or shared[0] is not cut.control):
            shared = cut.control, train.take(cut.control)
        rows = train.take(cut.validated)
        window = TimeWindow(_aware(cut.begins), _aware(cut.ends))
        yield Fold(
            cut.name,
            train.take(cut.trained),
            Validation(rows.ids, rows.at, rows.features, rows.label, window),
            None if cut.control is None or shared is None else shared[1],
        )


def embargo_mistakes(what: str, embargo: object, delay: timedelta | None) -> list[str]:
    """Return why an embargo is none, or too short for labels of this delay."""
    found = not_long(f"{what}: embargo", embargo, zero=True)
    if not found and delay is not None and isinstance(embargo, timedelta) and embargo < delay:
        found.append(f"{what}: embargo of {embargo} is shorter than the label delay of {delay}; give at least that")
    return found


def whole_days(what: str, length: object) -> list[str]:
    """Return why a duration is none of whole days."""
    found = not_long(what, length)
    if not found and isinstance(length, timedelta) and length % days(1):
        found.append(f"{what} is {length}; rows of a day depend on each other, so give whole days")
    return found


def end_of(train: Train) -> np.datetime64:
    """Return the midnight, UTC, after the last row."""
    return midnight(train.at.max().astype("datetime64[D]") + 1)


def between(begins: np.datetime64, ends: np.datetime64) -> str:
    """Return the validated days in words, the last of them included."""
    last = (ends - np.timedelta64(1, "us")).astype("datetime64[D]")
    return f"{begins.astype('datetime64[D]')} to {last}"


def midnight(day: np.datetime64) -> np.datetime64:
    """Return when a UTC day begins."""
    found: np.datetime64 = day.astype("datetime64[us]")
    return found


def _aware(at: np.datetime64) -> datetime:
    found: datetime = at.astype("datetime64[us]").item()
    return found.replace(tzinfo=UTC)
