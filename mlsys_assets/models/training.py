"""Where candidates are fitted: in this process, or on the workers of a cluster; a candidate does not know."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe

Item = TypeVar("Item")
Result = TypeVar("Result")


class Training(Protocol):
    """Fits candidates: equal candidates, rows and seeds give equal models, wherever that happens."""

    def fit(self, candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.fit`` gives; raises what it raises."""
        ...

    def refit(self, candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.refit`` gives; raises what it raises."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | FitError]:
        """Return the results in the items' order, the error itself where one could not be fitted."""
        ...


@dataclass(frozen=True)
class LocalTraining:
    """Fits in this process.

    >>> LocalTraining().map(abs, [-1, 2])
    [1, 2]
    """

    def fit(self, candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.fit`` gives."""
        return candidate.fit(train, validation, seed=seed, threads=threads)

    def refit(self, candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.refit`` gives."""
        return candidate.refit(train, recipe=recipe, seed=seed, threads=threads)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | FitError]:
        """Return the results one after another."""
        return [attempted(function, item) for item in items]


def attempted(function: Callable[[Item], Result], item: Item) -> Result | FitError:
    """Return what the function gives, or the FitError that it raises."""
    try:
        return function(item)
    except FitError as error:
        return error
