"""Whether sums of days are normal, as an interval of so many standard errors takes them to be."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import require_rows
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.assumptions.independence import ALPHA
from mlsys_assets.types import Finding, Severity

LEAST_SUMS: Final = 20
"""Fewer blocks than this, and neither skewness nor kurtosis can be told (D'Agostino et al. 1990)."""


@dataclass(frozen=True)
class Normality:
    """How near to normal the sums of blocks are, and with them their mean.

    Parameters
    ----------
    skewness, kurtosis
        Of the sums; kurtosis in excess of the normal distribution's.
    jarque_bera, dagostino
        p-values that the sums are normal (Jarque & Bera 1987; D'Agostino & Pearson 1973).
    blocks
        How many sums.
    """

    skewness: float
    kurtosis: float
    jarque_bera: float
    dagostino: float
    blocks: int

    @property
    def skewness_of_mean(self) -> float:
        """The skewness of the mean of so many blocks: it makes an interval of errors to each side lopsided."""
        return float(self.skewness / np.sqrt(self.blocks)) if self.blocks else float(np.nan)

    @property
    def finding(self) -> Finding:
        """Whether an interval by the normal approximation can be believed."""
        name = "sums_of_days_are_normal"
        if np.isnan(self.jarque_bera):
            told = f"insufficient data: {self.blocks} days, {LEAST_SUMS} are needed, not all alike"
            return Finding(name, True, told, Severity.WARN, {"days": self.blocks})
        normal = min(self.jarque_bera, self.dagostino) >= ALPHA
        told = (
            f"sums of {self.blocks} days have skewness {self.skewness:.2f} and excess kurtosis {self.kurtosis:.2f} "
            f"(p {self.jarque_bera:.2g} and {self.dagostino:.2g}); their mean has skewness {self.skewness_of_mean:.2f}"
        )
        advice = (
            ""
            if normal
            else ": an interval by Student's t on days is then approximate; believe a narrow result only with more days"
        )
        evidence = {
            "skewness": self.skewness, "kurtosis": self.kurtosis, "Jarque–Bera p": self.jarque_bera,
            "D'Agostino p": self.dagostino, "skewness of mean": self.skewness_of_mean, "days": self.blocks,
        }  # fmt: skip
        return Finding(name, normal, told + advice, Severity.WARN, evidence)


def normality(values: Floats, block: NDArray[np.intp]) -> Normality:
    """Return how near to normal the sums of (n,) values by block are, as differences of two models' losses by day."""
    from scipy import stats

    require_rows(block.astype(float), values, what="days as labels, values as scores", probabilities=False)
    _, block = np.unique(block, return_inverse=True)
    sums = np.bincount(block, weights=values - values.mean()) if len(values) else values
    if len(sums) < LEAST_SUMS or np.ptp(sums) == 0:
        return Normality(np.nan, np.nan, np.nan, np.nan, len(sums))
    return Normality(
        float(stats.skew(sums)),
        float(stats.kurtosis(sums)),
        float(stats.jarque_bera(sums).pvalue),
        float(stats.normaltest(sums).pvalue),
        len(sums),
    )
