"""Candidates fitted on a Dask cluster: by all workers together where sums can be parted, else by one of them."""

from dataclasses import dataclass, replace
from typing import Any

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe
from mlsys_assets.models.distributed.lines import DataParallelLine
from mlsys_assets.models.distributed.one_task import OneTask
from mlsys_assets.models.distributed.placed_candidate import Fits, Placed
from mlsys_assets.models.distributed.placement import FEWEST
from mlsys_assets.models.distributed.trees import DataParallelTrees
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.training import LocalTraining, Training


def training_on(client: Any, workers: int) -> Training:
    """Return what fits on the cluster of a client, and in this process if that is None."""
    return LocalTraining() if client is None else DaskTraining(client, workers)


@dataclass(frozen=True)
class DaskTraining:
    """Fits on the workers of a cluster.

    LightGBM and logistic regression are fitted by all workers together, each of which holds a part of the rows. Any
    other candidate, and LightGBM with an objective of its own, is one task of one worker. Within ``Calibrated`` it is
    the model that is fitted there; its map is learned here. The record of a model tells which of these it was.

    Parameters
    ----------
    client
        The cluster's client.
    workers
        How many workers hold rows: the same number gives the same model, bit by bit.
    """

    client: Any
    workers: int = FEWEST

    def __post_init__(self) -> None:
        if self.workers < FEWEST:
            raise ValueError(f"training is spread over {self.workers} workers; it takes {FEWEST}, or LocalTraining()")

    def fit(self, candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return the fitted candidate; raises what it raises, and TrainingLost if a worker is lost."""
        require_train(train, what=candidate.name)
        require_validation(validation, what=candidate.name)
        return self._on_workers(candidate).fit(train, validation, seed=seed, threads=threads)

    def refit(self, candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return the refitted candidate; raises what it raises, and TrainingLost if a worker is lost."""
        require_train(train, what=candidate.name)
        return self._on_workers(candidate).refit(train, recipe=recipe, seed=seed, threads=threads)

    def _on_workers(self, candidate: Candidate) -> Fits:
        if isinstance(candidate, Calibrated):
            return replace(candidate, candidate=Placed(candidate.candidate, self._on_workers(candidate.candidate)))
        if isinstance(candidate, LightGBM) and candidate.objective is None:
            return DataParallelTrees(candidate, self.client, self.workers)
        if isinstance(candidate, LogisticRegression):
            return DataParallelLine(candidate, self.client, self.workers)
        return OneTask(candidate, self.client)
