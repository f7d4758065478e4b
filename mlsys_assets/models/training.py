"""Where candidates are fitted: in this process, or on the workers of a cluster; a candidate does not know."""

from dataclasses import dataclass
from typing import Protocol

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe


class Training(Protocol):
    """Fits candidates: equal candidates, rows and seeds give equal models, wherever that happens."""

    def fit(self, candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.fit`` gives; raises what it raises."""
        ...

    def refit(self, candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.refit`` gives; raises what it raises."""
        ...


@dataclass(frozen=True)
class LocalTraining:
    """Fits in this process."""

    def fit(self, candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.fit`` gives."""
        return candidate.fit(train, validation, seed=seed, threads=threads)

    def refit(self, candidate: Candidate, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return what ``candidate.refit`` gives."""
        return candidate.refit(train, recipe=recipe, seed=seed, threads=threads)
