"""A tick's requests by how odd they are and how much was lost on them: ordinary, hard, outliers, edge cases."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.production_monitoring.edge_cases import Isolation, Quadrant, Quadrants, high_loss, quadrants
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

EDGE_CASES: Final = "edge cases"
"""In the evidence of a diagnosis: how many requests lie in each quadrant."""


@dataclass(frozen=True, eq=False)
class Ordinary:
    """What is ordinary of a champion: learned once from the rows that it is held against.

    Parameters
    ----------
    isolation
        Of their features; None if too few rows tell.
    failed
        The loss above which a request counts as failed; NaN if too few rows tell.
    """

    isolation: Isolation | None
    failed: float

    @classmethod
    def of(cls, held_out: ScoredRows, *, seed: int) -> "Ordinary":
        """Return what held-out rows teach; ``seed`` is of the forest."""
        losses = log_losses(held_out.label, held_out.score)
        return cls(Isolation.of(held_out.features, seed=seed), high_loss(losses))


@dataclass(frozen=True, eq=False)
class OddRequests:
    """A tick's quadrants."""

    found: Quadrants

    @classmethod
    def of(cls, ordinary: Ordinary, rows: ScoredRows, ids: pa.Array) -> "OddRequests":
        """Return the quadrants of (n) requests, by (n,) identifiers."""
        losses = log_losses(rows.label, rows.score)
        return cls(quadrants(ordinary.isolation, rows.features, losses, ids=ids, failed=ordinary.failed))

    @property
    def evidence(self) -> dict[str, Any]:
        """What the ledger keeps: counts, or why there are none."""
        if self.found.reason:
            return {EDGE_CASES: {"untold": self.found.reason}}
        return {EDGE_CASES: {one.value: self.found.counts[one] for one in Quadrant}}

    @property
    def table(self) -> list[tuple[str, int, str]]:
        """Each quadrant, how many requests lie in it, and some of them; nothing where there are none."""
        if self.found.reason:
            return []
        return [(one.value, self.found.counts[one], ", ".join(self.found.examples[one])) for one in Quadrant]
