"""Explanations: what each feature column adds to a row's score, in amounts that add up to it (Lundberg & Lee 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.predictor import Rows

Link: TypeAlias = Literal["log odds", "probability"]
"""The scale on which contributions add up."""

EXPLAINED_ROWS = 500
"""Rows that a global importance rests on: of 120 trees of 31 leaves they take a third of a second."""
REASONS = 3
"""How many reasons are given for a prediction."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each column adds to the scores of n rows: ``base`` plus a row's contributions is its score.

    Parameters
    ----------
    columns
        (d,) the feature columns.
    base
        The score of a row of which nothing is known, on the scale of ``link``.
    values
        (n, d) what each column adds to it, on the scale of ``link``.
    link
        The scale: log odds, or probability.
    """

    columns: tuple[str, ...]
    base: float
    values: NDArray[np.float64]
    link: Link = "log odds"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.columns):  # noqa: PLR2004 - rows and columns
            raise ValueError(f"{len(self.columns)} columns need (n, {len(self.columns)}), got {self.values.shape}")

    @property
    def raw(self) -> NDArray[np.float64]:
        """(n,) the scores, on the scale of ``link``."""
        total: NDArray[np.float64] = self.base + self.values.sum(axis=1)
        return total

    @property
    def scores(self) -> NDArray[np.float64]:
        """(n,) the scores as probabilities."""
        if self.link == "probability":
            return self.raw
        probabilities: NDArray[np.float64] = 0.5 * (1 + np.tanh(self.raw / 2))  # 1 / (1 + exp(-raw)), no overflow
        return probabilities

    def importance(self) -> tuple[tuple[str, float], ...]:
        """Return each column with its mean absolute contribution, the largest first, equal ones by name."""
        mean = np.abs(self.values).mean(axis=0) if len(self.values) else np.zeros(len(self.columns))
        return tuple(sorted(zip(self.columns, mean.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])))

    def reasons(self, row: int, rows: pa.Table, *, most: int = REASONS) -> tuple[str, ...]:
        """Return in words what moved a row's score most, the largest first; what moved nothing is left out.

        Parameters
        ----------
        row
            The row's position.
        rows
            (n, …) the table that was explained.
        """
        own = self.values[row]
        ranked = [j for j in np.argsort(-np.abs(own), kind="stable")[:most] if own[j] != 0]
        return tuple(
            f"{self.columns[j]} = {_shown(rows[self.columns[j]][row].as_py())} "
            f"{'raises' if own[j] > 0 else 'lowers'} the {self.link} by {abs(own[j]):.3g}"
            for j in ranked
        )


@runtime_checkable
class Explainable(Protocol):
    """A predictor that says what each column adds to a score."""

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return the contributions of (n,) rows; raises ColumnError."""
        ...


def explain(predictor: Explainable, features: pa.Table, *, seed: int, threads: int = 1) -> Contributions:
    """Return the contributions of at most ``EXPLAINED_ROWS`` rows, drawn by ``seed``: enough to rank columns by."""
    return predictor.contributions(features.take(pa.array(explained_rows(len(features), seed=seed))), threads=threads)


def explained_rows(n: int, *, seed: int) -> NDArray[np.intp]:
    """Return in ascending order which of n rows are explained."""
    if n <= EXPLAINED_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, EXPLAINED_ROWS, replace=False))


def by_column(
    preprocessing: Preprocessing, outputs: NDArray[np.float64], *, base: float, link: Link = "log odds"
) -> Contributions:
    """Return (n, outputs) contributions of a preprocessing's outputs, summed to the columns that they were made of."""
    columns = preprocessing.columns
    place = {name: j for j, name in enumerate(columns)}
    made_of = output_columns(preprocessing)
    if list(made_of) == list(columns):
        return Contributions(columns, base, outputs, link)
    values = np.zeros((len(outputs), len(columns)))
    for j, name in enumerate(made_of):
        values[:, place[name]] += outputs[:, j]
    return Contributions(columns, base, values, link)


def output_columns(preprocessing: Preprocessing) -> Sequence[str]:
    """Return for each output of a preprocessing, in order, the column that it is made of."""
    numbers = [n.name for n in preprocessing.numbers]
    marks = [n.name for n in preprocessing.numbers if n.indicator]
    return (*numbers, *marks, *(c.name for c in preprocessing.categories for _ in c.names))


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
