"""What a diagnosis looks at: one window's data and predictions beside those that they are held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosis import Price, Symptom
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests
from mlsys_assets.production_monitoring.pipeline.volume import Flow
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

Moments = NDArray[np.datetime64]
NO_MOMENTS = np.empty(0, dtype="datetime64[us]")


@dataclass(frozen=True, eq=False)
class TablePair:
    """A table as it was in the reference times, and as it is in the window.

    Parameters
    ----------
    before, now
        (n, d) and (m, d), in order of time.
    tests
        What it is looked at for besides.
    untold
        Why there is nothing to hold it against, if so.
    before_at, now_at
        When rows became known, or were asked for: (n_i,) of each reference time, and (m,), each in any order.
    flow
        How many rows came in each tick of the reference times; None: nobody counted.
    """

    before: pa.Table
    now: pa.Table
    tests: PipelineTests | None = None
    untold: str = ""
    before_at: tuple[Moments, ...] = ()
    now_at: Moments = field(default_factory=lambda: NO_MOMENTS)
    flow: Flow | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """All that is known of a window by its end.

    Parameters
    ----------
    window
        Of prediction times.
    raw
        By source, what came in.
    features
        What was known of requests at their prediction times.
    predicted
        The window's requests as the champion scored them; no rows without one.
    ids
        Their identifiers.
    held_out
        What the champion's recipe said of rows that it had not learned from; None without a champion.
    recent
        The requests of the reference times as champions scored them, with their labels.
    skew, skew_price
        Features that were served otherwise than known, and what that costs.
    past
        By column, the stability index of each window before against its own reference, the oldest first: until it is
        long enough to tell what is usual, no column is called shifted. None: distance and chance alone decide, as of
        rows that do not depend on their time.
        By column, the stability index of each window before against its own reference, the oldest first.
    past_together
        (k,) how far all columns together lay from their own reference in each window before.
    costs
        What decisions cost, if the system says.
    says
        Returns (n,) what the champion says of (n, d) rows of features, scored anew; None without one.
    """

    window: TimeWindow
    raw: Mapping[str, TablePair]
    features: TablePair
    predicted: ScoredRows
    ids: pa.Array
    held_out: ScoredRows | None = None
    recent: ScoredRows | None = None
    skew: tuple[Symptom, ...] = ()
    skew_price: Price | None = None
    past: Mapping[str, Floats] | None = None
    past_together: Floats = field(default_factory=lambda: np.empty(0))
    costs: CostMatrix | None = None
    says: Callable[[pa.Table], Floats] | None = None
