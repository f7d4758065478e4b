"""How many rows came, against how many usually do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.types import TimeWindow

TEST: Final = "volume"
FALLEN: Final = 0.6
"""The share of the fewest rows of a window before, below which too few came."""
GROWN: Final = 1.7
"""The same for too many, against the most: rows that came twice, less a few."""
LEAST_WINDOWS: Final = 4
"""Windows that tell what is usual."""
MOMENT: Final = timedelta(microseconds=1)
DEVIATIONS: Final = 4.0
"""Standard errors of the difference of two counts that chance does not give."""


@dataclass(frozen=True)
class Flow:
    """How many rows usually come.

    Parameters
    ----------
    counts
        Of each window before, in order.
    dispersion
        The variance of the rows of a day over their mean, or of those of a window, whichever is more; at least 1, which
        is that of rows that come one by one (Poisson). What comes in bursts, as cancellations do in a storm, has more.
    """

    counts: tuple[int, ...]
    dispersion: float

    @classmethod
    def of(cls, at: NDArray[np.datetime64], windows: Sequence[TimeWindow]) -> "Flow":
        """Return the flow of rows that came at (n,) moments, in any order, over windows that do not overlap."""
        inside = [at[(at >= moment(w.start)) & (at < moment(w.end))] for w in windows]
        counts = tuple(len(rows) for rows in inside)
        touched = [np.arange(_day(w.start), _day(w.end - MOMENT) + 1) for w in windows]
        if sum(counts) < 1 or len(days := np.unique(np.concatenate(touched))) < LEAST_WINDOWS:
            return cls(counts, 1.0)
        came = np.concatenate(inside).astype("datetime64[D]").astype(np.int64)
        daily = np.bincount(np.searchsorted(days, came), minlength=len(days))
        return cls(counts, max(_dispersion(daily), _dispersion(np.array(counts)), 1.0))


def _dispersion(counts: NDArray[np.intp]) -> float:
    return float(counts.var(ddof=1) / counts.mean()) if len(counts) > 1 else 1.0


def _day(at: datetime) -> int:
    return int(moment(at).astype("datetime64[D]").astype(np.int64))


def volume(rows: int, *, usual: Flow, where: str = "rows") -> Examined:
    """Return whether far fewer or far more rows came than in any of the usual windows of such a length.

    Parameters
    ----------
    rows
        How many came.
    usual
        How many came in each of the windows before, and how unevenly.
    where
        The table's name.

    Counts that varied before beyond chance are let vary as much now (quasi-Poisson; McCullagh and Nelder 1989).
    """
    before = usual.counts
    if len(before) < LEAST_WINDOWS or not any(before):
        return Examined.nothing(
            TEST, f"{len(before)} windows before {where}; at least {LEAST_WINDOWS} tell what is usual"
        )
    middle = float(np.median(before))
    ratio, low, high = ((count / middle if middle else np.inf) for count in (rows, min(before), max(before)))
    limit = FALLEN * low if ratio < 1 else GROWN * high
    outside = ratio < limit if ratio < 1 else ratio > limit
    error = np.sqrt(usual.dispersion * max(rows + middle, 1))
    if not outside or abs(rows - middle) < DEVIATIONS * error:
        return Examined()
    told = f"{rows:,} {where} came, {middle:,.0f} usually, from {min(before):,} to {max(before):,}"
    measures = {"usual": middle, "least": min(before), "most": max(before)}
    return Examined((Symptom(Cause.PIPELINE, TEST, where, told, float(ratio), float(limit), measures),))
