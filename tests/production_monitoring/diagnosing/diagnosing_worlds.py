"""Weeks of rows as a diagnosis sees them."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

WEEK = TimeWindow.of("2013-03-04", "2013-03-11")
MONTH = TimeWindow.of("2013-02-04", "2013-03-04")


def moments(window: TimeWindow, rows: int) -> np.ndarray:
    """Return so many moments, evenly over a window."""
    start, end = (np.datetime64(at.replace(tzinfo=None), "us") for at in (window.start, window.end))
    return start + (end - start) * np.arange(rows) // rows


def normal(seed: int, rows: int, *, correlated: float = 0.0, columns: int = 6) -> pa.Table:
    """Return standard normal columns, each with every other correlated alike."""
    rng = np.random.default_rng(seed)
    own, common = rng.normal(size=(columns, rows)), rng.normal(size=rows)
    mixed = np.sqrt(1 - correlated) * own + np.sqrt(correlated) * common
    return pa.table({f"x{j}": mixed[j] for j in range(columns)})


def pair(before: pa.Table, now: pa.Table, **more: object) -> TablePair:
    """Return two sides with the times of their rows."""
    times = {"before_at": (moments(MONTH, len(before)),), "now_at": moments(WEEK, len(now))}
    return TablePair(before, now, **times | more)


def scored(features: pa.Table, window: TimeWindow, *, seed: int = 0) -> ScoredRows:
    """Return features with scores from 5% to 95%, and labels as likely as these say."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.05, 0.95, len(features))
    return ScoredRows(
        moments(window, len(features)), features, score, (rng.random(len(features)) < score).astype(float)
    )


def seen(features: TablePair, **more: object) -> Seen:
    """Return a week of which nothing but its features, and what is given, is known."""
    rows = more.pop("predicted", scored(features.now.slice(0, 0), WEEK))
    ids = pa.array([f"r{i}" for i in range(len(rows))], pa.string())
    return Seen(WEEK, more.pop("raw", {}), features, rows, ids, **more)
