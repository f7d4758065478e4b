"""A multi-layer perceptron as numbers: fitted preprocessing, layers of weights, and the logistic function."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.layers import Layer, check_layers, read_layers, write_layers
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.predictor import Rows, decode

BLOCK: Final = 1024
"""Rows computed at a time: as many as stay in the cache."""


@dataclass(frozen=True, eq=False)
class MlpPredictor:
    """The logistic function of the last layer's output, with max(0, x) between layers.

    It computes in float64, in whatever form the weights are stored.
    """

    preprocessing: Preprocessing
    layers: tuple[Layer, ...]
    kind: str = "mlp"

    def __post_init__(self) -> None:
        check_layers(self.layers, inputs=len(self.preprocessing.names))

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        matrix = self.preprocessing.transform(rows)
        if len(matrix) <= BLOCK:
            return logistic(self._margin(matrix))
        blocks = [self._margin(matrix[start : start + BLOCK]) for start in range(0, len(matrix), BLOCK)]
        return logistic(np.concatenate(blocks))

    def _margin(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n,) log odds of (n, d) rows as the preprocessing gives them."""
        x = self.layers[0].forward(matrix.astype(np.float64))
        for layer in self.layers[1:]:
            x = layer.forward(np.maximum(x, 0.0))
        return x[:, 0]

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing and the layers."""
        return {"preprocessing.json": self.preprocessing.to_json(), **write_layers(self.layers)}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "MlpPredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        preprocessing = decode(files, "preprocessing.json", Preprocessing)
        return cls(preprocessing, read_layers(files, inputs=len(preprocessing.names)))
