"""A linear model as numbers: fitted preprocessing, coefficients and the logistic function."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.explanation import Contributions, by_column
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode

WIDEST_INPUT: Final = float(np.finfo(np.float32).max)
"""No output of a preprocessing is larger in magnitude."""


class Coefficients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of coefficients.json: one weight an output of the preprocessing, by name."""

    intercept: float
    weights: dict[str, float]


@dataclass(frozen=True, eq=False)
class LinearPredictor:
    """The probability 1 / (1 + exp(-(intercept + weights · x))), x as the preprocessing gives it."""

    preprocessing: Preprocessing
    intercept: float
    weights: NDArray[np.float64]
    kind: str = "linear"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities.

        The sum is einsum's and not BLAS's: that one adds in another order for one row than for many.
        """
        matrix = self.preprocessing.transform(rows).astype(np.float64)
        return logistic(np.einsum("ij,j->i", matrix, self.weights) + self.intercept)

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds: its weights times its outputs; the base is the intercept."""
        matrix = self.preprocessing.transform(rows).astype(np.float64)
        return by_column(self.preprocessing, matrix * self.weights, base=self.intercept)

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing and the coefficients."""
        weights = dict(zip(self.preprocessing.names, self.weights.tolist(), strict=True))
        return {
            "preprocessing.json": self.preprocessing.to_json(),
            "coefficients.json": encode(Coefficients(self.intercept, weights)),
        }

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "LinearPredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        preprocessing = decode(files, "preprocessing.json", Preprocessing)
        read = decode(files, "coefficients.json", Coefficients)
        if tuple(read.weights) != preprocessing.names:
            raise BundleError("the coefficients are not those of the preprocessing's outputs")
        weights = np.array(list(read.weights.values()), dtype=np.float64)
        with np.errstate(over="ignore"):
            widest = np.abs(weights).sum() * WIDEST_INPUT + abs(read.intercept)
        if not np.isfinite(widest):
            raise BundleError("the coefficients are so large that a row's margin may not be finite; fit the model anew")
        return cls(preprocessing, read.intercept, weights)


def logistic(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    power = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, power) / (1.0 + power)
