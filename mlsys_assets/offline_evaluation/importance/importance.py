"""The importance of columns, told three ways: what the model says, what shuffling costs, what moves its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import OpenedTest, Validation
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.explanation import Explainable, explain
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.importance.own_weight import Told, own_weight
from mlsys_assets.offline_evaluation.importance.permutation import Permutation

Way = Literal["own", "permutation", "contribution"]
WAYS: Final[tuple[Way, ...]] = ("own", "permutation", "contribution")
SHOWN: Final = 10
"""How many columns a summary names."""


@dataclass(frozen=True)
class ColumnImportance:
    """One column's importance.

    Parameters
    ----------
    column
        Its name.
    own
        Its share of the gain, or of the coefficients; NaN where the model says nothing.
    fall
        By how much the metric gets worse when it is shuffled.
    contribution
        Its mean absolute contribution to a score, on the scale that contributions add up on; NaN where a model has
        none.
    ranks
        1 is the most important, equal ones share the mean of their ranks; NaN where there is nothing to rank by.
    """

    column: str
    own: float
    fall: Estimate
    contribution: float
    ranks: Mapping[Way, float]

    def value(self, way: Way) -> float:
        """Return its importance in one way."""
        return {"own": self.own, "permutation": self.fall.value, "contribution": self.contribution}[way]


@dataclass(frozen=True, eq=False)
class Importance:
    """The importance of a model's columns.

    Parameters
    ----------
    metric
        What shuffling makes worse.
    told
        What the model's own numbers are.
    columns
        By their fall when shuffled, the most important first.
    groups
        What shuffling columns jointly costs, by the group's name, the most important first.
    """

    metric: str
    told: Told
    columns: tuple[ColumnImportance, ...]
    groups: Mapping[str, Estimate] = field(default_factory=dict)

    def values(self, way: Way) -> dict[str, float]:
        """Return each column's importance in one way."""
        return {one.column: one.value(way) for one in self.columns}

    def called(self, way: Way) -> str:
        """Return what the numbers of one way are."""
        return {"own": self.told, "permutation": f"{self.metric} lost when shuffled", "contribution": "contribution"}[
            way
        ]

    def top(self, way: Way, most: int = SHOWN) -> tuple[str, ...]:
        """Return the most important columns in one way, the first first; none where it tells nothing."""
        known = [one for one in self.columns if np.isfinite(one.ranks[way])]
        return tuple(one.column for one in sorted(known, key=lambda one: (one.ranks[way], one.column))[:most])

    def agreement(self) -> dict[tuple[Way, Way], float]:
        """Return the rank correlation (Spearman 1904) of each pair of ways; NaN where one tells nothing."""
        found: dict[tuple[Way, Way], float] = {}
        for i, a in enumerate(WAYS):
            for b in WAYS[i + 1 :]:
                pair = np.array([[one.ranks[way] for one in self.columns] for way in (a, b)])
                varied = len(self.columns) > 1 and bool((np.ptp(pair, axis=1) > 0).all())
                found[a, b] = float(np.corrcoef(pair)[0, 1]) if varied else float("nan")
        return found

    def table(self) -> str:
        """Return the columns as a Markdown table."""
        ways = (
            f"share of {self.told} | rank | {self.metric} lost when shuffled | rank | mean absolute contribution | rank"
        )
        lines = [f"| column | {ways} |", "|---|---|---|---|---|---|---|"]
        lines += [
            f"| {one.column} | {one.own:.4f} | {one.ranks['own']:g} | {one.fall} | {one.ranks['permutation']:g} "
            f"| {one.contribution:.4f} | {one.ranks['contribution']:g} |"
            for one in self.columns
        ]
        lines += [f"| {name} (together) | | | {fall} | | | |" for name, fall in self.groups.items()]
        return "\n".join(lines)

    def text(self) -> str:
        """Return in words which columns matter most, and whether the three ways agree."""
        told = [f"by {self.called(way)}: {', '.join(self.top(way)) or 'insufficient data'}" for way in WAYS]
        pairs = [
            f"{self.called(a)} and {self.called(b)} {rho:.2f}"
            for (a, b), rho in self.agreement().items()
            if np.isfinite(rho)
        ]
        return "; ".join(told) + (f"; rank correlations: {', '.join(pairs)}" if pairs else "")

    def plot(self) -> str:
        """Return what shuffling costs as SVG, each column and group with its interval."""
        spans = {f"{name} (together)": span for name, span in _spans(self.groups).items()}
        spans |= _spans({one.column: one.fall for one in self.columns})
        return forest({name: {self.metric: span} for name, span in spans.items()},
                      title=f"{self.metric} lost when shuffled, with 95% intervals by day")  # fmt: skip

    def thumbnail(self) -> str:
        """Return what shuffling costs as Markdown that is seen at once, the most important first."""
        spans = _spans({one.column: one.fall for one in self.columns})
        return thumbnails.spans(spans, title=f"{self.metric} lost when shuffled")


@dataclass(frozen=True)
class ImportanceStudy:
    """How importance is measured: by shuffling as declared, and by contributions of rows drawn by the same seed."""

    permutation: Permutation = field(default_factory=Permutation)
    threads: int = 1

    def measure(
        self,
        predictor: Predictor,
        rows: Validation | OpenedTest,
        *,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> Importance:
        """Return the importance of each column of the rows.

        Parameters
        ----------
        groups
            Names of groups with the columns that are shuffled jointly, beside each alone.

        Raises DeclarationError for mistakes, ColumnError for a column that the rows lack.
        """
        columns = rows.features.schema.names
        alone = self.permutation.falls(predictor, rows, threads=self.threads)
        joint = self.permutation.falls(predictor, rows, groups=groups, threads=self.threads) if groups else {}
        own = own_weight(predictor)
        moved = contributions(predictor, rows.features, seed=self.permutation.seeds[0], threads=self.threads)
        nothing = dict.fromkeys(columns, 0.0 if own.told != "nothing" else float("nan"))
        values: dict[Way, dict[str, float]] = {
            "own": nothing | own.shares,
            "permutation": {name: fall.value for name, fall in alone.items()},
            "contribution": dict.fromkeys(columns, float("nan"))
            if moved is None
            else dict.fromkeys(columns, 0.0) | moved,
        }
        ranks = {way: dict(zip(columns, ranked([values[way][n] for n in columns]), strict=True)) for way in WAYS}
        found = [
            ColumnImportance(
                name,
                values["own"][name],
                alone[name],
                values["contribution"][name],
                {way: float(ranks[way][name]) for way in WAYS},
            )
            for name in columns
        ]
        return Importance(
            self.permutation.metric.name,
            own.told,
            tuple(sorted(found, key=lambda one: (-np.nan_to_num(one.fall.value), one.column))),
            dict(sorted(joint.items(), key=lambda pair: (-np.nan_to_num(pair[1].value), pair[0]))),
        )


def contributions(predictor: Predictor, features: pa.Table, *, seed: int, threads: int = 1) -> dict[str, float] | None:
    """Return each column's mean absolute contribution; None of a model that does not explain itself, or of no rows."""
    if not isinstance(predictor, Explainable) or not features.num_rows:
        return None
    return dict(explain(predictor, features, seed=seed, threads=threads).importance())


def ranked(values: Sequence[float] | Floats) -> Floats:
    """Return (d,) ranks of (d,) values, 1 the largest, ties sharing their mean; NaN throughout where one is NaN.

    >>> ranked([0.1, 0.7, 0.1]).tolist()
    [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata

    found = np.asarray(values, dtype=np.float64)
    if np.isnan(found).any():
        return np.full(len(found), np.nan)
    return np.asarray(rankdata(-found), dtype=np.float64)


def _spans(found: Mapping[str, Estimate]) -> dict[str, tuple[float, float, float]]:
    return {name: (one.value, one.low, one.high) for name, one in found.items() if one.sufficient}
