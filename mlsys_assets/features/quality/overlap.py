"""Overlap: whether what a column held in training is met again later (Huyen 2022, ch. 5: feature generalization)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import is_category
from mlsys_assets.features.profile import MOST_ROWS, Categories, Ranges, rising
from mlsys_assets.features.quality.sample import spaced
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.stability_index import chance_psi, psi
from mlsys_assets.types import Finding, Scalar, Severity

MOST_NEW: Final = 0.5
"""A column of which more later rows hold a value, or lie in a range, that training never saw cannot carry over."""
MOST_VALUES: Final = 1_000
"""Whole numbers with more different values are amounts: they are asked for their range alone."""
WIDEST: Final = 100_000
"""Whole numbers that reach over more than this are amounts without a count."""
LEAST_REPEATS: Final = 5
"""Training rows a different value, in the mean, below which whole numbers are amounts too."""
LEAST_ROWS: Final = 30
"""Of fewer later rows with a value nothing is said."""
NAMED: Final = 5
FINDING: Final = "columns_carry_over"

Singles = NDArray[np.float32]


class Unlabelled(Protocol):
    """Rows without their labels; every Train and Validation is such rows, a sealed Test is not."""

    @property
    def features(self) -> pa.Table:
        """(n, d) feature columns."""
        ...


@dataclass(frozen=True)
class ColumnOverlap:
    """How much of a column carries over from training to later rows.

    Parameters
    ----------
    column
        Its name.
    values
        Different values in training, of a category or of whole numbers with few; 0 of amounts.
    new
        The share of later values that training never saw; NaN of amounts.
    beyond
        The share of later numbers below the least or above the largest of training; NaN of categories.
    psi
        Population stability index of the later rows; NaN without values on either side.
    psi_by_chance
        What chance alone exceeds once in a thousand times.
    rows
        Later rows with a value.
    """

    column: str
    values: int
    new: float
    beyond: float
    psi: float
    psi_by_chance: float
    rows: int

    @property
    def worst(self) -> float:
        """The share of later values that training knew nothing of; 0 where it cannot be told."""
        return float(np.nan_to_num(np.fmax(self.new, self.beyond))) if self.rows >= LEAST_ROWS else 0.0

    def __str__(self) -> str:
        if self.new >= self.beyond or np.isnan(self.beyond):
            return f"{self.column}: {self.new:.1%} of later rows hold none of its {self.values} values of training"
        return f"{self.column}: {self.beyond:.1%} of later rows lie beyond its range in training"


@dataclass(frozen=True)
class Overlap:
    """How much of each column carries over, in the order of the table."""

    columns: tuple[ColumnOverlap, ...]
    rows: int
    later: str

    @property
    def lost(self) -> tuple[ColumnOverlap, ...]:
        """The columns that cannot carry over, the worst first."""
        return tuple(sorted((c for c in self.columns if c.worst > MOST_NEW), key=lambda one: -one.worst))

    @property
    def finding(self) -> Finding:
        """Whether what was learned of a column can be used later."""
        shifted = sum(one.psi > one.psi_by_chance for one in self.columns)
        evidence: Mapping[str, Scalar] = {
            "columns_looked_at": len(self.columns), "later": self.later, "later_rows": self.rows,
            "shifted": shifted, "columns": ", ".join(one.column for one in self.lost),
        }  # fmt: skip
        if self.rows < LEAST_ROWS:
            return Finding(FINDING, True, f"insufficient data ({self.rows} {self.later} rows)", Severity.WARN, evidence)
        if not self.lost:
            told = f"no column of {len(self.columns)} is new in more than {MOST_NEW:.0%} of the {self.later} rows"
            return Finding(FINDING, True, told, Severity.WARN, evidence)
        more = f"; and {len(self.lost) - NAMED} more" if len(self.lost) > NAMED else ""
        told = "; ".join(map(str, self.lost[:NAMED])) + more
        advice = f" ({self.later}). Leave it out, or give what repeats: the hour, the weekday, the time since"
        return Finding(FINDING, False, told + advice, Severity.WARN, evidence)

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each column."""
        return [
            {"column": c.column, "values": c.values, "new": c.new, "beyond_range": c.beyond, "psi": c.psi,
             "psi_by_chance": c.psi_by_chance, "rows": c.rows}
            for c in self.columns
        ]  # fmt: skip

    def thumbnail(self) -> str:
        """Return the shares that training never saw, as Markdown that is seen at once."""
        return thumbnails.bars(self._shares, title=f"share of {self.later} rows new to training")

    def plot(self) -> str:
        """Draw the shares that training never saw, of the columns with most."""
        shares = dict(list(self._shares.items())[:20])
        return bars(shares, title=f"share of {self.later} rows new to training", marks={"cannot carry over": MOST_NEW})

    @property
    def _shares(self) -> dict[str, float]:
        return {c.column: c.worst for c in sorted(self.columns, key=lambda c: -c.worst) if c.worst > 0}


def overlap(train: Train, later: Unlabelled, *, called: str = "validation") -> Overlap:
    """Return how much of each column's values carries over to later rows.

    Parameters
    ----------
    train
        All training rows, not a sample: in a sample rare values are missing.
    later
        Rows with the same columns: the validation rows, or those without labels yet.
    called
        What the later rows are.

    Raises TypeError for anything but a Train view, ValueError if columns differ.
    """
    require_train(train, what="overlap")
    if train.features.schema.names != later.features.schema.names:
        apart = sorted(set(train.features.schema.names) ^ set(later.features.schema.names))
        raise ValueError(f"rows to be compared need the same columns in the same order; these differ: {apart}")
    found = [
        _of_texts(name, train.features[name], later.features[name])
        if is_category(train.features[name].type)
        else _of_numbers(name, train.features[name], later.features[name])
        for name in train.features.schema.names
    ]
    return Overlap(tuple(found), later.features.num_rows, called)


def _of_texts(name: str, before: pa.ChunkedArray, now: pa.ChunkedArray) -> ColumnOverlap:
    before, now = before.cast(pa.string()), now.cast(pa.string())
    known, there = before.drop_null().unique(), now.drop_null()
    new = _share(pc.sum(pc.invert(pc.is_in(there, value_set=known))).as_py(), len(there))
    first, second = (column.take(pa.array(spaced(len(column), MOST_ROWS))) for column in (before, now))
    bins = Categories.of(first)
    moved = _moved(bins.tally(first).counts, bins.tally(second).counts)
    return ColumnOverlap(name, len(known), new, np.nan, *moved, len(there))


def _of_numbers(name: str, before: pa.ChunkedArray, now: pa.ChunkedArray) -> ColumnOverlap:
    first, second = (_numbers(column) for column in (before, now))
    known, there = (values[~np.isnan(values)] for values in (first, second))
    thin = [rising(values[spaced(len(values), MOST_ROWS)].astype(np.float64)) for values in (first, second)]
    bins = Ranges.of(thin[0])
    moved = _moved(*(bins.tally(values).counts for values in thin))
    values = _few_whole(known)
    new = beyond = np.nan
    if len(known) and len(there):
        beyond = float(((there < known.min()) | (there > known.max())).mean())
        new = float((~np.isin(there, values)).mean()) if len(values) else np.nan
    elif len(there):
        beyond = 1.0  # in training there was none at all
    return ColumnOverlap(name, len(values), new, beyond, *moved, len(there))


def _few_whole(known: Singles) -> Singles:
    """Return the different values of whole numbers that repeat; none of amounts."""
    nothing = known[:0]
    if not len(known) or not np.isfinite(known).all() or known.max() - known.min() >= WIDEST:
        return nothing
    least = known.min()
    steps = (known - least).astype(np.intp)
    if (known != np.floor(known)).any():
        return nothing
    values = (np.flatnonzero(np.bincount(steps)) + least).astype(np.float32)
    return values if len(values) <= min(MOST_VALUES, len(known) / LEAST_REPEATS) else nothing


def _numbers(column: pa.ChunkedArray) -> Singles:
    return np.asarray(column.cast(pa.float32(), safe=False).to_numpy(), dtype=np.float32)


def _share(part: int | None, whole: int) -> float:
    return (part or 0) / whole if whole else np.nan


def _moved(before: Floats, now: Floats) -> tuple[float, float]:
    """Return the index of (b,) counts, and what chance exceeds once in a thousand times."""
    used = int((before + now > 0).sum())
    if not before.sum() or not now.sum():
        return np.nan, np.nan
    return psi(before, now), chance_psi(used, int(before.sum()), int(now.sum()))
