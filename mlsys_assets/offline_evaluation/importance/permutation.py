"""Permutation importance: how much worse a model gets when a column's values change rows (Breiman 2001)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import OpenedTest, Validation
from mlsys_assets.features.named_columns import require
from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric
from mlsys_assets.mistakes import not_one, not_seeds, out_of_range
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.importance.own_weight import own_weight
from mlsys_assets.offline_evaluation.studies.repeats import TestRows
from mlsys_assets.types import DeclarationError

SEEDS: Final = (0, 1, 2)
ROWS: Final = 2_000
"""Rows whose values are shuffled: with three shuffles of 87 columns, about 2 CPU seconds of 40 trees."""


@dataclass(frozen=True)
class Permutation:
    """How columns are shuffled, and by which metric the loss is told.

    A column is shuffled among all rows, so that its distribution stays and its link to the label and to the other
    columns goes. Two columns that tell the same hide each other: shuffled alone, neither costs much. Shuffle them
    jointly, as a group, to see what both are worth.

    Parameters
    ----------
    metric
        What gets worse.
    seeds
        One shuffle each; the interval holds their chance beside that of the days.
    rows
        At most so many rows are scored, drawn by the first seed.
    support
        What must be there before a number is believed.
    """

    metric: Metric = field(default_factory=LogLoss)
    seeds: tuple[int, ...] = SEEDS
    rows: int = ROWS
    support: Support = field(default_factory=Support)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("permutation: metric", self.metric, Metric)
        found += not_seeds("permutation: seeds", self.seeds)
        return found + out_of_range("permutation: rows", self.rows, whole=True, least=1)

    def falls(
        self,
        predictor: Predictor,
        rows: Validation | OpenedTest,
        *,
        groups: Mapping[str, Sequence[str]] | None = None,
        threads: int = 1,
    ) -> dict[str, Estimate]:
        """Return by how much the metric gets worse when a group's columns are shuffled, by the group's name.

        Above 0 is worse. What no score depends on costs exactly 0.

        Parameters
        ----------
        groups
            Names of groups with the columns that are shuffled jointly, by one permutation; each column alone, if not
            given.

        Raises DeclarationError for mistakes, ColumnError for a column that the rows lack.
        """
        if wrong := self.mistakes():
            raise DeclarationError("permutation", wrong)
        asked = {name: (name,) for name in rows.features.schema.names} if groups is None else groups
        require(rows.features, [name for columns in asked.values() for name in columns])
        shuffled = _Shuffled.of(predictor, rows.take(self.drawn(len(rows))), self.seeds, threads=threads)
        measured = TestRows.of(shuffled.rows.label, shuffled.rows.at, seed=self.seeds[0], support=self.support)
        before = measured.measure(self.metric, [shuffled.scores] * len(self.seeds))
        moving = frozenset(predictor.columns) - own_weight(predictor).idle
        return {
            name: before.gain_over(measured.measure(self.metric, shuffled.score(set(columns) & moving)))
            for name, columns in asked.items()
        }

    def drawn(self, n: int) -> NDArray[np.intp]:
        """Return in ascending order which of n rows are scored."""
        if n <= self.rows:
            return np.arange(n)
        return np.sort(np.random.default_rng(self.seeds[0]).choice(n, self.rows, replace=False))


@dataclass(frozen=True, eq=False)
class _Shuffled:
    """Rows, once for each shuffle one below the other, so that all shuffles of a column are scored at once.

    ``tiled`` is the (k n, d) table, ``order`` the (k n,) rows whose values a shuffled column has.
    """

    predictor: Predictor
    rows: Validation | OpenedTest
    scores: Floats
    tiled: pa.Table
    order: pa.Array
    shuffles: int
    threads: int

    @classmethod
    def of(
        cls, predictor: Predictor, rows: Validation | OpenedTest, seeds: Sequence[int], *, threads: int
    ) -> "_Shuffled":
        n = len(rows)
        order = np.concatenate([np.random.default_rng(seed).permutation(n) for seed in seeds])
        read = rows.features.select(list(predictor.columns)) if predictor.columns else rows.features
        tiled = read.take(pa.array(np.tile(np.arange(n), len(seeds)))).combine_chunks()
        scores = predictor.predict(rows.features, threads=threads)
        return cls(predictor, rows, scores, tiled, pa.array(order), len(seeds), threads)

    def score(self, columns: Collection[str]) -> list[Floats]:
        """Return the (n,) scores of each shuffle of the columns."""
        if not columns:
            return [self.scores] * self.shuffles
        table = self.tiled
        for name in sorted(columns):
            place = table.schema.get_field_index(name)
            values = self.rows.features[name].combine_chunks().take(self.order)
            table = table.set_column(place, table.schema.field(place), values)
        return np.split(self.predictor.predict(table, threads=self.threads), self.shuffles)
