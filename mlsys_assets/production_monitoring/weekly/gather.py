"""Gathering a week's facts from the tables of the lake, as they were known at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.features.named_columns import ColumnError, is_category
from mlsys_assets.features.profile import CATEGORY, MISSING, OTHER, RANGE, Categories, Ranges, read_sorted, read_texts
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.production_monitoring.drift.profile_drift import beyond_chance
from mlsys_assets.production_monitoring.performance import MEAN_COST
from mlsys_assets.production_monitoring.revisions import AS_OF, PREDICTED, latest
from mlsys_assets.production_monitoring.weekly.facts import (
    AlertLine,
    Bin,
    Forecast,
    ModelWeek,
    Moved,
    PredictedShare,
    WeeklyFacts,
    Wording,
)
from mlsys_assets.tables import MODEL, PREDICT_AT, SCORE, TICK
from mlsys_assets.types import Calendar, TimeWindow

WEEKS: Final = 26
"""Weeks of performance on a page."""
YEAR: Final = 53
"""Weeks of diagnoses on a page."""
MOST_MOVED: Final = 4
"""Columns on a page."""
MOST_ALERTS: Final = 20
"""Alerts on a page, the latest."""


@dataclass(frozen=True, eq=False)
class WeeklyTables:
    """The tables that a weekly page is made of; None for what a system does not have.

    Parameters
    ----------
    calendar
        Whose ticks the weeks are.
    performance
        Every revision, as of ``revised_schema``.
    predictions
        (n, ≥ 2) ``predict_at`` and ``score`` of the champion, of the weeks that are shown.
    drift
        As of ``DRIFT_SCHEMA``: of this week.
    profile
        The training profile that it was compared with.
    features
        (m, d) the week's feature rows.
    """

    calendar: Calendar
    performance: pa.Table | None = None
    predictions: pa.Table | None = None
    drift: pa.Table | None = None
    profile: pa.Table | None = None
    features: pa.Table | None = None


def weekly_facts(  # noqa: PLR0913 - what is known of a week comes from many places
    wording: Wording,
    week: TimeWindow,
    tables: WeeklyTables,
    *,
    as_of: datetime,
    diagnoses: Sequence[Diagnosis] = (),
    forecasts: Sequence[Forecast] = (),
    alerts: Sequence[tuple[datetime, str, str, str, str]] = (),
    champion: str = "",
    planned: Sequence[str] = (),
) -> WeeklyFacts:
    """Return the facts of a week as they were known: what came to be known later is left out.

    Parameters
    ----------
    as_of
        Revisions of performance after it, and weeks after this one, are left out.
    alerts
        (opened, severity, owner, title, state) as of then.
    """
    rows = [] if tables.performance is None else latest(_known(tables.performance, as_of))
    rows = [row for row in rows if row[PREDICTED] <= week.start]
    shown = set(sorted({row[PREDICTED] for row in rows})[-WEEKS:])
    lines = sorted((AlertLine.of(told) for told in alerts), key=lambda line: line.opened)
    return WeeklyFacts(
        wording=wording,
        week=week,
        as_of=as_of,
        diagnoses=tuple(_until(diagnoses, week)[-YEAR:]),
        performance=tuple(_model_week(row, wording) for row in rows if row[PREDICTED] in shown),
        predicted=tuple(one for one in _predicted(tables) if one.week <= week.start)[-WEEKS:],
        forecasts=tuple(sorted((f for f in forecasts if f.week <= week.start), key=lambda f: f.week)[-WEEKS:]),
        compared=0 if tables.drift is None else len(tables.drift),
        moved=tuple(_moved(tables)),
        alerts=tuple(line for line in lines if line.opened <= as_of)[-MOST_ALERTS:],
        champion=champion,
        planned=tuple(planned),
    )


def _known(performance: pa.Table, as_of: datetime) -> pa.Table:
    kind = performance.schema.field(AS_OF).type
    return performance.filter(pc.less_equal(performance[AS_OF], pa.scalar(as_of, kind)))


def _until(diagnoses: Sequence[Diagnosis], week: TimeWindow) -> list[Diagnosis]:
    told = (one for one in diagnoses if one.window.start <= week.start)
    return sorted(told, key=lambda one: one.window.start)


def _model_week(row: dict[str, Any], wording: Wording) -> ModelWeek:
    return ModelWeek(
        week=row[PREDICTED],
        model=row[MODEL],
        requests=row["requests"],
        labelled=row["labelled"],
        never=row["never"],
        positives=row["positives"],
        metric=row.get(wording.metric),
        cost=row[MEAN_COST],
        as_of=row[AS_OF],
    )


def _predicted(tables: WeeklyTables) -> list[PredictedShare]:
    if tables.predictions is None or not len(tables.predictions):
        return []
    made = with_tick(tables.predictions.select([PREDICT_AT, SCORE]), tables.calendar, PREDICT_AT)
    means = (
        made.sort_by([(TICK, "ascending"), (SCORE, "ascending")])
        .group_by(TICK, use_threads=False)
        .aggregate([(SCORE, "mean")])
    )
    told = means.sort_by([(TICK, "ascending")]).to_pylist()
    return [PredictedShare(row[TICK], row[f"{SCORE}_mean"]) for row in told]


def _moved(tables: WeeklyTables) -> list[Moved]:
    """Return the columns that moved most beyond chance, the most moved first, with their bins then and now."""
    if tables.drift is None or tables.profile is None or tables.features is None:
        return []
    told = {row["column"]: row for row in tables.drift.to_pylist() if row["psi"] is not None}
    sizes = beyond_chance(tables.drift.filter(pc.is_valid(tables.drift["psi"])))
    there = [name for name in told if name in tables.features.column_names and sizes[name] >= MODERATE]
    most = sorted(there, key=lambda name: (-sizes[name], name))[:MOST_MOVED]
    found = (_one_moved(told[name], tables.profile, tables.features[name]) for name in most)
    return [one for one in found if one is not None]


def _one_moved(row: dict[str, Any], profile: pa.Table, column: pa.ChunkedArray) -> Moved | None:
    """Return a column with its bins; None if it is no longer of the kind that they are of."""
    name = row["column"]
    bins = profile.filter(pc.equal(profile["column"], name)).sort_by([("bin", "ascending")]).to_pylist()
    try:
        now, then = _counts(name, bins, column), np.array([one["count"] for one in bins], dtype=np.float64)
    except (ColumnError, IndexError):
        return None
    shares = zip(bins, then / max(then.sum(), 1.0), now / max(now.sum(), 1.0), strict=True)
    return Moved(
        column=name,
        psi=row["psi"],
        mean_shift=None if is_category(column.type) else row["mean_shift"],
        missing_then=row["missing_share_before"],
        missing_now=row["missing_share_now"],
        bins=tuple(Bin(_bin_name(one), float(before), float(after)) for one, before, after in shares),
        numeric=bins[0]["kind"] == RANGE,
    )


def _counts(name: str, bins: list[dict[str, Any]], column: pa.ChunkedArray) -> Floats:
    if bins[0]["kind"] == RANGE:
        edges = np.array([one["upper"] for one in bins if one["upper"] is not None], dtype=np.float64)
        return Ranges(edges).tally(read_sorted(column, name)).counts
    kept = Categories(tuple(str(one["category"]) for one in bins if one["kind"] == CATEGORY))
    return kept.tally(read_texts(column, name)).counts


def _bin_name(one: dict[str, Any]) -> str:
    if one["kind"] in {MISSING, OTHER}:
        return {MISSING: "missing", OTHER: "all others"}[one["kind"]]
    if one["kind"] == CATEGORY:
        return str(one["category"])
    low, high = one["lower"], one["upper"]
    if low is None and high is None:
        return "any number"
    if high is None:
        return f"above {low:.4g}".replace("-", "−")
    first, last = "" if low is None else f"{low:.4g}", f"{high:.4g}"
    return (last if first == last else f"{first} to {last}").strip().replace("-", "−")
