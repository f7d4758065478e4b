"""Columns that hold the mean label of a key's rows, the row's own label among them.

The rows of one value of such a column have a mean label that agrees with the value better than chance lets it: of n
rows whose label is 1 with probability p, the mean strays by p (1 - p) / n. A value known beforehand leaves at least
that much, and rows that share their day's weather leave more. Less is only left where the labels made the value
(Micci-Barreca 2001 on the encoding; Pearson's chi-squared, here its lower tail).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.charts import bars as chart
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.leakage.binned import CHANCE as NOTHING
from mlsys_assets.features.leakage.matched import Matchable
from mlsys_assets.features.leakage.probe import spaced_days
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.thumbnails import bars
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_column_is_made_of_its_rows_labels"
SCREENED: Final = 6_000
"""Rows in which it is seen whether a column's values repeat, and rank labels at all."""
LEAST_AUC: Final = 0.53
"""The AUC within a day of training below which a column is no encoding: one of keys with 250 rows has 0.54."""
LEAST_VALUES: Final = 6
"""Values that a column needs."""
MOST_DISTINCT: Final = 0.8
"""The share of the screened rows that have different values, above which a column's values do not repeat."""
LEAST_EXPECTED: Final = 3.0
"""What n p (1 - p) must be for a value's rows: the chi-squared distribution needs as much."""
CHANCE: Final = 1e-6
"""How likely an agreement as close must at most be, over all columns, to be an error: no threshold of any data set."""
TOO_CLOSE: Final = 0.8
"""The share of chance's spread that must at most be left, so that no trifle in very many rows is an error."""
LESS_LATER: Final = 0.1
"""How much more a column must rank in training than later, beyond what is usual among the others, to be looked at."""
FAR: Final = 6
"""In how many standard deviations of the others that begins, at least."""
SHOWN: Final = 12
"""How many columns a picture shows."""


@dataclass(frozen=True)
class Agreement:
    """How closely the labels of rows with one value agree with it.

    Parameters
    ----------
    column
        Its name.
    values
        How many values have enough rows.
    spread
        The mean square of what the means stray from a smooth trend, in units of what chance gives: 1 or more.
    chance
        How likely as little is by chance, for any of the columns looked at.
    """

    column: str
    values: int
    spread: float
    chance: float


@dataclass(frozen=True)
class Encodings:
    """Columns whose values agree with labels, the closest first; and the AUC of each in training and later."""

    agreements: tuple[Agreement, ...]
    aucs: Mapping[str, tuple[float, float]]
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """The closest agreement."""
        found: dict[str, Scalar] = {"columns_compared": len(self.agreements)}
        for one in self.agreements[:1]:
            found |= {"closest": one.column, "spread": one.spread, "chance": one.chance}
        return found

    @property
    def finding(self) -> Finding:
        """Whether every column leaves its rows' labels the spread that chance gives."""
        closest = (
            ", ".join(f"{a.column} leaves {a.spread:.3f}" for a in self.agreements[:1]) or "no column repeats values"
        )
        clean = f"labels of rows with one value spread as by chance or more; the closest: {closest}"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = ("column", "values", "spread, 1: chance", "by chance", "AUC in training", "later")
        rows: list[tuple[object, ...]] = [
            (a.column, a.values, a.spread, a.chance, *self.aucs[a.column]) for a in self.agreements
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return what is left of chance's spread, as a small picture."""
        return bars({a.column: a.spread for a in self.agreements[:SHOWN]}, title="spread of labels by value, 1: chance")

    def plot(self) -> str:
        """Return it as an SVG picture, with chance."""
        shown = {a.column: a.spread for a in self.agreements[:SHOWN]}
        return chart(shown, title="spread of labels by value", marks={"chance": 1.0})


def encodings(train: Train, validation: Validation, *, seed: int) -> Encodings:
    """Return which columns agree with their own rows' labels, and which rank much better in training than later."""
    aucs = _aucs(train, validation, seed=seed)
    names = _screened(train, aucs)
    found = [agreement(train, name, looked_at=max(len(names), 1)) for name in names]
    ranked = sorted((a for a in found if a is not None), key=lambda a: (a.chance, a.spread, a.column))
    accused = tuple(_accused(a, aucs[a.column]) for a in ranked if a.chance < CHANCE and a.spread < TOO_CLOSE)
    known = {name for one in accused for name in one.columns}
    return Encodings(tuple(ranked), aucs, (*accused, *(s for s in _less_later(aucs) if s.columns[0] not in known)))


def _aucs(train: Train, validation: Validation, *, seed: int) -> dict[str, tuple[float, float]]:
    """Return each number's concordance within days, in training and later, in the direction it has in training."""
    parts = [Matchable.of(view.take(spaced_days(view, SCREENED)), seed=seed) for view in (train, validation)]
    here, later = (part.alone() for part in parts)
    sign = np.where(here >= NOTHING, 1.0, -1.0)
    pairs = np.stack([0.5 + sign * (here - 0.5), 0.5 + sign * (later - 0.5)], axis=1).tolist()
    return {name: (first, second) for name, (first, second) in zip(parts[0].names, pairs, strict=True)}


def _screened(train: Train, aucs: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the columns that rank labels in training, and whose values repeat."""
    rows = train.take(spaced_days(train, SCREENED))
    ranking = [name for name, (here, _) in aucs.items() if here >= LEAST_AUC]
    distinct = [len(np.unique(read_numbers(rows.features, [name])[0])) for name in ranking]
    most = MOST_DISTINCT * len(rows)
    return [name for name, n in zip(ranking, distinct, strict=True) if LEAST_VALUES <= n <= most]


def agreement(train: Train, name: str, *, looked_at: int) -> Agreement | None:
    """Return how closely a column's values agree with the mean labels of their rows; None with too few values."""
    from scipy.special import gammainc

    bits = read_numbers(train.features, [name])[0].view(np.uint32)
    coded = pa.array(bits).dictionary_encode()
    distinct, code = np.asarray(coded.dictionary), np.asarray(coded.indices)
    order = np.argsort(distinct)
    count = np.bincount(code, minlength=len(distinct))[order].astype(float)
    mean = np.bincount(code[train.label > 0], minlength=len(distinct))[order] / count
    values = distinct[order].view(np.float32).astype(np.float64)
    known = np.isfinite(values)
    expected = _trend(values[known], mean[known], count[known])
    chance = expected * (1 - expected) / count[known]
    enough = chance * count[known] ** 2 >= LEAST_EXPECTED
    free = int(enough.sum()) - 3
    if free < LEAST_VALUES - 3:
        return None
    square = float(((mean[known] - expected)[enough] ** 2 / chance[enough]).sum())
    as_little = looked_at * float(gammainc(free / 2, square / 2))
    return Agreement(name, int(enough.sum()), square / free, min(1.0, as_little))


def _trend(values: Floats, mean: Floats, count: Floats) -> Floats:
    """Return (k,) the parabola through means of so many rows each: an encoding may be scaled, or in log-odds."""
    middle = (values * count).sum() / count.sum()
    scaled = (values - middle) / max(float(np.sqrt((count * (values - middle) ** 2).sum() / count.sum())), 1e-12)
    design = np.stack([np.ones(len(values)), scaled, scaled**2], axis=1)
    root = np.sqrt(count)
    weights, *_ = np.linalg.lstsq(design * root[:, None], mean * root, rcond=None)
    found: Floats = np.clip(design @ weights, 1e-3, 1 - 1e-3)
    return found


def _accused(one: Agreement, auc: tuple[float, float]) -> Suspicion:
    return Suspicion(
        (one.column,),
        Severity.ERROR,
        f"agrees with the mean label of its own rows: over {one.values} values it leaves {one.spread:.3f} of the "
        f"spread that chance alone gives (AUC {auc[0]:.3f} in training, {auc[1]:.3f} later)",
        "Only a value made of these labels comes so close.",
        "Encode each row by other rows: those known before it, or out of fold.",
        {"spread": one.spread, "chance": one.chance, "values": one.values, "auc": auc[0], "later_auc": auc[1]},
    )


def _less_later(aucs: Mapping[str, tuple[float, float]]) -> list[Suspicion]:
    """Return the columns that rank much less later than in training, beyond the spread of that among all."""
    if not aucs:
        return []
    less = np.array([here - later for here, later in aucs.values()])
    usual = float(np.median(less))
    spread = 1.4826 * float(np.median(np.abs(less - usual)))
    limit = usual + max(LESS_LATER, FAR * spread)
    return [
        Suspicion(
            (name,),
            Severity.WARN,
            f"ranks labels with an AUC of {here:.3f} in training and of {later:.3f} later",
            f"Other columns lose {usual:.3f}.",
            "Look whether it was made of training labels.",
            {"auc": here, "later_auc": later},
        )
        for name, (here, later) in aucs.items()
        if here - later > limit
    ]
