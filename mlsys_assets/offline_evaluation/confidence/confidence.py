"""Confidence: what a model may leave to others, what is gained by it, and at which price it pays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.costs import LARGEST_COST, CostMatrix
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate, require_rows
from mlsys_assets.measures.metrics import Floats, Weights
from mlsys_assets.mistakes import not_one, out_of_range

Flags = NDArray[np.bool_]

ABOVE_ALL = float(np.nextafter(1.0, 2.0))
"""Where a band ends that leaves every score above the threshold to others."""


@dataclass(frozen=True)
class RiskCoverage:
    """The risk of the requests kept, where the least confident are left to others (El-Yaniv & Wiener 2010).

    Parameters
    ----------
    coverage
        (k,) the shares of requests kept, rising to 1; requests of one confidence are kept or left together.
    risk
        (k,) the mean loss of those kept.
    """

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """The mean risk over all coverages (Geifman et al. 2019): lower where confidence goes with being right."""
        return float(self.risk @ np.diff(self.coverage, prepend=0.0)) if len(self.risk) else float(np.nan)


def risk_coverage(loss: Floats, confidence: Floats) -> RiskCoverage:
    """Return the curve of (n,) losses, such as costs or errors, by (n,) confidences; empty for no requests.

    Raises ValueError for values that are not finite, and for other confidences than losses.

    >>> curve = risk_coverage(np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.7, 0.8]))
    >>> curve.coverage.tolist(), curve.risk.round(2).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.33, 0.5])
    """
    require_rows(loss, confidence, what="losses as labels, confidences as scores", probabilities=False)
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=np.inf) != 0)
    kept = last + 1.0
    return RiskCoverage(kept / max(len(loss), 1), np.cumsum(loss[order])[last] / kept)


@dataclass(frozen=True)
class Band:
    """Scores from ``low`` to below ``high`` are left to others; where the two are equal, none is."""

    low: float
    high: float

    def abstains(self, score: Floats) -> Flags:
        """Return (n,) whether a request is left to others."""
        return (score >= self.low) & (score < self.high)


@dataclass(frozen=True)
class AbstentionReport:
    """What a band does on rows that it was not chosen on.

    Parameters
    ----------
    band
        The scores left to others.
    share
        The share of requests left.
    cost
        The mean cost of a request, the price of those left included.
    saved
        How much less that is than if none were left.
    """

    band: Band
    share: float
    cost: Estimate
    saved: Estimate


@dataclass(frozen=True)
class Abstention:
    """Leaving a request to others, at a price, where deciding would cost more (Chow 1970).

    Parameters
    ----------
    price
        The cost of each request left, in the unit of the costs.
    costs
        What decisions cost.
    """

    price: float
    costs: CostMatrix

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        wrong = not_one("abstention: costs", self.costs, CostMatrix)
        return [
            *out_of_range("abstention: price", self.price, least=-LARGEST_COST, most=LARGEST_COST),
            *(wrong or self.costs.mistakes()),
        ]

    def band(self, label: Floats, score: Floats) -> Band:
        """Return the band around the costs' threshold that would have cost least on (n,) validation rows.

        Its ends do not depend on one another: below the threshold a request is left or not acted on, above it left or
        acted on. Of bands that cost the same the narrowest is taken. Raises ValueError for no rows, and for scores
        outside [0, 1].
        """
        require_scores(label, score)
        threshold = self.costs.threshold
        order = np.argsort(score, kind="stable")
        ranked, gain = score[order], (self.costs.per_row(label, score) - self.price)[order]
        first = int(np.searchsorted(ranked, threshold))  # the first that is acted on
        below = _left(ranked[:first][::-1], gain[:first][::-1])
        above = first + _left(ranked[first:], gain[first:])
        low = float(ranked[first - below]) if below else threshold
        if above == first:
            return Band(low, threshold)
        return Band(low, float(ranked[above]) if above < len(ranked) else ABOVE_ALL)

    def per_row(self, label: Floats, score: Floats, band: Band) -> Floats:
        """Return (n,) what each request costs, the price where it is left to others."""
        return np.where(band.abstains(score), self.price, self.costs.per_row(label, score))

    def expected(self, score: Floats, band: Band) -> float:
        """Return the mean cost of a request that (n,) calibrated scores alone foretell; NaN without requests."""
        left = band.abstains(score)
        if not len(score):
            return float(np.nan)
        decided = self.costs.expected(score[~left]) if not left.all() else 0.0
        return float(left.mean() * self.price + (1 - left.mean()) * decided)

    def report(
        self,
        label: Floats,
        score: Floats,
        at: NDArray[np.datetime64],
        *,
        band: Band,
        seed: int = 0,
        support: Support | None = None,
    ) -> AbstentionReport:
        """Return what the band does on (n,) rows predicted at (n,) times."""
        require_scores(label, score)
        weights = bootstrap(day_blocks(at), seed=seed)
        costs, plain = self.per_row(label, score, band), self.costs.per_row(label, score)
        cost, saved = (estimate(Mean(), label, v, weights=weights, support=support) for v in (costs, plain - costs))
        return AbstentionReport(band, float(band.abstains(score).mean()), cost, saved)


@dataclass(frozen=True)
class Mean:
    """The mean of any value that rows have, handed in the scores' place."""

    name: str = "mean"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) means; NaN in a draw without rows."""
        rows = weights.totals(np.ones(len(score)))
        found: Floats = np.divide(weights.totals(score), rows, out=np.full(len(rows), np.nan), where=rows > 0)
        return found


def require_scores(label: Floats, score: Floats) -> None:
    """Raise ValueError for no rows, for labels and scores that are not as many, and for others than 0, 1 and [0, 1]."""
    if not len(score) or len(label) != len(score):
        raise ValueError(f"one score a label, and at least one, got {len(label)} labels and {len(score)} scores")
    if len(other := label[(label != 0.0) & (label != 1.0)]):
        raise ValueError(f"labels must be 0 or 1, got {other[0]} ({len(other)} such labels)")
    if not ((score >= 0.0) & (score <= 1.0)).all():
        wrong = score[~((score >= 0.0) & (score <= 1.0))]
        raise ValueError(f"scores must lie in [0, 1], got {wrong[0]} ({len(wrong)} such scores)")


def _left(score: Floats, gain: Floats) -> int:
    """Return how many rows, from the first on, are best left to others; rows of one score stay together."""
    ends = np.flatnonzero(np.diff(score, append=np.inf) != 0) + 1
    gained = np.cumsum(gain)
    return int(ends[best]) if len(ends) and gained[ends - 1][best := int(np.argmax(gained[ends - 1]))] > 0 else 0
