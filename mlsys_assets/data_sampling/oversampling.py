"""Drawing classes anew: what may be done to Train after the split, and to nothing else."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import out_of_range

COPY: Final = "#"
"""Stands between a row's identifier and the number of its copy: ``UA1545#2`` is the second of ``UA1545``."""
EVEN: Final = 0.5
"""Beyond it, the rarer class would be the more frequent one."""


class Resampled(Train):
    """Train rows drawn anew: anything may be fitted on them, but they are not cut into parts again."""


def require_original(train: object, *, what: str) -> None:
    """Raise TypeError unless ``train`` is a Train view whose rows stand as often as they came."""
    require_train(train, what=what)
    if isinstance(train, Resampled):
        raise TypeError(
            f"{what} takes rows as they came, got rows that were drawn anew: a copy could stand in two parts; "
            "cut the Train view first, then draw within each part that is fitted on"
        )


def oversample(train: Train, *, share: float, seed: int) -> Resampled:
    """Return the rows with copies of the rarer class, drawn at random until it makes up ``share``.

    Only a Train view can be drawn anew, and no split takes one: copies made first, which then stand in train and test
    both, cannot be written. A model of such rows gives probabilities of another prevalence than the world's:
    ``models.prior_correction.correct`` turns them back; a threshold chosen on Validation needs no turning.

    Parameters
    ----------
    train
        The rows, labelled 0 and 1.
    share
        Of the rarer class afterwards, above 0 and at most a half; where it has as much, nothing is copied.
    seed
        Of the draw.

    Raises TypeError for another view, or one drawn anew already; ValueError for one class or another share.
    """
    rare = _rare(train, share, what="oversampling")
    wanted = round((len(train) - len(rare)) * share / (1 - share)) - len(rare)
    copied = np.random.default_rng(seed).choice(rare, size=max(wanted, 0))
    return drawn_rows(train, np.sort(np.concatenate([np.arange(len(train)), copied])))


def undersample(train: Train, *, share: float, seed: int) -> Resampled:
    """Return the rarer class and of the other so many rows, drawn at random, that the rarer makes up ``share``.

    Takes, raises and shifts probabilities as `oversample` does; the copies' place is taken by what is left out.
    """
    rare = _rare(train, share, what="undersampling")
    other = np.setdiff1d(np.arange(len(train)), rare, assume_unique=True)
    wanted = round(min(len(rare) * (1 - share) / share, len(other)))
    kept = np.random.default_rng(seed).choice(other, size=wanted, replace=False)
    return drawn_rows(train, np.sort(np.concatenate([rare, kept])))


def _rare(train: Train, share: float, *, what: str) -> NDArray[np.intp]:
    """Return the positions of the rarer class's rows."""
    require_original(train, what=what)
    if wrong := out_of_range(f"{what}: share", share, above=0, most=EVEN):
        raise ValueError(wrong[0])
    other = train.label[(train.label != 0) & (train.label != 1)]
    if len(other):
        raise ValueError(f"{what} takes labels 0 and 1, got {other[0]} ({len(other)} such rows)")
    positive = np.flatnonzero(train.label == 1)
    negative = np.flatnonzero(train.label == 0)
    if not (len(positive) and len(negative)):
        raise ValueError(
            f"{what} needs both classes, got {len(positive)} positives and {len(negative)} negatives; "
            "take a longer Train window"
        )
    return positive if len(positive) <= len(negative) else negative


def drawn_rows(train: Train, index: NDArray[np.intp]) -> Resampled:
    """Return the rows at rising positions; one that stands again has the number of its copy in its identifier.

    Raises ValueError where such an identifier is taken.
    """
    picked = pa.array(index)
    _, first, count = np.unique(index, return_index=True, return_counts=True)
    number = np.arange(len(index)) - np.repeat(first, count) + 1
    again = pa.array(number > 1)
    ids = train.ids.take(picked)
    if bool(again.true_count):
        text = ids.cast(pa.string())
        copies = pc.binary_join_element_wise(text, pa.array(number).cast(pa.string()), COPY)
        taken = pc.sum(pc.is_in(copies.filter(again), value_set=train.ids.cast(pa.string()))).as_py()
        if taken:
            raise ValueError(
                f"{taken} identifiers of copies are taken, such as those that end in {COPY}2; these rows look copied "
                "already: oversample after the split, from the rows as they came"
            )
        ids = pc.if_else(again, copies, text)
    return Resampled(ids, train.at[index], train.features.take(picked), train.label[index], train.window)
