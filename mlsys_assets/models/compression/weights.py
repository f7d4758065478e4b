"""The weights of a model, changed as a whole: what each way to compress them goes through."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.layers import Layer
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.matrices import Dense, Int8, Kept, Matrix
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.predictor import Predictor

Change = Callable[[Sequence[Matrix]], Sequence[Matrix]]
"""Returns another matrix of the same shape for each of a model's."""


def with_weights(predictor: Predictor, change: Change, *, what: str) -> Predictor:
    """Return a perceptron or a linear model with its matrices changed; raises FitError for any other."""
    layers = layers_of(predictor, what=what)
    changed = iter(change([factor for layer in layers for factor in layer.factors]))
    new = tuple(replace(layer, factors=tuple(next(changed) for _ in layer.factors)) for layer in layers)
    if isinstance(predictor, MlpPredictor):
        return MlpPredictor(predictor.preprocessing, new)
    if isinstance(predictor, LinearPredictor | CompactLinearPredictor):
        return CompactLinearPredictor(predictor.preprocessing, new[0])
    raise _other(predictor, what=what)


def kind_with_weights(kind: str) -> str:
    """Return the kind of what ``with_weights`` makes of a model of a kind: a linear one has another form."""
    return CompactLinearPredictor.kind if kind == LinearPredictor.kind else kind


def layers_of(predictor: Predictor, *, what: str) -> tuple[Layer, ...]:
    """Return the layers of a perceptron, or a linear model as one layer; raises FitError for any other."""
    if isinstance(predictor, MlpPredictor):
        return predictor.layers
    if isinstance(predictor, CompactLinearPredictor):
        return (predictor.layer,)
    if isinstance(predictor, LinearPredictor):
        return (Layer((Dense(predictor.weights[:, None]),), np.array([predictor.intercept])),)
    raise _other(predictor, what=what)


def kept_as(matrix: Matrix) -> Kept:
    """Return the type that a matrix's weights are kept in; float32 for those of which codes are."""
    return "float32" if isinstance(matrix, Int8) else matrix.form.dtype


def _other(predictor: Predictor, *, what: str) -> FitError:
    advice = "compress it before it is calibrated" if predictor.kind == "calibrated" else "use it on one of those"
    return FitError(f"{what} is for models of kind mlp, linear and compact_linear, got {predictor.kind!r}; {advice}")
