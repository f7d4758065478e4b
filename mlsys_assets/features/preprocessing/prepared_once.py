"""Rows prepared once for many fits: a search that changes the model alone need not prepare its rows each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.preprocessing.preprocessor import Prepared, Preprocessor

Kept = list[tuple[Train, Preprocessor, Prepared]]

MOST_KEPT = 2
"""So many preparations are kept at once: each is as large as the training rows."""

_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def preparing_once() -> Iterator[None]:
    """Within, `fit_once` keeps what it made of the same view by an equal preprocessor; after it, all is let go."""
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
    for rows, declared, prepared in kept:
        if rows is train and declared == preprocessor:
            return replace(prepared, matrix=prepared.matrix.copy())
    prepared = preprocessor.fit(train)
    kept.append((train, preprocessor, prepared))
    del kept[:-MOST_KEPT]
    return replace(prepared, matrix=prepared.matrix.copy())
