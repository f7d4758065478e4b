"""Rows with the champion's scores, and their labels as far as they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats

LEAST_OF_EACH_CLASS: Final = 30
"""Fewer positives or negatives than this on a side, and no kind of shift is told."""
LEAST_DAYS: Final = 5
"""Rows of a day share its weather: of fewer days on a side, no kind of shift is told."""
LEAST_KNOWN: Final = 0.8
"""Labels that come early are of another kind than those that come late: of so many at least the label must be known."""


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows as the champion scored them, of none of which it was fitted.

    Parameters
    ----------
    at
        (n,) datetime64[us], UTC: prediction times.
    features
        (n, d) feature columns; numbers and categories.
    score
        (n,) the champion's probabilities.
    label
        (n,) 0 or 1; NaN where it is not known.

    Raises ValueError for parts of other lengths, scores that are no probabilities, and labels of another kind.
    """

    at: NDArray[np.datetime64]
    features: pa.Table
    score: Floats
    label: Floats

    def __post_init__(self) -> None:
        lengths = {"at": len(self.at), "features": len(self.features)}
        lengths |= {"score": len(self.score), "label": len(self.label)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"scored rows must have parts of one length, got {lengths}")
        if bad := int((~((self.score >= 0) & (self.score <= 1))).sum()):
            raise ValueError(f"{bad} of {len(self)} scores are no probabilities; score the rows first")
        if other := self.label[~(np.isnan(self.label) | (self.label == 0) | (self.label == 1))].tolist():
            raise ValueError(f"labels must be 0, 1 or NaN, got {other[0]} ({len(other)} such rows)")

    def __len__(self) -> int:
        return len(self.at)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether the label is known."""
        return ~np.isnan(self.label)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "ScoredRows":
        """Return those rows, chosen by mask or by position."""
        if rows.dtype == bool and rows.all():
            return self
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return ScoredRows(self.at[index], self.features.take(pa.array(index)), self.score[index], self.label[index])

    def lacks(self, what: str) -> str:
        """Return why these rows, called ``what``, cannot tell a kind of shift; "" if they can."""
        rows, known = len(self), int(self.known.sum())
        positives = int(np.nansum(self.label)) if known else 0
        days = len(np.unique(self.at[self.known].astype("datetime64[D]")))
        known_share = known / rows if rows else 1.0
        reasons = {
            "has no rows": rows == 0,
            f"has {known:,} labels of {rows:,} rows, of {LEAST_KNOWN:.0%} they are needed": known_share < LEAST_KNOWN,
            f"has {positives:,} positive labels of {known:,}, {LEAST_OF_EACH_CLASS} of each class are needed": (
                min(positives, known - positives) < LEAST_OF_EACH_CLASS
            ),
            f"has labels of {days} days, {LEAST_DAYS} are needed": days < LEAST_DAYS,
            "has the same score for all rows": len(self) > 0 and float(np.ptp(self.score)) == 0.0,
        }
        return next((f"{what} {reason}" for reason, holds in reasons.items() if holds), "")


def scored(parts: Sequence[ScoredRows]) -> ScoredRows | None:
    """Return rows of several windows as one, with the columns that are of one type in all of them; None without any."""
    there = [part for part in parts if len(part)]
    if not there:
        return None
    at, score, label = (np.concatenate([getattr(p, name) for p in there]) for name in ("at", "score", "label"))
    first, *others = (p.features.schema for p in there)
    common = [column.name for column in first if all(column in set(other) for other in others)]
    return ScoredRows(at, pa.concat_tables([p.features.select(common) for p in there]), score, label)
