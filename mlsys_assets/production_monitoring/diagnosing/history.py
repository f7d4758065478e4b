"""How far features lay from the time before them, tick by tick: what is usual of a system is told by its past."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosing.together import TOGETHER
from mlsys_assets.production_monitoring.drift.columns import Distances
from mlsys_assets.production_monitoring.drift.outcome import Outcome
from mlsys_assets.tables import TICK, TIMESTAMP

RECENT_DRIFT: Final = "recent_drift"
"""The table of how far each feature of a tick lies from the reference times before it."""

ALL: Final = "*"
"""Stands for all columns together, where a column's name would."""
NUMBERS: Final = ("psi", "ks", "wasserstein_normed", "jensen_shannon", "mean_shift")
RECENT_DRIFT_SCHEMA: Final = pa.schema(
    [
        pa.field("column", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in NUMBERS),
        pa.field(TOGETHER, pa.float64()),
        pa.field("rows_before", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("untold", pa.string(), nullable=False),
    ]
)
RECENT_DRIFT_MEANS: Final = {
    "column": f"the feature; {ALL} for all of them together",
    "psi": "population stability index of the tick against the reference times before it",
    "ks": "largest distance of both distribution functions (Kolmogorov-Smirnov)",
    "wasserstein_normed": "Wasserstein distance in standard deviations before",
    "jensen_shannon": "Jensen-Shannon distance, 0 to the root of ln 2 (0.83)",
    "mean_shift": "how far the mean moved, in standard deviations",
    TOGETHER: "maximum mean discrepancy of all columns together, in shares of what rows of a set differ by",
    "rows_before": "rows of the reference times",
    "rows": "rows of the tick",
    "untold": "why the feature could not be compared, if so",
}


def recent_rows(distances: Mapping[str, Distances], together: Outcome | None = None) -> pa.Table:
    """Return distances as rows of ``RECENT_DRIFT_SCHEMA``, in their order; what cannot be told is null.

    Parameters
    ----------
    together
        Of all columns: the last row, if somebody looked.
    """
    rows = [
        {
            "column": name,
            **{what: _known(getattr(one, what)) for what in NUMBERS},
            "rows_before": one.before.rows,
            "rows": one.now.rows,
            "untold": one.untold,
        }
        for name, one in distances.items()
    ]
    if rows and together is not None:
        counts = {name: rows[0][name] for name in ("rows_before", "rows")}
        rows.append({"column": ALL, TOGETHER: _known(together.distance), **counts, "untold": together.untold})
    return pa.Table.from_pylist(rows, schema=RECENT_DRIFT_SCHEMA)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


PAST: Final = pa.schema(
    [
        pa.field(TICK, TIMESTAMP),
        pa.field("column", pa.string()),
        pa.field("psi", pa.float64()),
        pa.field(TOGETHER, pa.float64()),
    ]
)
"""What of the table the past is read from."""


def past_of(rows: pa.Table) -> tuple[dict[str, Floats], Floats]:
    """Return by column the (k,) stability indices of k ticks, the oldest first, and (k,) of all columns together.

    NaN stands where there is none.

    Parameters
    ----------
    rows
        Of the schema ``PAST``, in any order.
    """
    ticks = sorted(set(rows[TICK].to_pylist()))
    place, found = {tick: i for i, tick in enumerate(ticks)}, dict[str, Floats]()
    for row in rows.to_pylist():
        series = found.setdefault(row["column"], np.full(len(ticks), np.nan))
        value = row[TOGETHER] if row["column"] == ALL else row["psi"]
        series[place[row[TICK]]] = np.nan if value is None else value
    together = found.pop(ALL, np.full(len(ticks), np.nan))
    return found, together
