"""What moved the share of positives from day to day on the reference, where labels tell: the features or itself."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, spread
from mlsys_assets.measures.metrics import Floats, divide
from mlsys_assets.models.calibration import Platt
from mlsys_assets.models.candidate import FitError
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

DRAWS: Final = 400
BEYOND_CHANCE: Final = 0.001
"""How often chance alone may move the mean scores of days as much."""


@dataclass(frozen=True)
class DayShares:
    """How a day's share of positives followed its mean calibrated score.

    Parameters
    ----------
    slope
        Of a day's share on its mean score. It is 1 where features move the share: what is foretold comes.
    alone
        What it is where the share moves by itself: scores tell a part of it only, so that more comes than is foretold.
    p_value
        How likely mean scores differ as much from day to day by the chance of their rows.
    """

    slope: Estimate
    alone: float
    p_value: float

    @classmethod
    def of(cls, reference: ReferenceScores, *, seed: int) -> "DayShares":
        """Return what the days of a fit reference tell."""
        from scipy.special import chdtrc

        try:
            p = Platt().fit(reference.label, reference.score).apply(reference.score)
        except FitError:
            return cls(Estimate(np.nan, np.nan, np.nan, 0, 0, 0, sufficient=False), np.nan, 1.0)
        block, positive = day_blocks(reference.at), reference.label > 0
        rows = np.bincount(block).astype(np.float64)
        mean, share = (np.bincount(block, weights=w) / rows for w in (p, reference.label))
        apart = float(p[positive].mean() - p[~positive].mean())
        chance = float((rows * (mean - p.mean()) ** 2).sum() / max(p.var(), np.finfo(float).tiny))
        like = Estimate(np.nan, np.nan, np.nan, len(p), int(positive.sum()), len(rows))
        weights = bootstrap(np.arange(len(rows)), seed=seed, draws=DRAWS)
        drawn = _slope(np.vstack([np.ones(len(rows)), weights.counts]) * rows, mean, share)
        alone = 1 / apart if apart > 0 else np.nan
        return cls(spread(float(drawn[0]), drawn[1:], like=like), alone, float(chdtrc(len(rows) - 1, chance)))

    @property
    def objection(self) -> str:
        """What speaks against a share that moves by itself: days on which the features moved it; "" if nothing does."""
        if not (self.p_value < BEYOND_CHANCE and self.slope.sufficient):
            return ""
        if not self.slope.high < (1 + self.alone) / 2:
            return ""
        return (
            f"on the reference the features moved the share from day to day: it followed the scores by {self.slope} "
            f"(1 if features move it, {self.alone:.1f} if it moves by itself)"
        )


def _slope(weight: Floats, x: Floats, y: Floats) -> Floats:
    """Return (b,) slopes of (k,) values on others under (b, k) weights."""
    total = weight.sum(axis=1)
    mean_x, mean_y = weight @ x / total, weight @ y / total
    return divide(weight @ (x * y) - total * mean_x * mean_y, weight @ (x * x) - total * mean_x**2)
