"""What a champion's recipe said of rows that it had not learned from: what every later tick is held against."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.data_sampling.rows import moments
from mlsys_assets.ledger import CHALLENGER
from mlsys_assets.production_monitoring.diagnosing.odd_requests import Ordinary
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, LABEL, PREDICT_AT, SCORE, TICK

TEST_SCORES = "test_scores"
MOST_REFERENCE_ROWS = 20_000
"""Rows that a reference has at most; a shift that counts is seen in far fewer."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Requests with what was known of them, what the champion said and, where it is known, what became of them.

    Parameters
    ----------
    ids
        (n,) the requests' keys.
    rows
        (n) rows in order of prediction time.
    """

    ids: pa.Array
    rows: ScoredRows


@lru_cache(maxsize=2)
def held_out(system: MLSystem, lake: Any, operations: Any, as_of: datetime) -> Predicted | None:
    """Return what a champion's recipe said of rows that it had not learned from; None where that was not kept.

    Parameters
    ----------
    lake, operations
        The system's stores.
    as_of
        When the champion was trained.
    """
    chosen = operations.decisions(system.name, CHALLENGER, since=as_of, until=as_of)
    if not chosen or not lake.has(system.name, TEST_SCORES):
        return None
    scores = lake.read(system.name, TEST_SCORES, ticks=[as_of])
    scores = scores.filter(pc.equal(scores["model"], chosen[0].evidence["challenger"]))
    if not len(scores):
        return None
    scores = _sample(scores, seed=system.seed)
    key = system.requests.key
    ticks = sorted(with_tick(scores.select([PREDICT_AT]), system.calendar, PREDICT_AT)[TICK].unique().to_pylist())
    features = lake.read(system.home(FEATURES), FEATURES, columns=system.selected, ticks=ticks)
    return joined(scores, features, scores.select([key, LABEL]), key=key)


@lru_cache(maxsize=2)
def ordinary(system: MLSystem, lake: Any, operations: Any, as_of: datetime) -> Ordinary | None:
    """Return what is ordinary of a champion's held-out rows; None where those were not kept."""
    found = held_out(system, lake, operations, as_of)
    return None if found is None else Ordinary.of(found.rows, seed=system.seed)


def joined(made: pa.Table, features: pa.Table, labels: pa.Table, *, key: str) -> Predicted:
    """Return predictions with the features and the labels of their requests.

    Parameters
    ----------
    made
        (n, ≥ 3) ``key``, ``predict_at`` and ``score``.
    features
        (m, 2 + d) ``key``, ``predict_at`` and features; predictions of requests that are not in it are left out.
    labels
        (k, ≥ 2) ``key`` and ``label``.
    """
    place = pc.index_in(made[key], value_set=features[key].combine_chunks())
    made, place = made.filter(pc.is_valid(place)), place.drop_null()
    order = pc.sort_indices(made.select([PREDICT_AT, key]), [(PREDICT_AT, "ascending"), (key, "ascending")])
    made, place = made.take(order), place.take(order)
    told = pc.index_in(made[key], value_set=labels[key].combine_chunks())
    label = labels[LABEL].cast(pa.float64()).take(told)
    rows = ScoredRows(
        at=moments(made[PREDICT_AT]),
        features=features.take(place).drop_columns([key, PREDICT_AT]),
        score=made[SCORE].to_numpy(),
        label=np.asarray(label.to_numpy(), dtype=np.float64),
    )
    return Predicted(made[key].cast(pa.string()).combine_chunks(), rows)


def _sample(rows: pa.Table, *, seed: int) -> pa.Table:
    """Return at most so many rows as a reference has, drawn once and for all, in their order."""
    if len(rows) <= MOST_REFERENCE_ROWS:
        return rows
    drawn = np.random.default_rng(seed).choice(len(rows), MOST_REFERENCE_ROWS, replace=False)
    return rows.take(pa.array(np.sort(drawn)))
