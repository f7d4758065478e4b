"""A linear model whose weights are stored in fewer bits, or without those that are zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.explanation import Contributions
from mlsys_assets.models.layers import Layer, check_layers, read_layers, write_layers
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.predictor import BundleError, Rows, decode


@dataclass(frozen=True, eq=False)
class CompactLinearPredictor:
    """What a linear model is, with its weights in another form: it scores and explains as one of those weights."""

    preprocessing: Preprocessing
    layer: Layer
    kind: str = "compact_linear"

    def __post_init__(self) -> None:
        check_layers((self.layer,), inputs=len(self.preprocessing.names))

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    @cached_property
    def linear(self) -> LinearPredictor:
        """The linear model of the weights that are stored."""
        weights = np.ascontiguousarray(self.layer.weights[:, 0])
        return LinearPredictor(self.preprocessing, float(self.layer.bias[0]), weights)

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        return self.linear.predict(rows, threads=threads)

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds; the base is the intercept."""
        return self.linear.contributions(rows, threads=threads)

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing and the weights."""
        return {"preprocessing.json": self.preprocessing.to_json(), **write_layers((self.layer,))}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "CompactLinearPredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        preprocessing = decode(files, "preprocessing.json", Preprocessing)
        layers = read_layers(files, inputs=len(preprocessing.names))
        if len(layers) != 1:
            raise BundleError(f"a linear model has one layer, got {len(layers)}")
        return cls(preprocessing, layers[0])
