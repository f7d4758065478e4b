"""The list that a system's predictions make: the highest scores of each day, as a log of items shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.data_sampling.rows import moments, require_columns, require_unique
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import none_of, not_all, not_one, out_of_range
from mlsys_assets.production_monitoring.feedback.degeneration import Degeneration
from mlsys_assets.production_monitoring.feedback.diversity import Diversity, by_window
from mlsys_assets.production_monitoring.feedback.shown import ShownLog, window_starts
from mlsys_assets.tables import LABEL, PREDICT_AT, SCORE
from mlsys_assets.types import Calendar

MOST_SHOWN = 1_000_000
BETWEEN = "|"
"""Stands between the parts of an item's name."""


@dataclass(frozen=True)
class FeedbackLog:
    """What of a system's predictions somebody sees.

    Parameters
    ----------
    item
        The columns of the requests that name what a request is about: what is shown, and may come back.
    shown_per_day
        How many of a day's requests, those of the highest scores, are shown; of a shorter day all.
    limits
        From when on a list that narrows is called a loop.
    """

    item: tuple[str, ...]
    shown_per_day: int
    limits: Degeneration = Degeneration()

    def mistakes(self, columns: Sequence[str]) -> list[str]:
        """Return what is wrong with the declaration, given the columns of the requests."""
        wrong = not_all("feedback log: item", self.item, str)
        if not wrong:
            wrong = [m for name in self.item for m in none_of("feedback log: item", name, columns)]
            if not self.item or len(set(self.item)) < len(self.item):
                wrong.append(f"feedback log: item is {self.item}; give one column or more, each once")
        wrong += not_one("feedback log: limits", self.limits, Degeneration) or self.limits.mistakes()
        return wrong + out_of_range(
            "feedback log: shown_per_day", self.shown_per_day, whole=True, least=1, most=MOST_SHOWN
        )


@dataclass(frozen=True, eq=False)
class Listed:
    """A system's requests with the list that their scores make.

    Parameters
    ----------
    log
        What was shown, with the outcomes that are known.
    item, at
        (n,) every request's item and prediction time, shown or not.
    known
        (n,) whether its outcome is known.
    nameless
        Requests left out, since a part of their item's name is missing.
    """

    log: ShownLog
    item: NDArray[np.intp]
    at: NDArray[np.datetime64]
    known: NDArray[np.bool_]
    nameless: int

    def by_tick(self, calendar: Calendar) -> dict[np.datetime64, Diversity]:
        """Return the diversity of the list in each tick with requests, by its start, in order.

        An item is learned of if an outcome of it came, whether it was shown or not. While none came of what was
        shown either, they are waited for: of how many it is learned is NaN.
        """
        starts = window_starts(self.at, calendar)
        offered, known = (self._items(starts, rows) for rows in (np.ones(len(self.at), dtype=bool), self.known))
        told = np.zeros(len(self.log), dtype=bool) if self.log.outcome is None else ~np.isnan(self.log.outcome)
        waited = ~np.isin(np.unique(starts), window_starts(self.log.at[told], calendar))
        return by_window(self.log, calendar, offered=offered.tolist(), learned=np.where(waited, np.nan, known).tolist())

    def _items(self, starts: NDArray[np.datetime64], rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the different items among some of the rows of each tick with requests."""
        ticks, tick = np.unique(starts, return_inverse=True)
        cells = np.unique(tick[rows] * max(len(self.log.catalogue), 1) + self.item[rows])
        return np.bincount(cells // max(len(self.log.catalogue), 1), minlength=len(ticks))


def listed(declared: FeedbackLog, predictions: pa.Table, requests: pa.Table, labels: pa.Table, *, key: str) -> Listed:
    """Return the list that predictions make: of each UTC day's, the highest scores; of those alike, any.

    The order of the rows, of any table, changes nothing.

    Parameters
    ----------
    predictions
        (n, ≥ 3) ``key``, ``predict_at`` and ``score``.
    requests
        (m, ≥ 1 + items) ``key`` and the columns that name the item.
    labels
        (l, ≥ 2) ``key`` and ``label``: null where there will never be one.

    Raises ValueError if a column is missing, or a key is null or stands twice.
    """
    tables = {
        "predictions": (predictions, (key, PREDICT_AT, SCORE)),
        "requests": (requests, (key, *declared.item)),
        "labels": (labels, (key, LABEL)),
    }
    for what, (table, columns) in tables.items():
        require_columns(table, columns, what=what)
        require_unique(table[key], what=what)
    names = _names(predictions[key], requests, key, declared.item)
    named = names.is_valid()
    asked, names = predictions.filter(named), names.filter(named)
    catalogue = pc.unique(names).sort()
    item = pc.index_in(names, value_set=catalogue).to_numpy(zero_copy_only=False).astype(np.intp)
    outcome = _label(asked[key], labels, key)
    score, at = asked[SCORE].cast(pa.float64()).to_numpy(), moments(asked[PREDICT_AT])
    shown, position = _highest(score, at, asked.select([key]), declared.shown_per_day)
    log = ShownLog(
        tuple(catalogue.to_pylist()),
        item[shown],
        at[shown],
        position=position,
        score=score[shown],
        outcome=outcome[shown],
    )
    return Listed(log, item, at, ~np.isnan(outcome), len(predictions) - len(asked))


def _names(wanted: pa.ChunkedArray, requests: pa.Table, key: str, columns: tuple[str, ...]) -> pa.Array:
    """Return (n,) the item of each key; null where the request, or a part of the name, is missing."""
    found = pc.index_in(wanted.combine_chunks(), value_set=requests[key].combine_chunks())
    parts = [requests[name].combine_chunks().take(found).cast(pa.string()) for name in columns]
    return pc.binary_join_element_wise(*parts, BETWEEN) if len(parts) > 1 else parts[0]


def _label(wanted: pa.ChunkedArray, labels: pa.Table, key: str) -> Floats:
    found = pc.index_in(wanted, value_set=labels[key].combine_chunks())
    return np.asarray(labels[LABEL].cast(pa.float64()).take(found).to_numpy())


def _highest(score: Floats, at: NDArray[np.datetime64], keys: pa.Table, shown: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the rows of the highest scores of each day, in order, and their places from 1; NaN scores come last.

    Those alike come in the order of their keys' hashes: a key's own order, as of a carrier's flights, favours some.
    """
    day = day_blocks(at)
    order = np.lexsort((-score, day))
    first, after = (np.searchsorted(day[order], np.arange(day.max(initial=-1) + 1), side) for side in ("left", "right"))
    last = score[order][np.minimum(first + shown, after) - 1]
    able = np.flatnonzero(~(score < last[day]))
    able = able[np.lexsort((row_hashes(keys.take(pa.array(able))), -score[able], day[able]))]
    place = np.arange(len(able)) - np.searchsorted(day[able], day[able])
    top = place < shown
    return able[top], (place[top] + 1).astype(np.float64)
