"""Whether there is something to gain by retraining: a refit on recent rows against the champion, on rows after them."""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric
from mlsys_assets.models.candidate import FitError
from mlsys_assets.production_monitoring.shift_kind.scored_rows import LEAST_OF_EACH_CLASS, ScoredRows
from mlsys_assets.types import EPOCH, TimeWindow

V = TypeVar("V", bound=View)

WATCHED: Final = 0.2
"""The share of the rows to learn from, the last of them, that a fit may stop by."""


@dataclass(frozen=True)
class RefitComparison:
    """A refit against the champion.

    Parameters
    ----------
    difference
        The refit's metric minus the champion's, on the rows held out: the same rows in every draw of days.
    learned_from, held_out
        How many rows the refit learned from, its watched ones among them, and was compared on.
    higher_is_better
        Of the metric.
    reason
        Why it could not be compared, if so.
    """

    difference: Estimate
    learned_from: int
    held_out: int
    higher_is_better: bool = False
    reason: str = ""

    @property
    def gains(self) -> bool:
        """Whether the refit is credibly better."""
        e = self.difference
        return e.sufficient and (e.low > 0.0 if self.higher_is_better else e.high < 0.0)


def compare_refit(  # noqa: PLR0913 - rows, when their labels came, and how the refit is made
    recent: ScoredRows,
    learner: Learner,
    *,
    known_at: NDArray[np.datetime64],
    held_from: np.datetime64,
    seed: int,
    threads: int = 1,
    metric: Metric | None = None,
) -> RefitComparison:
    """Return how a refit on recent rows does against the champion's scores, on the rows from a moment on.

    Parameters
    ----------
    recent
        Rows that the champion was not fitted on, with its scores.
    learner
        What is refitted: every ``Candidate`` is one.
    known_at
        (n,) when each label became known: the refit learns from those known before ``held_from`` alone.
    held_from
        From here on rows are held out.
    seed, threads
        Of the fit.
    metric
        Log loss if None.

    Raises ValueError for other times than rows.
    """
    if len(known_at) != len(recent):
        raise ValueError(
            f"{len(recent)} rows whose labels became known at {len(known_at)} times; there must be one each"
        )
    measured = metric or LogLoss()
    held = recent.take(recent.known & (recent.at >= held_from))
    learned = np.flatnonzero(recent.known & (recent.at < held_from) & (known_at < held_from))
    past = recent.take(learned[np.argsort(recent.at[learned], kind="stable")])
    cut = int(len(past) * (1 - WATCHED))
    parts = (_view(Train, past, np.arange(cut)), _view(Validation, past, np.arange(cut, len(past))))
    if reason := _lacks(parts[0].label, "to learn from") or _lacks(held.label, "held out"):
        return _untold(held, len(past), measured, f"insufficient data: {reason}")
    try:
        fitted = learner.fit(*parts, seed=seed, threads=threads)
        score = np.asarray(fitted.predict(held.features, threads=threads), dtype=np.float64)
    except (FitError, ColumnError) as error:
        return _untold(held, len(past), measured, f"the refit failed: {error}")
    weights = bootstrap(day_blocks(held.at), seed=seed)
    found = difference(measured, held.label, (score, held.score), weights=weights)
    return RefitComparison(
        found, len(past), len(held), measured.higher_is_better, "" if found.sufficient else str(found)
    )


def _lacks(label: Floats, what: str) -> str:
    positives = int(label.sum())
    few = min(positives, len(label) - positives) < LEAST_OF_EACH_CLASS
    told = f"{len(label):,} labelled rows {what}, {positives:,} of them positive; {LEAST_OF_EACH_CLASS} of each class"
    return f"{told} are needed" if few else ""


def _untold(held: ScoredRows, learned: int, metric: Metric, reason: str) -> RefitComparison:
    days = len(np.unique(held.at.astype("datetime64[D]")))
    return RefitComparison(Estimate.untold(held.label, days), learned, len(held), metric.higher_is_better, reason)


def _view(kind: type[V], rows: ScoredRows, index: NDArray[np.intp]) -> V:
    part = rows.take(index)
    window = TimeWindow(EPOCH, EPOCH)  # rows in order of time, of no declared window
    return kind(pa.array(index).cast(pa.string()), part.at, part.features, part.label, window)
