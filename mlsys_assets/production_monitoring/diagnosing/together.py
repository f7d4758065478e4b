"""Whether all columns together moved, though perhaps none of them by itself, and beyond what is usual of the system."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosing.seen import Moments, TablePair
from mlsys_assets.production_monitoring.drift.kernel_test import KERNEL, KernelTest
from mlsys_assets.production_monitoring.drift.outcome import Outcome
from mlsys_assets.production_monitoring.drift.usual import Usual
from mlsys_assets.production_monitoring.pipeline.examined import Examined

TOGETHER = "together"
"""What the distance of all columns is called among what is usual."""


@dataclass(frozen=True, eq=False)
class TimedFeatures:
    """Features with their prediction times, as tests of two sets of rows read them."""

    at: Moments
    features: pa.Table


def apart(test: KernelTest, pair: TablePair, *, seed: int) -> Outcome:
    """Return how far the features of a window lie from those before, all columns together.

    Parameters
    ----------
    pair
        With the times of its rows.
    seed
        Of draws and permutations.
    """
    if pair.untold or not pair.before_at:
        return Outcome.nothing(KERNEL, pair.untold or "the times of rows are not known", {})
    before = TimedFeatures(np.concatenate(pair.before_at), pair.before)
    return test.held(before, TimedFeatures(pair.now_at, pair.now), seed=seed)


def moved_together(found: Outcome, past: Floats, usual: Usual) -> Examined:
    """Return a symptom where the distance is beyond chance, counts, and is unusual of the system.

    Rows of a week share its weather: what the test alone calls a change happens in every fifth week of flights.

    Parameters
    ----------
    past
        (k,) the distance of each window before from its own reference, the oldest first, NaN where there was none.
    """
    if found.untold:
        return Examined.nothing(KERNEL, found.untold)
    if found.symptom is None:
        return Examined()
    judged = usual.judged({TOGETHER: past}, {TOGETHER: found.distance})
    if not judged.statistics:
        return Examined((), {KERNEL: judged.untold[TOGETHER]})
    (one,) = judged.statistics
    if not one.unusual:
        return Examined()
    told = f"{found.symptom.told}, {one.value / one.median:.1f} times the median of {one.windows} windows before"
    measures = {**found.symptom.measures, "median": one.median, "windows": one.windows}
    return Examined((replace(found.symptom, told=told, limit=max(one.limit, found.limit), measures=measures),))
