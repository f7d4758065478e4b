"""Layers of weights as files: layers.json says what weights.npz holds, so that nothing else is taken from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.linear_predictor import WIDEST_INPUT
from mlsys_assets.models.matrices import MOST_WEIGHTS, Form, Matrix, read_matrix
from mlsys_assets.models.npz import Expected, from_npz, to_npz
from mlsys_assets.models.predictor import BundleError, decode, encode

LAYERS: Final = "layers.json"
WEIGHTS: Final = "weights.npz"
MOST_LAYERS: Final = 16
"""A small network has no more."""
MOST_FACTORS: Final = 2
"""A layer is one matrix, or two whose product it is."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """What comes in, times each of the factors in turn, plus the bias.

    Parameters
    ----------
    factors
        One matrix; or two, (inputs, rank) and (rank, outputs): of low rank.
    bias
        (outputs,)
    """

    factors: tuple[Matrix, ...]
    bias: Floats

    def __post_init__(self) -> None:
        shapes = [factor.form.shape for factor in self.factors]
        if not 1 <= len(shapes) <= MOST_FACTORS or any(a[1] != b[0] for a, b in pairwise(shapes)):
            raise ValueError(f"a layer has factors of the shapes {shapes}; they must follow on each other, at most two")
        if self.bias.shape != (shapes[-1][1],):
            raise ValueError(f"a layer of {shapes[-1][1]} outputs needs as many biases, got {self.bias.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.factors[0].form.shape[0], self.factors[-1].form.shape[1]

    @property
    def weights(self) -> Floats:
        """(inputs, outputs) the product of the factors."""
        found = self.factors[0].dense
        for factor in self.factors[1:]:
            found = np.einsum("ij,jk->ik", found, factor.dense)
        return found

    def forward(self, x: Floats) -> Floats:
        """Return (n, outputs) of (n, inputs).

        The sum is einsum's and not BLAS's: that one adds in another order for one row than for many.
        """
        for factor in self.factors:
            x = np.einsum("ij,jk->ik", x, factor.dense)
        return x + self.bias

    def widest(self, bound: float) -> float:
        """Return what no output's magnitude exceeds where no input's exceeds a bound; infinite if it is too large."""
        with np.errstate(over="ignore"):
            for factor in self.factors:
                bound = float(np.abs(factor.dense).sum(axis=0).max()) * bound
            return bound + float(np.abs(self.bias).max())


class LayerForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a layer's factors are stored; its biases are as many float64 as it has outputs."""

    factors: tuple[Form, ...]


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of layers.json."""

    layers: tuple[LayerForm, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.layers) <= MOST_LAYERS or any(
            not 1 <= len(layer.factors) <= MOST_FACTORS for layer in self.layers
        ):
            raise ValueError(f"from 1 to {MOST_LAYERS} layers of 1 to {MOST_FACTORS} factors are taken")
        weights = sum(f.shape[0] * f.shape[1] for layer in self.layers for f in layer.factors)
        if weights > MOST_WEIGHTS:
            raise ValueError(f"{weights} weights; at most {MOST_WEIGHTS} are taken")

    @property
    def arrays(self) -> dict[str, Expected]:
        """What weights.npz must hold, in order."""
        found: dict[str, Expected] = {}
        for i, layer in enumerate(self.layers):
            for j, form in enumerate(layer.factors):
                found |= {f"{i}.{j}.{name}": array for name, array in form.arrays.items()}
            found[f"{i}.bias"] = Expected("<f8", layer.factors[-1].shape[1:])
        return found


def write_layers(layers: Sequence[Layer]) -> dict[str, bytes]:
    """Return layers as files by name; equal layers give equal bytes."""
    content = Content(tuple(LayerForm(tuple(factor.form for factor in layer.factors)) for layer in layers))
    arrays: dict[str, NDArray[np.generic]] = {}
    for i, layer in enumerate(layers):
        for j, factor in enumerate(layer.factors):
            arrays |= {f"{i}.{j}.{name}": array for name, array in factor.arrays.items()}
        arrays[f"{i}.bias"] = layer.bias
    return {LAYERS: encode(content), WEIGHTS: to_npz(arrays)}


def read_layers(files: Mapping[str, bytes], *, inputs: int) -> tuple[Layer, ...]:
    """Return the layers that ``write_layers`` wrote, from so many inputs to one output; raises BundleError."""
    content = decode(files, LAYERS, Content)
    arrays = from_npz(files, WEIGHTS, content.arrays)
    try:
        layers = tuple(_layer(layer, arrays, place=i) for i, layer in enumerate(content.layers))
        check_layers(layers, inputs=inputs)
    except ValueError as error:
        raise BundleError(f"{WEIGHTS} is not what was written: {error}") from error
    return layers


def check_layers(layers: Sequence[Layer], *, inputs: int) -> None:
    """Raise ValueError unless layers lead from so many inputs to one output, which is finite for any row."""
    widths = [inputs, *(layer.shape[1] for layer in layers)]
    if [layer.shape[0] for layer in layers] != widths[:-1] or widths[-1] != 1:
        raise ValueError(f"layers of {[layer.shape for layer in layers]} do not lead from {inputs} inputs to 1 output")
    bound = WIDEST_INPUT
    for layer in layers:
        bound = layer.widest(bound)
    if not np.isfinite(bound):
        raise ValueError("the weights are no numbers, or so large that a row's margin may not be finite")


def _layer(form: LayerForm, arrays: Mapping[str, NDArray[np.generic]], *, place: int) -> Layer:
    factors = tuple(
        read_matrix(one, {name: arrays[f"{place}.{j}.{name}"] for name in one.arrays})
        for j, one in enumerate(form.factors)
    )
    return Layer(factors, arrays[f"{place}.bias"].astype(np.float64))
