"""Identifiers among the features: they tell the order of a file, and where the file was sorted, the label.

A number with a value for nearly every row is held to three questions: whether its order tells the label beyond what
time does, whether its last digits do, and whether rows next to each other by it have one label more often than rows
next to each other in time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.charts import bars as chart
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.leakage.binned import Codes, ranked_auc
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category, is_number
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.thumbnails import bars
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_column_numbers_the_rows"
SCREENED: Final = 5_000
"""Rows in which it is seen whether a column has a value for nearly each."""
NEARLY_ALL: Final = 0.95
"""The share of rows with a value of their own that makes a whole number or a text an identifier."""
LEAST_OF_ALL: Final = 0.5
"""The share of all rows that must have a value of their own: days that were drawn twice leave 0.63, groups of a few
rows each leave less."""
DIGITS: Final = (2, 3, 4, 5, 7, 8, 10, 16)
"""Of what remains after a division by these, the label is told where a file alternates."""
CHANCE: Final = 1e-6
"""How likely such remainders are by chance, over all columns and divisors, if the number was given without regard to
the label: no threshold of any data set."""
NEIGHBOURS: Final = 5
"""Rows on either side."""
BEYOND_TIME: Final = 0.15
"""By how much the neighbours by an identifier may rank a label better than those in time: an identifier given in turn
has the same neighbours, one that stands for something has others, which tell a little."""
ORDER: Final = 0.75
"""The AUC of an identifier among the rows of a day that no order of arrival explains."""


@dataclass(frozen=True)
class Identifier:
    """What a column with a value for nearly every row tells.

    Parameters
    ----------
    column
        Its name.
    order
        Its AUC among the rows of one day, either way.
    divisor, chance
        The divisor whose remainders tell most, and how likely that is by chance, for all that was tried.
    neighbours, in_time
        AUCs of the share of positives among the nearest rows by the identifier, and by time.
    """

    column: str
    order: float
    divisor: int
    chance: float
    neighbours: float
    in_time: float


@dataclass(frozen=True)
class Identifiers:
    """The columns that number the rows."""

    identifiers: tuple[Identifier, ...]
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """How many there are."""
        return {"identifiers": len(self.identifiers)}

    @property
    def finding(self) -> Finding:
        """Whether no column numbers the rows."""
        return finding_of(
            FINDING,
            self.suspicions,
            clean="no column has a value of its own for nearly every row",
            evidence=self.evidence,
        )

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = ("column", "AUC by order in a day", "divisor", "by chance", "AUC of neighbours", "of those in time")
        rows: list[tuple[object, ...]] = [
            (i.column, i.order, i.divisor, i.chance, i.neighbours, i.in_time) for i in self.identifiers
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return what the neighbours tell, as a small picture."""
        return bars(self._told(), title="AUC of neighbours by an identifier")

    def plot(self) -> str:
        """Return it as an SVG picture."""
        return chart(self._told(), title="AUC of neighbours by an identifier")

    def _told(self) -> dict[str, float]:
        return {one.column: one.neighbours for one in self.identifiers}


def identifiers(train: Train, *, seed: int) -> Identifiers:
    """Return the identifiers among the features, and what each says of the label.

    Parameters
    ----------
    seed
        Of the order of rows that have one value or one time.
    """
    few = np.linspace(0, len(train) - 1, min(SCREENED, len(train))).astype(np.intp)
    screened = train.features.take(pa.array(np.unique(few)))
    names = [name for name in screened.schema.names if _numbers_rows(screened[name])]
    shuffled = train.take(np.random.default_rng(seed).permutation(len(train))) if names else train
    numbered = ((name, _whole(shuffled.features[name])) for name in names)
    found = tuple(_looked_at(shuffled, name, own, tried=len(names)) for name, own in numbered if _own_values(own))
    return Identifiers(found, tuple(_suspicion(one) for one in found))


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Return whether nearly each row has a value of its own that ends in a whole number."""
    own = _whole(column)
    return own is not None and len(own) > 0 and len(np.unique(own)) >= NEARLY_ALL * len(own)


def _own_values(own: NDArray[np.int64] | None) -> TypeGuard[NDArray[np.int64]]:
    """Return whether most of all rows have a value of their own."""
    return own is not None and len(np.unique(own)) >= LEAST_OF_ALL * len(own)


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64] | None:
    """Return (n,) whole numbers, of text the digits it ends in; None if some row has none."""
    if is_category(column.type):
        digits = pc.extract_regex(column.cast(pa.string()), r"(?P<digits>[0-9]{1,18})$")
        column = pc.struct_field(digits.combine_chunks(), "digits")
        read: NDArray[np.int64] | None = None
        if not column.null_count:
            read = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return read
    if not is_number(column.type) or pa.types.is_boolean(column.type) or column.null_count:
        return None
    own = column.to_numpy()
    if not np.isfinite(own).all() or (own != np.floor(own)).any() or np.abs(own).max(initial=0) > 2.0**62:
        return None
    whole: NDArray[np.int64] = own.astype(np.int64)
    return whole


def _looked_at(rows: Train, name: str, own: NDArray[np.int64], *, tried: int) -> Identifier:
    day = day_blocks(rows.at)
    chances = [_remainders_chance(own % divisor, day, rows.label > 0) for divisor in DIGITS]
    best = int(np.argmin(chances))
    order = _within(own, day, rows.label)
    by_id, in_time = (_neighbours(np.argsort(by, kind="stable"), rows.label) for by in (own, rows.at))
    chance = min(1.0, chances[best] * len(DIGITS) * tried)
    return Identifier(name, 0.5 + abs(order - 0.5), DIGITS[best], chance, by_id, in_time)


def _within(own: NDArray[np.int64], day: Codes, label: Floats) -> float:
    """Return the AUC of ranks among the rows of one day."""
    order = np.lexsort((own, day))
    first = np.concatenate([[0], np.cumsum(np.bincount(day))])
    place = np.empty(len(own))
    place[order] = (np.arange(len(own)) - first[day[order]]) / np.maximum(np.bincount(day)[day[order]] - 1, 1)
    return ranked_auc(place, label)


def _remainders_chance(remainder: NDArray[np.int64], day: Codes, positive: NDArray[np.bool_]) -> float:
    """Return how likely remainders differ as much in their labels by chance, each day's rate being given.

    The test of Mantel & Haenszel (1959), in its general form for several classes (Landis et al. 1978).
    """
    from scipy.stats import chi2

    _, code = np.unique(remainder, return_inverse=True)
    classes, days = int(code.max(initial=0)) + 1, int(day.max(initial=0)) + 1
    count = np.bincount(day * classes + code, minlength=days * classes).reshape(days, classes).astype(float)
    seen = np.bincount(day * classes + code, weights=positive, minlength=days * classes).reshape(days, classes)
    size, late = count.sum(axis=1), seen.sum(axis=1)
    share = count / size[:, None]
    excess = (seen - late[:, None] * share).sum(axis=0)[:-1]
    scale = late * (size - late) / np.maximum(size - 1, 1)
    spread = np.diag(scale @ share) - (share * scale[:, None]).T @ share
    spread = spread[:-1, :-1]
    if classes == 1 or np.linalg.matrix_rank(spread) < classes - 1:
        return 1.0
    return float(chi2.sf(excess @ np.linalg.solve(spread, excess), classes - 1))


def _neighbours(order: Codes, label: Floats) -> float:
    """Return the AUC of the share of positives among the nearest rows on either side in an order."""
    sums = np.concatenate([[0.0], np.cumsum(label[order])])
    place = np.arange(len(order))
    low, high = np.maximum(place - NEIGHBOURS, 0), np.minimum(place + NEIGHBOURS + 1, len(order))
    share = (sums[high] - sums[low] - label[order]) / np.maximum(high - low - 1, 1)
    return ranked_auc(share, label[order])


def _suspicion(one: Identifier) -> Suspicion:
    told = []
    if one.order >= ORDER:
        told.append(f"its order within a day ranks labels with an AUC of {one.order:.3f}")
    if one.chance < CHANCE:
        told.append(f"its remainders by {one.divisor} tell labels (by chance: {one.chance:.1e})")
    if one.neighbours - one.in_time > BEYOND_TIME:
        told.append(f"its neighbours rank labels with an AUC of {one.neighbours:.3f}, those in time {one.in_time:.3f}")
    return Suspicion(
        (one.column,),
        Severity.ERROR if told else Severity.WARN,
        "numbers the rows" + (": " + ", and ".join(told) if told else ""),
        "The numbers were given when the label was known." if told else "An identifier tells the order of the file.",
        "Drop it from the features.",
        {"order": one.order, "divisor": one.divisor, "chance": one.chance, "neighbours": one.neighbours},
    )
