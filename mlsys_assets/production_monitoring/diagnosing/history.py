"""How far features lay from the time before them, tick by tick: what is usual of a system is told by its past."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.columns import Distances

RECENT_DRIFT: Final = "recent_drift"
"""The table of how far each feature of a tick lies from the reference times before it."""

NUMBERS: Final = ("psi", "ks", "wasserstein_normed", "jensen_shannon", "mean_shift")
RECENT_DRIFT_SCHEMA: Final = pa.schema(
    [
        pa.field("column", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in NUMBERS),
        pa.field("rows_before", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("untold", pa.string(), nullable=False),
    ]
)
RECENT_DRIFT_MEANS: Final = {
    "column": "the feature",
    "psi": "population stability index of the tick against the reference times before it",
    "ks": "largest distance of both distribution functions (Kolmogorov-Smirnov)",
    "wasserstein_normed": "Wasserstein distance in standard deviations before",
    "jensen_shannon": "Jensen-Shannon distance, 0 to 1",
    "mean_shift": "how far the mean moved, in standard deviations",
    "rows_before": "rows of the reference times",
    "rows": "rows of the tick",
    "untold": "why the feature could not be compared, if so",
}


def recent_rows(distances: Mapping[str, Distances]) -> pa.Table:
    """Return distances as rows of ``RECENT_DRIFT_SCHEMA``, in their order; what cannot be told is null."""
    rows = [
        {
            "column": name,
            **{what: found if np.isfinite(found := getattr(one, what)) else None for what in NUMBERS},
            "rows_before": one.before.rows,
            "rows": one.now.rows,
            "untold": one.untold,
        }
        for name, one in distances.items()
    ]
    return pa.Table.from_pylist(rows, schema=RECENT_DRIFT_SCHEMA)


def past_of(rows: pa.Table) -> dict[str, Floats]:
    """Return by column the (k,) stability indices of k ticks, the oldest first, NaN where there is none.

    Parameters
    ----------
    rows
        (n, 3) ``tick``, ``column`` and ``psi``.
    """
    ticks = sorted(set(rows["tick"].to_pylist()))
    place, found = {tick: i for i, tick in enumerate(ticks)}, dict[str, Floats]()
    for row in rows.to_pylist():
        series = found.setdefault(row["column"], np.full(len(ticks), np.nan))
        series[place[row["tick"]]] = np.nan if row["psi"] is None else row["psi"]
    return found
