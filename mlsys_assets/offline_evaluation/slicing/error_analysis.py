"""Error analysis: where and on which rows a model errs, and whether what it errs on is unusual."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.named_columns import require
from mlsys_assets.measures.intervals import Estimate, Support, estimate, require_rows
from mlsys_assets.measures.metrics import SMALLEST, Floats, Metric, Weights
from mlsys_assets.offline_evaluation.slicing.decision_rates import Decisions
from mlsys_assets.offline_evaluation.slicing.mean_difference import means_apart
from mlsys_assets.offline_evaluation.slicing.slices import Slicing

Mask = NDArray[np.bool_]


class Quadrant(StrEnum):
    """What a row is, by whether it is unusual and whether it was decided wrongly."""

    EDGE_CASE = "edge case"
    HANDLED_OUTLIER = "handled outlier"
    HARD = "hard or noisy"
    ORDINARY = "ordinary"


def worst_rows(rows: View, score: Floats, *, n: int, columns: Sequence[str] = ()) -> pa.Table:
    """Return the n rows with the largest log loss, the largest first, with the feature columns that are asked for.

    Parameters
    ----------
    rows
        The rows that were scored.
    score
        (m,) their probabilities.
    n
        How many.
    columns
        Feature columns to show beside them; ColumnError is raised for one that is not there.

    Raises ValueError for scores that are no probabilities, not finite or not of the same rows.
    """
    require_rows(rows.label, score, what="the worst rows")
    require(rows.features, columns)
    p = np.clip(score, SMALLEST, 1 - SMALLEST)
    loss = np.where(rows.label > 0, -np.log(p), -np.log1p(-p))
    chosen = np.argsort(-loss, kind="stable")[: max(0, n)]
    picked = rows.take(chosen)
    own = {
        "id": picked.ids,
        "at": pa.array(picked.at, pa.timestamp("us", tz="UTC")),
        "label": pa.array(picked.label),
        "score": pa.array(score[chosen]),
        "loss": pa.array(loss[chosen]),
    }
    return pa.table(own | {f"feature {name}": picked.features[name] for name in columns})


def worst_slices(
    rows: View,
    score: Floats,
    slicings: Sequence[Slicing],
    *,
    metric: Metric,
    weights: Weights,
    support: Support | None = None,
) -> tuple[tuple[str, Estimate], ...]:
    """Return every group of every slicing with its metric, the worst first and those without support last.

    This is a table to look at, not a search: which slices are surely worse than foretold, the slice finder says.
    """
    sign = 1 if metric.higher_is_better else -1
    found = [
        (
            f"{one.name}={group}",
            estimate(metric, rows.label[mask], score[mask], weights=weights.of(mask), support=support),
        )
        for one in slicings
        for group, mask in one.groups(rows.features)
    ]
    return tuple(sorted(found, key=lambda pair: (not pair[1].sufficient, sign * pair[1].value, pair[0])))


@dataclass(frozen=True, eq=False)
class Quadrants:
    """Rows by whether they are unusual and whether they were decided wrongly.

    An unusual row that is decided rightly is an outlier that the model handles; one that is decided wrongly is an
    edge case (Huyen 2022, ch. 8). A usual row that is decided wrongly is hard, or its label is noise.

    Parameters
    ----------
    unusual, wrong
        (n,) each.
    """

    unusual: Mask
    wrong: Mask

    @classmethod
    def of(cls, unusual: Mask, decided: Decisions) -> "Quadrants":
        """Return the quadrants of n decisions; raises ValueError if the lengths differ."""
        if len(unusual) != len(decided):
            raise ValueError(f"{len(unusual)} rows are told unusual or not, and {len(decided)} were decided")
        return cls(unusual, decided.label != decided.acted)

    def rows(self, quadrant: Quadrant) -> Mask:
        """Return (n,) which rows are in a quadrant."""
        unusual = quadrant in {Quadrant.EDGE_CASE, Quadrant.HANDLED_OUTLIER}
        wrong = quadrant in {Quadrant.EDGE_CASE, Quadrant.HARD}
        found: Mask = (self.unusual == unusual) & (self.wrong == wrong)
        return found

    def counts(self) -> dict[Quadrant, int]:
        """Return how many rows each quadrant has."""
        return {quadrant: int(self.rows(quadrant).sum()) for quadrant in Quadrant}

    def excess(
        self,
        condition: Mask,
        *,
        weights: Weights,
        quadrant: Quadrant = Quadrant.EDGE_CASE,
        support: Support | None = None,
    ) -> Estimate:
        """Return by how much the share of rows with a condition is larger in a quadrant than in all others.

        Parameters
        ----------
        condition
            (n,) such as whether there was a storm.
        weights
            Draws of days for the n rows.
        """
        found, _ = means_apart(condition.astype(float), self.rows(quadrant), weights=weights, support=support)
        return found

    def excess_error(self, *, weights: Weights, support: Support | None = None) -> Estimate:
        """Return by how much the share of wrong decisions is larger among unusual rows than among usual ones."""
        found, _ = means_apart(self.wrong.astype(float), self.unusual, weights=weights, support=support)
        return found
