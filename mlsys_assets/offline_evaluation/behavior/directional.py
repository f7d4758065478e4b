"""Directional expectation tests: which way a score must not move when a column is raised (Ribeiro et al. 2020)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.mistakes import misnamed, none_of, not_long, not_one, out_of_range
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import (
    LEAST_PROBED,
    BehaviorResult,
    Probe,
    insufficient,
    judged,
    unknown_columns,
    with_column,
)
from mlsys_assets.offline_evaluation.behavior.edge_cases import Between
from mlsys_assets.offline_evaluation.behavior.perturbation import MEASURED
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale
from mlsys_assets.offline_evaluation.verdict import Verdict
from mlsys_assets.types import Scalar

MOST_VIOLATIONS: Final = 0.05
"""The share of rows whose score may go the wrong way: trees are fitted to chance too."""


@dataclass(frozen=True)
class Directional:
    """Raising a column must not move the score the wrong way, in more than a few rows.

    Parameters
    ----------
    column
        A feature column with numbers; rows without one are left out.
    direction
        1: raising it must not lower the score; -1: must not raise it.
    by
        How far it is raised: a number in its unit, or ``"measured"``, its noise by ``noise_scale``.
    where
        By column, in which rows: those whose number lies between.
    at_most
        The share of rows whose score may go the wrong way.
    readings
        What makes rows share a reading, for what is measured.
    called
        What the check is called; by its column, if left out.
    """

    column: str
    direction: Literal[1, -1]
    by: Literal["measured"] | float = "measured"
    where: Mapping[str, Between] = field(default_factory=dict)
    at_most: float = MOST_VIOLATIONS
    readings: Readings = field(default_factory=Readings)
    called: str = ""

    @property
    def name(self) -> str:
        """What the check is called."""
        return self.called or f"{'rises' if self.direction > 0 else 'falls'}_with_{self.column}"

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        what = f"the direction of {self.column!r}"
        where = self.where if isinstance(self.where, Mapping) else {}
        found = [
            *not_one(f"{what}: where", self.where, Mapping),
            *unknown_columns(what, [self.column, *where], columns),
            *none_of(f"{what}: direction", self.direction, (1, -1)),
            *([] if self.by == MEASURED else out_of_range(f"{what}: by", self.by, above=0)),
            *out_of_range(f"{what}: at_most", self.at_most, least=0, most=1),
            *not_one(f"{what}: readings", self.readings, Readings),
        ]
        for name, bounds in where.items():
            found += not_one(f"{what}: where {name!r}", bounds, Between) or bounds.mistakes(f"{what}: where {name!r}")
        if isinstance(self.readings, Readings) and self.by == MEASURED:
            found += unknown_columns(f"{what}: readings", [self.readings.by] if self.readings.by else [], columns)
            found += not_long(f"{what}: readings every", self.readings.every)
        return found or misnamed(what, self.name)

    def run(self, probe: Probe) -> BehaviorResult:
        """Return in what share of rows the score goes the wrong way, and by how much."""
        chosen = self._chosen(probe.rows.features)
        n = int(chosen.sum())
        if n < LEAST_PROBED:
            return insufficient(self.name, n, what=f"rows with {self.column} where it is asked for")
        by = noise_scale(probe.view, self.column, self.readings) if self.by == MEASURED else float(self.by)
        if np.isnan(by):
            told = f"insufficient data: too few consecutive readings of {self.column} to measure its noise"
            return BehaviorResult(self.name, Verdict.INSUFFICIENT_DATA, told, {"rows": n})
        rows = probe.rows.features.filter(pa.array(chosen))
        raised = read_numbers(rows, [self.column])[0].astype(np.float64) + by
        moved = (probe.score(with_column(rows, self.column, raised)) - probe.base[chosen]) * self.direction
        wrong = -moved[moved < 0]
        share, mean = len(wrong) / n, float(wrong.mean()) if len(wrong) else 0.0
        largest = float(wrong.max(initial=0.0))
        word = "lowers" if self.direction > 0 else "raises"
        told = (
            f"raising {self.column} by {by:.3g} {word} {share:.1%} of {n:,} scores ({self.at_most:.1%} allowed), by "
            f"{mean:.4f} on average and {largest:.4f} at most"
        )
        evidence: dict[str, Scalar] = {
            "rows": n, "raised by": by, "violations": len(wrong), "share": share, "allowed": self.at_most,
            "mean violation": mean, "largest violation": largest, "mean move": float((moved * self.direction).mean()),
        }  # fmt: skip
        advice = "" if share <= self.at_most else f"; declare it monotone, or look at what stands for {self.column}"
        return BehaviorResult(self.name, judged(share <= self.at_most), told + advice, evidence)

    def _chosen(self, rows: pa.Table) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = np.isfinite(read_numbers(rows, [self.column])[0])
        for name, bounds in self.where.items():
            value = read_numbers(rows, [name])[0]
            chosen = chosen & (value >= bounds.low) & (value <= bounds.high)
        return chosen
