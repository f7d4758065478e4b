"""What is seen of a small system whose shifts are planted: held-out rows, four weeks before the window, the window."""

from dataclasses import replace

import pyarrow as pa

from mlsys_assets import LogisticRegression
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

from ..shift_kind.simulated import STILL, World, moved  # noqa: TID252 - a folder of tests has no name to import it by

__all__ = ["UNTOLD", "making", "moved", "seen"]

WINDOW = TimeWindow.of("2013-04-26", "2013-05-03")
COSTS = CostMatrix(false_positive=1, false_negative=5)
UNTOLD = "nothing before"


def in_order(rows: ScoredRows) -> ScoredRows:
    return rows.take(rows.at.argsort(kind="stable"))


def seen(world: World = STILL, *, rows: int = 10_000, seed: int = 0, **more: object) -> Seen:
    """What is seen of a window of that world, everything before it being still; ``more`` is seen otherwise."""
    held = in_order(STILL.rows(8_000, seed=900 + seed))
    recent = in_order(replace(STILL, days=28, first_day=28).rows(6_000, seed=800 + seed))
    window = in_order(replace(world, days=7, first_day=56).rows(rows, seed=700 + seed))
    ids = pa.array([f"r{i}" for i in range(rows)])
    found = Seen(WINDOW, {}, TablePair(recent.features, window.features), window, ids, held, recent, costs=COSTS)
    return replace(found, **more)  # type: ignore[arg-type]


def making(of: Seen, **asked: object) -> Diagnosing:
    return Diagnosing(of, Monitoring(**{"together": None} | asked), LogisticRegression(), seed=0)  # type: ignore[arg-type]
