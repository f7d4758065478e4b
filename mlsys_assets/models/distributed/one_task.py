"""A candidate as one task of one worker: the rows leave this process, and so does the memory that a fit takes."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe
from mlsys_assets.models.distributed.placement import chosen, record
from mlsys_assets.models.distributed.watched import watched
from mlsys_assets.models.shipped import Shipped


@dataclass(frozen=True)
class OneTask:
    """A candidate that a worker fits alone.

    Parameters
    ----------
    candidate
        What is fitted.
    client
        The cluster's client.
    """

    candidate: Candidate
    client: Any

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.fit`` gives there."""
        require_train(train, what=self.candidate.name)
        require_validation(validation, what=self.candidate.name)
        return self._there(_fitted, train, validation, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.refit`` gives there."""
        require_train(train, what=self.candidate.name)
        return self._there(partial(_refitted, recipe=dict(recipe)), train, seed=seed, threads=threads)

    def _there(self, function: Any, train: Train, *rows: Validation, seed: int, threads: int) -> Fitted:
        name, client = self.candidate.name, self.client
        (worker,) = chosen(client, 1, what=name)
        sent = client.scatter([self.candidate, train, *rows], workers=[worker], hash=False)
        task = client.submit(function, *sent, seed=seed, threads=threads, workers=[worker], pure=False)
        try:
            shipped: Shipped = watched(task.result, client, [worker], what=name)
        finally:
            if client.status == "running":
                client.cancel([task, *sent])
        fitted = shipped.fitted()
        return replace(fitted, params={**fitted.params, **record(1, [len(train)])})


def _fitted(candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Shipped:
    return Shipped.of(candidate.fit(train, validation, seed=seed, threads=threads))


def _refitted(candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Shipped:
    return Shipped.of(candidate.refit(train, recipe=recipe, seed=seed, threads=threads))
