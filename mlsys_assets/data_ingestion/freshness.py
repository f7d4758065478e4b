"""How long after it happened a row became known, and whether that is soon enough for who reads it."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.tables import EVENT_TIME, KNOWN_AT
from mlsys_assets.types import Finding, Severity

FRESH = "sources_are_fresh"
HIGH = 0.95
"""The quantile of the lags by which a source is judged: a few rows may always come late."""
HOUR_US = 3.6e9


@dataclass(frozen=True)
class Lag:
    """How late rows became known, in hours from event_time to known_at; what is known ahead, such as a plan, counts 0.

    Parameters
    ----------
    rows
        How many became known later than they happened.
    of
        All rows, of which the median, the 95th percentile and the longest lag are.
    """

    rows: int
    of: int
    median: float
    p95: float
    longest: float

    @property
    def numbers(self) -> dict[str, int | float]:
        """What the record keeps of it."""
        return {
            "late rows": self.rows,
            "lag median [h]": self.median,
            "lag p95 [h]": self.p95,
            "lag max [h]": self.longest,
        }

    def __str__(self) -> str:
        if not self.rows:
            return "known when it happens, or before"
        return f"known {self.median:.3g} h after it happened (p95 {self.p95:.3g} h, max {self.longest:.3g} h)"


def lag_of(rows: pa.Table) -> Lag | None:
    """Return how late (n,) rows with event_time and known_at became known; None if there are no rows."""
    if not rows.num_rows:
        return None
    waited = pc.subtract(rows[KNOWN_AT].cast(pa.int64()), rows[EVENT_TIME].cast(pa.int64())).to_numpy() / HOUR_US
    waited = np.maximum(waited, 0)
    median, high, longest = np.quantile(waited, [0.5, HIGH, 1])
    return Lag(int((waited > 0).sum()), len(waited), float(median), float(high), float(longest))


def fresh(source: str, lag: Lag | None, shortest: tuple[str, timedelta]) -> Finding:
    """Return whether a source's rows become known within the shortest window in which a feature reads them.

    Those that do not are too old for a lookup when they become known, and a trailing window takes them for recent.

    Parameters
    ----------
    shortest
        The feature's name, and how far back it looks.
    """
    feature, window = shortest
    allowed = window.total_seconds() / 3600
    if lag is None:
        return Finding(FRESH, True, f"{source}: no rows came in", Severity.WARN)
    evidence = {**lag.numbers, "shortest window [h]": allowed, "feature": feature}
    told = f"{source}: {lag}; {feature} looks back {allowed:g} h"
    if lag.p95 <= allowed:
        return Finding(FRESH, True, told, Severity.WARN, evidence)
    told += (
        f", and more than {1 - HIGH:.0%} of the rows become known when they are older than that: see why the source is "
        "late, or declare a longer window"
    )
    return Finding(FRESH, False, told, Severity.WARN, evidence)
