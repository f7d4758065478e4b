"""What a way to make a model smaller or faster is."""

from typing import Protocol, runtime_checkable

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.predictor import Predictor


@runtime_checkable
class CompressionMethod(Protocol):
    """Turns a fitted model into a smaller or faster one; frozen, and equal inputs give equal models."""

    @property
    def name(self) -> str:
        """What it is called: the end of the compressed candidate's name."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the smaller model; raises FitError where the method does not apply to such a model."""
        ...
