"""Rows prepared once for many fits: a search that changes the model alone need not prepare its rows each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import Prepared, Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing

MOST_KEPT = 2
"""So many preparations are kept at once: each is as large as the rows."""


@dataclass(eq=False)
class _Kept:
    """The training rows prepared, and the validation rows by the same, once they were asked for."""

    train: Train
    preprocessor: Preprocessor
    prepared: Prepared
    validation: tuple[Validation, NDArray[np.float32]] | None = None


_KEPT: ContextVar[list[_Kept] | None] = ContextVar("kept", default=None)


@contextmanager
def preparing_once() -> Iterator[None]:
    """Within, `fit_once` and `transform_once` keep what they made of the same views; after it, all is let go."""
    token = _KEPT.set([])
    try:
        yield
    finally:
        _KEPT.reset(token)


def fit_once(preprocessor: Preprocessor, train: Train) -> Prepared:
    """Return what ``preprocessor.fit`` gives, with a matrix that the caller may write to; raises what it raises."""
    kept = _KEPT.get()
    if kept is None:
        return preprocessor.fit(train)
    for one in kept:
        if one.train is train and one.preprocessor == preprocessor:
            return replace(one.prepared, matrix=one.prepared.matrix.copy())
    prepared = preprocessor.fit(train)
    kept.append(_Kept(train, preprocessor, prepared))
    del kept[:-MOST_KEPT]
    return replace(prepared, matrix=prepared.matrix.copy())


def transform_once(preprocessing: Preprocessing, validation: Validation) -> NDArray[np.float32]:
    """Return what ``preprocessing.transform`` gives of the rows' features, which the caller may write to."""
    for one in _KEPT.get() or ():
        if one.prepared.preprocessing is preprocessing:
            if one.validation is None or one.validation[0] is not validation:
                one.validation = validation, preprocessing.transform(validation.features)
            return one.validation[1].copy()
    return preprocessing.transform(validation.features)
