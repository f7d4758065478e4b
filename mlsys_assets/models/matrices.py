"""Weights in the forms that a model can store: whole, rounded to 8 bits, or without those that are zero.

The forms are a closed family. Whatever the form, the model computes with the same float64 numbers: ``dense``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.npz import Expected

Floats = NDArray[np.float64]
Kept: TypeAlias = Literal["float64", "float32", "float16"]
"""The types that weights are kept in."""
CODES: Final = 127
"""The largest code of 8 bits; the codes are symmetric, so that zero stays zero."""
MOST_WEIGHTS: Final = 20_000_000
"""More weights than this are no small model: 160 MB while it computes."""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a matrix is stored: enough to know which arrays to expect.

    Parameters
    ----------
    form
        The name of the form.
    shape
        Inputs and outputs.
    dtype
        What its weights are kept in; of codes, what their scales are.
    kept
        How many weights a masked matrix holds; else all.
    """

    form: Literal["dense", "int8", "masked"]
    shape: tuple[int, int]
    dtype: Kept
    kept: int

    def __post_init__(self) -> None:
        weights = self.shape[0] * self.shape[1]
        if min(self.shape) < 1 or weights > MOST_WEIGHTS:
            raise ValueError(f"a matrix of shape {self.shape}; from 1 to {MOST_WEIGHTS} weights are taken")
        if not 0 <= self.kept <= weights or (self.form != "masked" and self.kept != weights):
            raise ValueError(f"a {self.form} matrix of {weights} weights that keeps {self.kept}")

    @property
    def arrays(self) -> dict[str, Expected]:
        """The arrays that it is stored as."""
        dtype = np.dtype(self.dtype).newbyteorder("<").str
        if self.form == "dense":
            return {"weights": Expected(dtype, self.shape)}
        if self.form == "int8":
            return {"codes": Expected("|i1", self.shape), "scales": Expected(dtype, self.shape[1:])}
        bits = -(-self.shape[0] * self.shape[1] // 8)
        return {"mask": Expected("|u1", (bits,)), "values": Expected(dtype, (self.kept,))}


@dataclass(frozen=True, eq=False)
class Dense:
    """(inputs, outputs) weights as they are, float64, float32 or float16."""

    weights: NDArray[np.floating]

    @property
    def form(self) -> Form:
        """Its form."""
        return Form("dense", _shape(self.weights), _kept(self.weights), self.weights.size)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The weights."""
        return {"weights": self.weights}

    @cached_property
    def dense(self) -> Floats:
        """(inputs, outputs) the weights."""
        return np.ascontiguousarray(self.weights, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Int8:
    """(inputs, outputs) codes from -127 to 127, times (outputs,) scales: symmetric, a scale for each output."""

    codes: NDArray[np.int8]
    scales: NDArray[np.floating]

    @classmethod
    def of(cls, weights: Floats) -> "Int8":
        """Return (inputs, outputs) weights rounded: none moves by more than half of its output's scale."""
        scales = np.abs(weights).max(axis=0) / CODES
        codes = np.rint(np.divide(weights, scales, out=np.zeros_like(weights), where=scales > 0))
        return cls(np.clip(codes, -CODES, CODES).astype(np.int8), scales)

    @property
    def form(self) -> Form:
        """Its form."""
        return Form("int8", _shape(self.codes), _kept(self.scales), self.codes.size)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The codes and the scales."""
        return {"codes": self.codes, "scales": self.scales}

    @cached_property
    def dense(self) -> Floats:
        """(inputs, outputs) the weights that the codes stand for."""
        return self.codes.astype(np.float64) * self.scales.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Masked:
    """Weights of which most are zero: a bit for each says whether it is kept, and then come those that are."""

    shape: tuple[int, int]
    mask: NDArray[np.uint8]
    values: NDArray[np.floating]

    @classmethod
    def of(cls, weights: NDArray[np.floating]) -> "Masked":
        """Return (inputs, outputs) weights without those that are zero."""
        kept = weights != 0
        return cls(_shape(weights), np.packbits(kept), weights[kept])

    @property
    def form(self) -> Form:
        """Its form."""
        return Form("masked", self.shape, _kept(self.values), self.values.size)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The bits and the values."""
        return {"mask": self.mask, "values": self.values}

    @cached_property
    def dense(self) -> Floats:
        """(inputs, outputs) the weights, with their zeros."""
        found = np.zeros(self.shape)
        found[np.unpackbits(self.mask, count=found.size).astype(bool).reshape(self.shape)] = self.values
        return found


Matrix: TypeAlias = Dense | Int8 | Masked
"""A stored matrix: its ``form``, its ``arrays`` by name, and ``dense``, (inputs, outputs) what it computes with."""


def read_matrix(form: Form, arrays: Mapping[str, NDArray[np.generic]]) -> Matrix:
    """Return the matrix of a form from its arrays; raises ValueError for weights that are none."""
    weights = {name: array for name, array in arrays.items() if name in {"weights", "scales", "values"}}
    if any(not np.isfinite(array).all() for array in weights.values()):
        raise ValueError(f"{form.form} weights are not all finite")
    if form.form == "dense":
        return Dense(arrays["weights"])  # type: ignore[arg-type]
    if form.form == "int8":
        return Int8(arrays["codes"], arrays["scales"])  # type: ignore[arg-type]
    bits = np.unpackbits(arrays["mask"])  # type: ignore[arg-type]
    if bits.sum() != form.kept or bits[form.shape[0] * form.shape[1] :].any():
        raise ValueError(f"the mask keeps {int(bits.sum())} weights, there are {form.kept}")
    return Masked(form.shape, arrays["mask"], arrays["values"])  # type: ignore[arg-type]


def _shape(weights: NDArray[np.generic]) -> tuple[int, int]:
    inputs, outputs = weights.shape
    return inputs, outputs


def _kept(weights: NDArray[np.floating]) -> Kept:
    name = weights.dtype.name
    if name not in ("float64", "float32", "float16"):
        raise ValueError(f"weights are kept as float64, float32 or float16, got {name}")
    return name  # type: ignore[return-value]
