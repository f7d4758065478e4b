"""Drift: how far a feature table, or scores, are from what they were at training (population stability index)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.features.named_columns import ColumnError, is_category
from mlsys_assets.features.profile import (
    CATEGORY,
    PROFILE_SCHEMA,
    RANGE,
    Categories,
    Ranges,
    Tally,
    read_sorted,
    read_texts,
    rising,
)
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.stability_index import chance_psi, expected_psi, psi

DRIFT_SCHEMA: Final = pa.schema(
    [
        pa.field("column", pa.string(), nullable=False),
        pa.field("psi", pa.float64()),
        pa.field("expected_psi", pa.float64()),
        pa.field("chance_psi", pa.float64()),
        pa.field("missing_share_before", pa.float64(), nullable=False),
        pa.field("missing_share_now", pa.float64()),
        pa.field("mean_shift", pa.float64()),
        pa.field("rows", pa.int64(), nullable=False),
    ]
)
"""One row for each column. Without rows now, there is nothing to compare, and what compares is null."""
DRIFT_MEANS: Final = {
    "column": "the feature",
    "psi": "population stability index of now against the training rows; 0.25 and more is a large change",
    "expected_psi": "what chance alone gives in the mean",
    "chance_psi": "what chance exceeds once in a thousand times",
    "missing_share_before": "share of missing values in training",
    "missing_share_now": "share of missing values now",
    "mean_shift": "how far the mean moved, in standard deviations of training",
    "rows": "rows there are now",
}


def drift(profile: pa.Table, table: pa.Table) -> pa.Table:
    """Return how far each column is from its profile, as ``DRIFT_SCHEMA`` says, in the order of the table's columns.

    The order of the rows, of either, changes nothing. Columns that only one of them has are left out: ``unmatched``
    names them.

    Parameters
    ----------
    profile
        As ``profile`` made it of the training rows.
    table
        (n, d) the columns now.

    Raises ValueError if a column is no longer of the kind it was.
    """
    before = dict(_columns(profile))
    rows = [_row(name, *before[name], table[name]) for name in table.schema.names if name in before]
    return pa.Table.from_pylist(rows, schema=DRIFT_SCHEMA)


def unmatched(profile: pa.Table, table: pa.Table) -> tuple[list[str], list[str]]:
    """Return the table's columns that were not there at training, and those of then that are gone, sorted."""
    then, now = set(profile["column"].unique().to_pylist()), set(table.schema.names)
    return sorted(now - then), sorted(then - now)


def beyond_chance(shifts: pa.Table) -> dict[str, float]:
    """Return each column's index by name, 0 where chance alone gives as much in so few rows."""
    return {row["column"]: row["psi"] if row["psi"] > row["chance_psi"] else 0.0 for row in shifts.to_pylist()}


def psi_of_scores(before: Floats, now: Floats) -> float:
    """Return the PSI of (n,) scores now against (m,) before, in bins at the deciles before.

    Raises ValueError if there are none on a side, or one is not finite.
    """
    for what, scores in (("before", before), ("now", now)):
        if len(scores) == 0 or not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise ValueError(f"{len(scores)} scores {what}, {bad} of them not finite; at least one, all finite, needed")
    first = rising(before)
    bins = Ranges.of(first)
    return psi(bins.tally(first).counts, bins.tally(rising(now)).counts)


def _row(name: str, bins: Ranges | Categories, before: Tally, column: pa.ChunkedArray) -> dict[str, object]:
    now = _tally(name, bins, column)
    said = {
        "psi": psi(before.counts, now.counts),
        **_by_chance(before, now),
        "missing_share_now": now.missing_share,
        "mean_shift": _mean_shift(before, now),
    }
    told = {what: number if np.isfinite(number) else None for what, number in said.items()}
    return {"column": name, "missing_share_before": before.missing_share, "rows": now.rows, **told}


def _tally(name: str, bins: Ranges | Categories, column: pa.ChunkedArray) -> Tally:
    if isinstance(bins, Categories):
        return bins.tally(read_texts(column, name))
    if is_category(column.type):
        raise ColumnError(f"column {name!r} holds text, and was a number at training; was its type changed?")
    return bins.tally(read_sorted(column, name))


def _by_chance(before: Tally, now: Tally) -> dict[str, float]:
    if not now.rows:
        return {}
    used = int((before.counts + now.counts > 0).sum())
    return {f.__name__: f(used, before.rows, now.rows) for f in (expected_psi, chance_psi)}


def _mean_shift(before: Tally, now: Tally) -> float:
    """Return the standardised mean difference, by the root of the mean of both variances (Austin 2009).

    NaN where a side has no numbers, or where the means differ and nothing varies.
    """
    difference, spread = now.mean - before.mean, np.sqrt((before.sd**2 + now.sd**2) / 2)
    if spread == 0:
        return 0.0 if difference == 0 else float(np.nan)
    return float(difference / spread)


def _columns(profile: pa.Table) -> Iterator[tuple[str, tuple[Ranges | Categories, Tally]]]:
    """Yield each column of a profile with its bins and what was counted."""
    ordered = profile.select(PROFILE_SCHEMA.names).sort_by([("column", "ascending"), ("bin", "ascending")])
    grouped: dict[str, list[dict[str, object]]] = {}
    for row in ordered.to_pylist():
        grouped.setdefault(row["column"], []).append(row)
    for name, rows in grouped.items():
        yield name, (_bins(rows), _counted(rows))


def _bins(rows: list[dict[str, object]]) -> Ranges | Categories:
    if rows[0]["kind"] == RANGE:
        return Ranges(np.array([row["upper"] for row in rows if row["upper"] is not None], dtype=np.float64))
    return Categories(tuple(str(row["category"]) for row in rows if row["kind"] == CATEGORY))


def _counted(rows: list[dict[str, object]]) -> Tally:
    counts = np.array([row["count"] for row in rows], dtype=np.float64)
    mean, sd = (np.nan if rows[0][what] is None else rows[0][what] for what in ("mean", "sd"))
    return Tally(counts, mean, sd)  # type: ignore[arg-type]  # a profile holds numbers there
