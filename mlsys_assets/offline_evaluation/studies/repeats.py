"""A recipe fitted with several seeds: its metric, with the chance of the days and of the seeds in one interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import (
    Estimate,
    Support,
    bootstrap,
    day_blocks,
    estimate,
    require_rows,
    spread,
)
from mlsys_assets.measures.metrics import Brier, Floats, Metric, Weights, value


@dataclass(frozen=True, eq=False)
class TestRows:
    """What several models are measured on alike: the same rows, the same draws of days.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    weights
        How often each row counts in each draw.
    seed
        Of the draws of seeds.
    support
        What must be there before a number is believed.
    """

    __test__ = False  # not a pytest class

    label: Floats
    weights: Weights
    seed: int = 0
    support: Support = Support()

    @classmethod
    def of(
        cls, label: Floats, at: NDArray[np.datetime64], *, seed: int = 0, support: Support | None = None
    ) -> "TestRows":
        """Return the rows, drawn by the UTC days of their (n,) prediction times."""
        if len(label) != len(at):
            raise ValueError(f"there are {len(label)} labels and {len(at)} prediction times; give one of each a row")
        asked = support or Support()
        return cls(label, bootstrap(day_blocks(at, length=asked.block), seed=seed), seed, asked)

    def measure(self, metric: Metric, scores: Sequence[Floats]) -> "Repeats":
        """Return the metric of the (n,) scores of each seed; raises ValueError for scores that are no probabilities."""
        if not scores:
            raise ValueError("there are no scores to measure; give those of one seed or more")
        for score in scores:
            require_rows(self.label, score, what="a model")
        try:
            values = np.array([value(metric, self.label, score) for score in scores])
            by_seed = np.array([metric.draws(self.label, score, self.weights) for score in scores])
        except Exception as error:  # noqa: BLE001 - a metric may be anybody's: it is named, and others still come
            note = f"{metric.name}: {type(error).__name__}: {error}"
            untold = Estimate.untold(self.label, len(np.unique(self.weights.block)), note=note)
            return Repeats(metric, np.full(len(scores), np.nan), np.full(len(self.weights.counts), np.nan), untold)
        # How much it rests on is the same for every metric: the one that costs least is asked.
        like = estimate(Brier(), self.label, scores[0], weights=self.weights, support=self.support)
        return Repeats(metric, values, self._drawn(values, by_seed), like)

    def _drawn(self, values: Floats, by_seed: Floats) -> Floats:
        """Return (b,) the mean over seeds drawn with replacement, the same seeds in each draw for every model.

        A mean of k seeds that were drawn from k varies (k - 1) / k as much as one of new seeds: made up for here.
        """
        seeds, draws = by_seed.shape
        if seeds == 1:
            only: Floats = by_seed[0]
            return only
        chosen = np.random.default_rng(self.seed).integers(seeds, size=(draws, seeds))
        picked = by_seed.T[np.arange(draws)[:, None], chosen].mean(axis=1)
        middle = by_seed.mean(axis=0)
        wide: Floats = middle + (picked - middle) * np.sqrt(seeds / (seeds - 1))
        return wide


@dataclass(frozen=True, eq=False)
class Repeats:
    """A metric of one recipe over its seeds.

    Parameters
    ----------
    metric
        What was measured.
    values
        (k,) each seed's.
    drawn
        (b,) the mean over seeds in each draw of days and seeds.
    like
        An estimate on the same rows: how much it all rests on.
    """

    metric: Metric
    values: Floats
    drawn: Floats
    like: Estimate

    @property
    def estimate(self) -> Estimate:
        """The mean over seeds with its interval."""
        return spread(float(self.values.mean()), self.drawn, like=self.like)

    @property
    def spread(self) -> float:
        """The standard deviation over seeds; NaN of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")

    def gain_over(self, other: "Repeats") -> Estimate:
        """Return by how much it is better, in the metric's unit, paired: the same days and seeds in each draw."""
        sign = 1.0 if self.metric.higher_is_better else -1.0
        whole = sign * float(self.values.mean() - other.values.mean())
        return spread(whole, self.gain_drawn(other), like=self.like)

    def gain_drawn(self, other: "Repeats") -> Floats:
        """Return (b,) by how much it is better in each draw."""
        if self.metric != other.metric or self.drawn.shape != other.drawn.shape:
            raise ValueError("gains are told between measurements of one metric on the same rows and draws")
        drawn: Floats = (self.drawn - other.drawn) * (1.0 if self.metric.higher_is_better else -1.0)
        return drawn
