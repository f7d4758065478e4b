"""Logistic regression by all workers together: each sums over the rows that it holds, and the sums are added here."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    Recipe,
    check_train,
    check_validation,
    prepare,
    prepared_record,
)
from mlsys_assets.models.distributed.dask_map import dask_map
from mlsys_assets.models.distributed.newton import fit_by_blocks
from mlsys_assets.models.distributed.placement import contiguous, placed
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.linear_predictor import LinearPredictor


@dataclass(frozen=True)
class DataParallelLine:
    """A logistic regression, fitted by all workers together: the coefficients of one worker but for rounding.

    Parameters
    ----------
    candidate
        What is fitted.
    client
        The cluster's client.
    workers
        How many workers hold rows.
    """

    candidate: LogisticRegression
    client: Any
    workers: int

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; nothing is chosen on validation."""
        check_validation(validation, what=self.candidate.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on train: each step takes one sum of each worker."""
        candidate = self.candidate
        check_train(train, what=candidate.name)
        prepared = prepare(candidate.preprocessor, train, what=candidate.name)
        blocks = [(prepared.matrix[part], train.label[part]) for part in contiguous(len(train), self.workers)]
        place = placed(blocks, client=self.client, what=candidate.name)
        on_workers = partial(dask_map, client=self.client, what=candidate.name)
        try:
            found = fit_by_blocks(lambda: place.parts, c=candidate.c, rounds=candidate.rounds, map=on_workers)
        except FitError as error:
            raise FitError(f"{candidate.name}: {error}") from error
        params = {"c": candidate.c, "iterations": found.passes}
        return Fitted(
            candidate.name,
            LinearPredictor(prepared.preprocessing, found.intercept, found.weights),
            params | prepared_record(candidate.preprocessor, prepared) | place.record,
        )
