"""How many decisions hang on noise: those of rows that lie near the threshold."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.behavior.sensor_noise import robust_spread
from mlsys_assets.types import Finding, Severity

MOST_FLIPS: Final = 0.05
"""The share of decisions that may hang on noise."""


@dataclass(frozen=True)
class Boundary:
    """How many decisions hang on noise.

    Parameters
    ----------
    rows
        How many decisions.
    flips
        The share that differ when the inputs are as noisy as they are measured.
    band
        The robust spread of the scores under that noise.
    within
        The share of rows whose score lies within the band of the threshold.
    """

    rows: int
    flips: float
    band: float
    within: float

    @property
    def finding(self) -> Finding:
        """Whether decisions stand firm."""
        name = "decisions_are_firm"
        if not self.rows:
            return Finding(name, True, "insufficient data: no rows", Severity.WARN, {"rows": 0})
        firm = self.flips <= MOST_FLIPS
        told = (
            f"{self.flips:.1%} of {self.rows:,} decisions differ under the inputs' own noise ({MOST_FLIPS:.0%} "
            f"allowed); it moves scores by {self.band:.4f}, and {self.within:.1%} lie so near to the threshold"
        )
        advice = "" if firm else ": what lies that near may be left to a person"
        evidence = {"rows": self.rows, "flips": self.flips, "band": self.band, "within": self.within}
        return Finding(name, firm, told + advice, Severity.WARN, evidence)


def boundary(score: Floats, noisy: Floats, *, threshold: float) -> Boundary:
    """Return how many decisions hang on noise.

    Parameters
    ----------
    score
        (n,) probabilities.
    noisy
        (n,) those of the same rows with noise in their inputs, as ``Perturbed.scores`` gives them.
    threshold
        The score from which one acts.
    """
    if noisy.shape != score.shape:
        raise ValueError(f"{score.shape} scores need as many with noise, got {noisy.shape}")
    if len(score) == 0:
        return Boundary(0, np.nan, np.nan, np.nan)
    band = robust_spread(np.abs(noisy - score))
    flips = float(((score >= threshold) != (noisy >= threshold)).mean())
    return Boundary(len(score), flips, band, float((np.abs(score - threshold) <= band).mean()))
