"""A week of a small system beside its reference times, as a diagnosis looks at them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
from simulated import World

from mlsys_assets import LogisticRegression
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

WEEK = TimeWindow.of("2013-04-19", "2013-04-26")
ROWS = 4_000
COSTS = CostMatrix(false_positive=1.0, false_negative=4.0)
LEARNER = LogisticRegression()


def in_order(rows: ScoredRows) -> ScoredRows:
    return rows.take(np.argsort(rows.at, kind="stable"))


def week(n: int = ROWS, *, seed: int = 3, **changed: object) -> ScoredRows:
    """A week's rows of 30 columns; ``changed`` as ``World`` says."""
    return in_order(World(columns=29, days=7, first_day=49, **changed).rows(n, seed=seed))  # type: ignore[arg-type]


@cache
def before() -> ScoredRows:
    """The four weeks before."""
    return in_order(World(columns=29, days=28, first_day=21).rows(10_000, seed=2))


@cache
def held_out() -> ScoredRows:
    """Rows that the champion was chosen on."""
    return in_order(World(columns=29, days=21).rows(10_000, seed=8))


def unlabelled(rows: ScoredRows) -> ScoredRows:
    """The rows before their labels come."""
    return replace(rows, label=np.full(len(rows), np.nan))


def with_column(rows: pa.Table, name: str, values: object) -> pa.Table:
    """The table with another column in the place of one, or a new one."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    place = rows.schema.get_field_index(name)
    return rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column)


def seen(rows: ScoredRows, **known: object) -> Seen:
    """The week as it is seen; ``known`` as ``Seen`` says."""
    usually: dict[str, object] = {
        "raw": {},
        "features": TablePair(before().features, rows.features),
        "predicted": rows,
        "ids": pa.array([f"r{i}" for i in range(len(rows))], pa.string()),
        "held_out": held_out(),
        "recent": before(),
        "costs": COSTS,
    }
    return Seen(WEEK, **(usually | known))  # type: ignore[arg-type]


def diagnosing(rows: ScoredRows, *, asked: Monitoring | None = None, **known: object) -> Diagnosing:
    """The diagnosis of the week in the making."""
    return Diagnosing(seen(rows, **known), asked or Monitoring(together=None), LEARNER)


def told(rows: ScoredRows, *, asked: Monitoring | None = None, **known: object) -> Diagnosis:
    """The diagnosis of the week."""
    return diagnosing(rows, asked=asked, **known).diagnosis()
