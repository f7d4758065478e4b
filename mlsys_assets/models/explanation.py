"""Explanations: what each feature column adds to a row's score, in amounts that add up to it (Lundberg & Lee 2017)."""

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
    """Return (n, outputs) contributions of a preprocessing's outputs, summed to the columns that they were made of.

    What an output adds that is made of several columns together is shared by them equally: none of them makes it
    alone, and so it is divided by Shapley (1953).
    """
    columns = preprocessing.columns
    place = {name: j for j, name in enumerate(columns)}
    made_of = preprocessing.made_of
    if made_of == tuple((name,) for name in columns):
        return Contributions(columns, base, outputs, link)
    values = np.zeros((len(outputs), len(columns)))
    for j, names in enumerate(made_of):
        for name in names:
            values[:, place[name]] += outputs[:, j] / len(names)
    return Contributions(columns, base, values, link)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
