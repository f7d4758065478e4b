"""Outliers and edge cases: a row unlike all others is an outlier; one on which the model fails too is an edge case."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_NUMBERS, numbers

TREES: Final = 50
"""Trees of the isolation forest: half as many as Liu et al. have, in half the time."""
ROWS_A_TREE: Final = 256
"""Liu et al. 2008, ch. 5."""
ODD: Final = 0.95
"""The quantile of the reference's isolation above which a row is unlike the others."""
FAILED: Final = 0.9
"""The quantile of the reference's losses above which a loss is high."""
MOST_SCORED: Final = 2_000
"""Rows of the reference that tell its quantile."""
EXAMPLES: Final = 5
"""Rows that are named of each quadrant."""


class Quadrant(StrEnum):
    """Whether a row is unlike the others, and whether the model failed on it (Huyen 2022, ch. 8)."""

    ORDINARY = "ordinary"
    HARD = "hard"
    OUTLIER = "outlier"
    EDGE_CASE = "edge case"


@dataclass(frozen=True, eq=False)
class Isolation:
    """How far a row is from all others: an isolation forest (Liu et al. 2008) on the number columns of a reference.

    Parameters
    ----------
    columns
        Those it reads.
    middles
        (d,) their medians, which stand for missing values: what is missing isolates nobody.
    odd
        The score above which a row is unlike the others.
    """

    columns: tuple[str, ...]
    middles: Floats
    odd: float
    forest: Any

    @classmethod
    def of(cls, reference: pa.Table, *, seed: int) -> "Isolation | None":
        """Return what the (n, d) columns of a reference teach; None if there are too few rows or no number that varies.

        Categories are not read.
        """
        from sklearn.ensemble import IsolationForest

        names = [field.name for field in reference.schema if is_number(field.type)]
        matrix = np.column_stack([numbers(reference[name]) for name in names]) if names else np.empty((0, 0))
        matrix[~np.isfinite(matrix)] = np.nan
        there = [j for j in range(len(names)) if np.unique(matrix[~np.isnan(matrix[:, j]), j]).size > 1]
        if reference.num_rows < LEAST_NUMBERS or not there:
            return None
        matrix = matrix[:, there]
        middles = np.nanmedian(matrix, axis=0)
        filled = np.where(np.isnan(matrix), middles, matrix)
        forest = IsolationForest(n_estimators=TREES, max_samples=min(ROWS_A_TREE, len(filled)), random_state=seed)
        forest.fit(filled)
        drawn = np.random.default_rng(seed).choice(len(filled), min(len(filled), MOST_SCORED), replace=False)
        odd = float(np.quantile(-forest.score_samples(filled[drawn]), ODD))
        return cls(tuple(names[j] for j in there), middles, odd, forest)

    def scores(self, rows: pa.Table) -> Floats:
        """Return (n,) scores from 0 to 1: the higher, the fewer questions part a row from all others."""
        if not rows.num_rows:
            return np.empty(0)
        matrix = np.column_stack([numbers(rows[name]) for name in self.columns])
        return np.asarray(-self.forest.score_samples(np.where(np.isfinite(matrix), matrix, self.middles)))


@dataclass(frozen=True, eq=False)
class Quadrants:
    """Rows by how odd they are and how much was lost on them.

    Parameters
    ----------
    quadrant
        (n,) each row's; "" where its label is not known.
    counts
        Rows of each.
    examples
        The identifiers of some rows of each: the oddest of the odd ones, the most lost of the others.
    reason
        Why there are none, if there are none.
    """

    quadrant: NDArray[np.str_]
    counts: Mapping[Quadrant, int]
    examples: Mapping[Quadrant, tuple[str, ...]]
    reason: str = ""

    def share(self, rows: NDArray[np.bool_], quadrant: Quadrant = Quadrant.EDGE_CASE) -> float:
        """Return the share of (n,) picked rows with a label that lie in a quadrant; NaN if none of them has one."""
        of = self.quadrant[rows & (self.quadrant != "")]
        return float((of == quadrant).mean()) if len(of) else float(np.nan)


def quadrants(isolation: Isolation | None, rows: pa.Table, loss: Floats, *, ids: pa.Array, failed: float) -> Quadrants:
    """Return each row's quadrant.

    Parameters
    ----------
    isolation
        Of the rows that the model was trained on.
    rows
        (n, d) feature columns.
    loss
        (n,) what each row lost, such as ``log_losses(label, score)``; NaN where the label is not known.
    ids
        (n,) identifiers.
    failed
        The loss above which the model failed, as ``high_loss`` gives it.

    Raises ValueError for losses or identifiers of another length.
    """
    if not len(loss) == len(ids) == rows.num_rows:
        raise ValueError(f"{rows.num_rows} rows, {len(loss)} losses and {len(ids)} identifiers; give one of each a row")
    known = np.isfinite(loss)
    if isolation is None or not np.isfinite(failed) or not known.any():
        reason = "no label is known" if isolation is not None and np.isfinite(failed) else "the reference is too small"
        return Quadrants(np.full(rows.num_rows, ""), dict.fromkeys(Quadrant, 0), dict.fromkeys(Quadrant, ()), reason)
    score = isolation.scores(rows)
    odd, lost = score > isolation.odd, loss > failed
    named = np.where(
        odd,
        np.where(lost, Quadrant.EDGE_CASE, Quadrant.OUTLIER),
        np.where(lost, Quadrant.HARD, Quadrant.ORDINARY),
    )
    found = np.where(known, named, "")
    rank = np.where(odd, score, np.where(known, loss, -np.inf))
    examples = {quadrant: _worst(found == quadrant, rank, ids) for quadrant in Quadrant}
    return Quadrants(found, {one: int((found == one).sum()) for one in Quadrant}, examples)


def high_loss(losses: Floats) -> float:
    """Return the loss above which a row counts as failed: nine of ten of a reference lie below; NaN of too few."""
    known = losses[np.isfinite(losses)]
    return float(np.quantile(known, FAILED)) if len(known) >= LEAST_NUMBERS else float(np.nan)


def _worst(rows: NDArray[np.bool_], rank: Floats, ids: pa.Array) -> tuple[str, ...]:
    index = np.flatnonzero(rows)
    index = index[np.argsort(-rank[index], kind="stable")][:EXAMPLES]
    return tuple(str(one) for one in ids.take(pa.array(index)).to_pylist())
