"""Quantization: weights in fewer bits than they were learned in."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import none_of
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.weights import kind_with_weights, with_weights
from mlsys_assets.models.matrices import Dense, Int8, Masked, Matrix
from mlsys_assets.models.predictor import Predictor

BITS: Final = (8, 16)
"""8: whole numbers with a scale for each output; 16: half precision."""
LARGEST_HALF: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Quantization:
    """Weights rounded after training (Jacob et al. 2018), symmetric and with a scale for each output.

    The file is smaller; the model is not faster, as it computes in float64 whatever the weights are stored in.
    No weight moves by more than half of its output's scale, which is the output's largest weight divided by 127.
    Biases stay as they are. Where weights were pruned, those of 16 bits stay without their zeros; 8 bits hold them too.

    Parameters
    ----------
    bits
        8 or 16.
    """

    bits: Literal[8, 16] = 8

    @property
    def name(self) -> str:
        """The type of the stored weights."""
        return "int8" if self.bits == BITS[0] else "float16"

    def mistakes(self) -> list[str]:
        """Return other numbers of bits."""
        return none_of("quantization: bits", self.bits, BITS)

    def kind_of(self, kind: str) -> str:
        """Return the kind of what it makes of a model of a kind."""
        return kind_with_weights(kind)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the model with rounded weights; nothing is learned. Raises FitError for models of other kinds."""
        require_train(train, what=self.name)
        return with_weights(predictor, lambda all_: [self._rounded(one) for one in all_], what=self.name)

    def _rounded(self, matrix: Matrix) -> Matrix:
        if self.bits == BITS[0]:
            return Int8.of(matrix.dense)
        if (largest := float(np.abs(matrix.dense).max())) > LARGEST_HALF:
            raise FitError(f"float16 holds at most {LARGEST_HALF:g}, a weight is {largest:g}; take 8 bits")
        if isinstance(matrix, Masked):
            return replace(matrix, values=matrix.values.astype(np.float16))
        return Dense(matrix.dense.astype(np.float16))
