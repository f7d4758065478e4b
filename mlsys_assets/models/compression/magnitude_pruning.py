"""Magnitude pruning: the smallest weights become zero and are not stored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.compression.weights import kept_as, kind_with_weights, with_weights
from mlsys_assets.models.matrices import Masked, Matrix
from mlsys_assets.models.predictor import Predictor


@dataclass(frozen=True)
class MagnitudePruning:
    """The weights of the smallest magnitude set to zero, over all layers together (Han et al. 2015).

    The file is smaller; the model is not faster, as it computes with the zeros too. Nothing is trained again.
    Of a linear model the magnitudes compare what standardized numbers and categories move the log odds by.

    Parameters
    ----------
    share
        The share of the weights that become zero: to the nearest whole number, and of equal ones the first.
        Weights that were zero before are among them.
    """

    share: float = 0.5

    @property
    def name(self) -> str:
        """The share in per cent."""
        return f"pruned_{100 * self.share:g}".replace(".", "_")

    def mistakes(self) -> list[str]:
        """Return a share that is nothing or all."""
        found = out_of_range("magnitude pruning: share", self.share, above=0, most=1)
        return found or (["magnitude pruning: share is 1, which leaves no weight"] if self.share == 1 else [])

    def kind_of(self, kind: str) -> str:
        """Return the kind of what it makes of a model of a kind."""
        return kind_with_weights(kind)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the model without its smallest weights; raises FitError for models of other kinds."""
        require_train(train, what=self.name)
        return with_weights(predictor, self._pruned, what=self.name)

    def _pruned(self, matrices: Sequence[Matrix]) -> list[Matrix]:
        magnitudes = np.concatenate([np.abs(one.dense).ravel() for one in matrices])
        kept = np.ones(len(magnitudes), dtype=bool)
        kept[np.argsort(magnitudes, kind="stable")[: round(self.share * len(magnitudes))]] = False
        ends = np.cumsum([one.dense.size for one in matrices])[:-1]
        return [
            Masked.of(np.where(own.reshape(one.dense.shape), one.dense, 0.0).astype(kept_as(one)))
            for one, own in zip(matrices, np.split(kept, ends), strict=True)
        ]
