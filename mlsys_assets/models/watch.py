"""Watching a fit on its way: whoever watches hears the loss after each step, and may end it."""

from typing import Protocol, runtime_checkable

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import Fitted


class Stopped(Exception):
    """A fit that was ended by whoever watched it; there is no model."""


class Watch(Protocol):
    """Hears of each step of a fit."""

    def __call__(self, step: int, loss: float) -> bool:
        """Return whether the fit is to end after this step, counted from 1, by its loss on validation."""
        ...


@runtime_checkable
class Prunable(Protocol):
    """A candidate that is fitted in steps and tells the loss after each."""

    def fit_watched(self, train: Train, validation: Validation, *, seed: int, threads: int, watch: Watch) -> Fitted:
        """Return what ``fit`` returns, to the last bit; raises Stopped as soon as ``watch`` says so."""
        ...
