"""A linear model with the state of the stochastic gradient descent that goes on from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.explanation import Contributions
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode


class Descent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of descent.json: by how many rows the weights were moved, plus one, as scikit-learn counts."""

    steps: float


@dataclass(frozen=True, eq=False)
class SgdPredictor:
    """Scores and explains as the linear model that it holds."""

    line: LinearPredictor
    steps: float
    kind: str = "sgd"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.line.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        return self.line.predict(rows, threads=threads)

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds; the base is the intercept."""
        return self.line.contributions(rows, threads=threads)

    def contents(self) -> dict[str, bytes]:
        """Return the linear model, and where its descent stands."""
        return {**self.line.contents(), "descent.json": encode(Descent(self.steps))}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "SgdPredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        steps = decode(files, "descent.json", Descent).steps
        if not (np.isfinite(steps) and steps >= 1.0):
            raise BundleError(f"descent.json tells of {steps} steps; they are counted from 1")
        return cls(LinearPredictor.from_contents(files), steps)
