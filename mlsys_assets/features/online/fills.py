"""Features of the request's own row, and of the features before: computed row by row, without state."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.online.scalars import Record, scalar
from mlsys_assets.features.request import Request
from mlsys_assets.tables import Column

Fill = Callable[[Record, list[Any]], None]
"""Puts what is computed from a request, or from features before, into its slots."""


def request_fill(feature: Request, requests: Sequence[Column], slot: int) -> Fill:
    """Return what puts the request's own columns into ``slot`` and those after it."""
    reading = [(slot + i, scalar(of, requests)) for i, (_, of) in enumerate(feature.values)]

    def fill(request: Record, out: list[Any]) -> None:
        for place, read in reading:
            out[place] = _plain(read(request))

    return fill


def derived_fill(feature: Derived, before: Sequence[Column]) -> Fill:
    """Return what computes features from the columns ``before``."""
    readable, names = as_read(before), [c.name for c in before]
    slot = len(before)
    computed = [(slot + i, scalar(of, readable)) for i, (_, of) in enumerate(feature.computed)]

    def fill(request: Record, out: list[Any]) -> None:
        row = dict(zip(names, map(_stored, out), strict=False))
        for place, read in computed:
            out[place] = _plain(read(row))

    return fill


def backoff_fill(feature: Backoff, before: Sequence[Column]) -> Fill:
    """Return what takes the first value that rests on enough rows."""
    places, slot = {c.name: i for i, c in enumerate(before)}, len(before)
    *finer, (coarsest, _) = [(places[value], places[count]) for value, count in feature.choices]

    def fill(request: Record, out: list[Any]) -> None:
        for value, count in finer:
            if out[value] is not None and (_stored(out[count]) or 0) >= feature.at_least:
                out[slot] = out[value]
                return
        out[slot] = out[coarsest]

    return fill


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, bool) else value


def _stored(value: Any) -> Any:
    """Return a feature as it is read where it is stored: to 32 bits."""
    return value if value is None or isinstance(value, str) else float(np.float32(value))
