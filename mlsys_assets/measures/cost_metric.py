"""Cost as a metric: what decisions by a model's scores cost, with draws like any other metric."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Floats, Weights
from mlsys_assets.mistakes import not_one, out_of_range


@dataclass(frozen=True)
class ExpectedCost:
    """Mean realised cost of a request, where one acts from a threshold on (Elkan 2001): an estimate of the expected.

    It judges decisions, not ranks: a model with a lower AUC may cost less.

    Parameters
    ----------
    costs
        What each outcome costs.
    threshold
        From which score on one acts; None is that of the costs, which is right for calibrated scores.
    """

    costs: CostMatrix
    threshold: float | None = None
    name: str = "expected_cost"
    higher_is_better: bool = False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        what = f"metric {self.name!r}"
        found = not_one(f"{what}: costs", self.costs, CostMatrix) or self.costs.mistakes()
        return found + ([] if self.threshold is None else out_of_range(f"{what}: threshold", self.threshold))

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) mean costs; NaN in a draw without rows. Raises DeclarationError for costs with mistakes.

        Outcomes are counted, so that the order of the rows changes no bit.
        """
        costs = self.costs
        acted = score >= (costs.threshold if self.threshold is None else self.threshold)
        positive = label > 0
        total = np.zeros(len(weights.counts))
        rows = np.zeros(len(weights.counts))
        for outcome, cost in (
            (acted & ~positive, costs.false_positive),
            (~acted & positive, costs.false_negative),
            (acted & positive, costs.true_positive),
            (~acted & ~positive, costs.true_negative),
        ):
            count = weights.totals(outcome.astype(np.float64))
            total += count * cost
            rows += count
        means: Floats = np.divide(total, rows, out=np.full(len(rows), np.nan), where=rows > 0)
        return means
