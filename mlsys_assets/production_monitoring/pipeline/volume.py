"""How many rows came, against how many usually do."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined

TEST: Final = "volume"
FALLEN: Final = 0.6
"""The share of the fewest rows of a window before, below which too few came."""
GROWN: Final = 1.7
"""The same for too many, against the most: rows that came twice, less a few."""
LEAST_WINDOWS: Final = 4
"""Windows that tell what is usual."""
DEVIATIONS: Final = 4.0
"""Standard errors of the log ratio of two counts that chance does not give (Poisson)."""


def volume(rows: int, *, usual: Sequence[int], where: str = "rows") -> Examined:
    """Return whether far fewer or far more rows came than in any of the usual windows of such a length.

    Parameters
    ----------
    rows
        How many came.
    usual
        How many came in each of the windows before.
    where
        The table's name.
    """
    if len(usual) < LEAST_WINDOWS or not any(usual):
        return Examined.nothing(
            TEST, f"{len(usual)} windows before {where}; at least {LEAST_WINDOWS} tell what is usual"
        )
    middle = float(np.median(usual))
    ratio, low, high = ((count / middle if middle else np.inf) for count in (rows, min(usual), max(usual)))
    error = np.sqrt(1 / max(rows, 1) + 1 / max(middle, 1))
    limit = FALLEN * low if ratio < 1 else GROWN * high
    outside = ratio < limit if ratio < 1 else ratio > limit
    if not outside or abs(np.log(max(rows, 1) / max(middle, 1))) < DEVIATIONS * error:
        return Examined()
    told = f"{rows:,} {where} came, {middle:,.0f} usually, from {min(usual):,} to {max(usual):,}"
    measures = {"usual": middle, "least": min(usual), "most": max(usual)}
    return Examined((Symptom(Cause.PIPELINE, TEST, where, told, float(ratio), float(limit), measures),))
