"""Low rank: a layer's matrix as the product of two narrow ones."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.weights import kept_as, layers_of
from mlsys_assets.models.layers import Layer
from mlsys_assets.models.matrices import Dense, Floats
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.predictor import Predictor


@dataclass(frozen=True)
class LowRank:
    """Each layer's matrix in its best approximation of low rank (Eckart & Young 1936), stored as two factors.

    A layer stays whole where two factors would hold more numbers than it does; where that is so of all layers, the
    method does not apply. Nor does it to a linear model, whose weights are one vector: of rank 1 as they are.

    Parameters
    ----------
    rank
        The rank of each layer; or
    energy
        the share of the sum of squared singular values that each layer keeps at least, from which its rank follows.
    """

    rank: int | None = None
    energy: float | None = None

    @property
    def name(self) -> str:
        """The rank, or the share of the energy in per cent."""
        if self.energy is None:
            return f"rank_{self.rank}"
        return f"energy_{100 * self.energy:g}".replace(".", "_")

    def mistakes(self) -> list[str]:
        """Return no rank and no energy, both of them, and those that no matrix has."""
        if (self.rank is None) == (self.energy is None):
            return [f"low rank: give a rank or an energy, one of them, got {self.rank} and {self.energy}"]
        if self.energy is None:
            return out_of_range("low rank: rank", self.rank, whole=True, least=1)
        return out_of_range("low rank: energy", self.energy, above=0, most=1)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the network of narrow factors; nothing is learned. Raises FitError where it would not be smaller."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        require_train(train, what=self.name)
        layers = layers_of(predictor, what=self.name)
        if not isinstance(predictor, MlpPredictor):
            raise FitError(f"{self.name} does not apply to a linear model: its weights are one vector, of rank 1")
        with threadpool_limits(limits=1):  # the same bits, whatever the number of threads
            narrow = tuple(self._narrow(layer) for layer in layers)
        if all(new is old for new, old in zip(narrow, layers, strict=True)):
            shapes = [layer.shape for layer in layers]
            raise FitError(f"{self.name} makes no layer of {shapes} smaller; take a lower rank, or less energy")
        return MlpPredictor(predictor.preprocessing, narrow)

    def _narrow(self, layer: Layer) -> Layer:
        """Return a layer as two factors, or as it is where they would hold no fewer numbers."""
        if min(layer.shape) == 1:
            return layer
        left, singular, right = np.linalg.svd(layer.weights, full_matrices=False)
        rank = self._rank(singular)
        numbers = sum(factor.form.kept for factor in layer.factors)
        if rank * sum(layer.shape) >= numbers:
            return layer
        root = np.sqrt(singular[:rank])  # in both alike: factors of one magnitude are rounded alike
        dtype = kept_as(layer.factors[0])
        factors = (left[:, :rank] * root, root[:, None] * right[:rank])
        return Layer(tuple(Dense(np.ascontiguousarray(one, dtype=dtype)) for one in factors), layer.bias)

    def _rank(self, singular: Floats) -> int:
        """Return the rank of a matrix by its singular values, the largest first; at least 1."""
        if self.rank is not None:
            return min(self.rank, len(singular))
        energy = np.cumsum(singular**2)
        return int(np.searchsorted(energy, (self.energy or 0.0) * energy[-1])) + 1
