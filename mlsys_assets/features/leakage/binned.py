"""Columns in bins, and the label's rate in each: what a column tells alone, whatever the shape of it.

Bins and rates are learnt on some rows and read on others, so that a column of many values tells no more than it does
of rows not seen. A missing value is a bin of its own.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.metrics import Floats, Weights, divide

Codes = NDArray[np.intp]

CHANCE: Final = 0.5
"""The AUC of what tells nothing."""
BINS: Final = 32
"""Of a number's values, equally full: rates in bins of 300 of 10,000 rows err by 0.02."""
STRENGTH: Final = 10.0
"""Rows of the overall rate that are added to each bin, so that a value seen once says little."""


@dataclass(frozen=True, eq=False)
class Binned:
    """A column's bins on the rows that they were made of, and on later ones.

    Parameters
    ----------
    here, later
        (n,), (m,) each row's bin; 0 where the value is missing, and on later rows a category never seen.
    bins
        How many there are.
    """

    here: Codes
    later: Codes
    bins: int

    def score(self, label: Floats) -> Floats:
        """Return (m,) the rate of (n,) labels in each later row's bin."""
        return self.rates(label)[self.later]

    def auc(self, label: Floats, later: Floats) -> float:
        """Return how well the rates of (n,) labels rank the (m,) labels of the later rows; 0.5 of one class."""
        rising = np.argsort(self.rates(label), kind="stable")
        counts = [
            np.bincount(self.later[later > 0], minlength=self.bins)[rising],
            np.bincount(self.later[later <= 0], minlength=self.bins)[rising],
        ]
        _, level = np.unique(self.rates(label)[rising], return_inverse=True)
        positive, negative = (np.bincount(level, weights=count) for count in counts)
        won = positive @ (np.cumsum(negative) - negative / 2)
        pairs = positive.sum() * negative.sum()
        return float(won / pairs) if pairs else 0.5

    def rates(self, label: Floats) -> Floats:
        """Return (bins,) rates of (n,) labels, drawn to that of all rows."""
        count = np.bincount(self.here, minlength=self.bins)
        positive = np.bincount(self.here, weights=label, minlength=self.bins)
        found: Floats = (positive + STRENGTH * label.mean()) / (count + STRENGTH)
        return found


def binned(here: pa.Table, later: pa.Table, name: str, *, bins: int = BINS) -> Binned:
    """Return a column's bins: of numbers by quantiles of the first table, of categories by value."""
    if is_category(here.schema.field(name).type):
        return _categories(here[name], later[name])
    first, second = (read_numbers(table, [name])[0] for table in (here, later))
    return number_bins(first, second, bins=bins)


def number_bins(here: NDArray[np.floating], later: NDArray[np.floating], *, bins: int = BINS) -> Binned:
    """Return the bins of (n,) numbers between their quantiles, and of (m,) later ones."""
    known = here[~np.isnan(here)]
    places = (np.arange(1, bins) * len(known)) // bins
    edges = np.unique(np.partition(known, places)[places]) if len(known) else known
    codes = [np.where(np.isnan(v), 0, np.searchsorted(edges, v, side="right") + 1) for v in (here, later)]
    return Binned(codes[0], codes[1], len(edges) + 2)


def _categories(here: pa.ChunkedArray, later: pa.ChunkedArray) -> Binned:
    texts = [column.cast(pa.string()) for column in (here, later)]
    values = pc.unique(texts[0]).drop_null()
    codes = [pc.fill_null(pc.index_in(text, value_set=values), -1).to_numpy() + 1 for text in texts]
    return Binned(codes[0].astype(np.intp), codes[1].astype(np.intp), len(values) + 1)


def ranked_auc(score: NDArray[np.floating], label: Floats) -> float:
    """Return how well (n,) scores, missing ones lowest, rank labels: ties count half; 0.5 of one class."""
    known, positive = np.where(np.isnan(score), -np.inf, score), label > 0
    above, below = np.sort(known[positive]), np.sort(known[~positive])
    if not len(above) or not len(below):
        return 0.5
    won = sum(int(np.searchsorted(below, above, side).sum()) for side in ("left", "right"))
    return won / (2 * len(above) * len(below))


@dataclass(frozen=True)
class MutualInformation:
    """How much a bin tells of the label, in nats, less what chance alone gives (Miller 1955).

    Read as a metric: the score of a row is the number of its bin.
    """

    least: ClassVar[float] = 0.0
    name: str = "mutual_information"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) mutual informations."""
        _, code = np.unique(score, return_inverse=True)
        bins = int(code.max(initial=0)) + 1
        blocks = weights.counts.shape[1]
        cell = (weights.block * bins + code) * 2 + (label > 0)
        own = np.bincount(cell, weights=weights.weighted(np.ones(len(label))), minlength=blocks * bins * 2)
        table = (weights.counts @ own.reshape(blocks, bins * 2)).reshape(-1, bins, 2)
        rows = table.sum(axis=(1, 2))
        joint = divide(table, rows[:, None, None])
        apart = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
        told = joint * np.log(np.where(joint > 0, divide(joint, apart, otherwise=1.0), 1.0))
        filled = (table.sum(axis=2) > 0).sum(axis=1)
        found: Floats = told.sum(axis=(1, 2)) - divide((filled - 1.0) / 2, rows)
        return found
