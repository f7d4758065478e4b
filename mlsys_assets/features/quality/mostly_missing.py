"""Columns that are missing in most rows: to be dropped, or kept as whether there is a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.types import Finding, Scalar, Severity

MOST_MISSING: Final = 0.5
"""From this share of missing values on, a column is one to drop, or to keep as an indicator."""
NAMED: Final = 5
FINDING: Final = "columns_are_mostly_there"


@dataclass(frozen=True)
class MostlyMissing:
    """The columns that have no value in most rows, with the share that is missing, the most first."""

    columns: tuple[tuple[str, float], ...]
    looked_at: int

    @property
    def finding(self) -> Finding:
        """Whether every column is there in most rows."""
        evidence: Mapping[str, Scalar] = {
            "columns": ", ".join(name for name, _ in self.columns),
            "looked_at": self.looked_at,
        }
        if not self.columns:
            told = f"each of {self.looked_at} columns is missing in less than {MOST_MISSING:.0%} of the rows"
            return Finding(FINDING, True, told, Severity.WARN, evidence)
        named = ", ".join(f"{name} in {share:.0%}" for name, share in self.columns[:NAMED])
        more = f" and {len(self.columns) - NAMED} more" if len(self.columns) > NAMED else ""
        advice = "drop it, or keep its indicator: that it was measured at all may be what tells"
        return Finding(FINDING, False, f"missing in most rows: {named}{more}; {advice}", Severity.WARN, evidence)

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each column."""
        return [{"column": name, "missing": share} for name, share in self.columns]

    def thumbnail(self) -> str:
        """Return the shares as Markdown that is seen at once."""
        return thumbnails.bars(dict(self.columns), title="share of rows without a value")

    def plot(self) -> str:
        """Draw the shares."""
        return bars(dict(self.columns), title="share of rows without a value", marks={"most rows": MOST_MISSING})


def mostly_missing(features: pa.Table) -> MostlyMissing:
    """Return the columns to drop, or to keep as indicators; those without any value are others' concern."""
    n = max(features.num_rows, 1)
    counts = {name: int(np.asarray(features[name].is_null(nan_is_null=True)).sum()) for name in features.schema.names}
    over = [(name, count / n) for name, count in counts.items() if MOST_MISSING <= count / n < 1]
    return MostlyMissing(tuple(sorted(over, key=lambda one: -one[1])), len(counts))
