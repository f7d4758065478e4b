"""A candidate that is fitted elsewhere: it stands in its place within another, which need not know."""

from dataclasses import dataclass
from typing import Protocol

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe


class Fits(Protocol):
    """What fits a candidate somewhere; as a candidate itself does here."""

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train and choose on validation."""
        ...

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows by a recipe."""
        ...


@dataclass(frozen=True)
class Placed:
    """A candidate, and what fits it.

    Parameters
    ----------
    candidate
        What is fitted.
    by
        What fits it.
    """

    candidate: Candidate
    by: Fits

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    @property
    def baseline(self) -> bool:
        """What the candidate is."""
        return self.candidate.baseline

    @property
    def needs(self) -> tuple[str, ...]:
        """The candidate's."""
        return self.candidate.needs

    @property
    def kind(self) -> str:
        """The candidate's."""
        return self.candidate.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the candidate."""
        return self.candidate.mistakes()

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit it there."""
        return self.by.fit(train, validation, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Refit it there."""
        return self.by.refit(train, recipe=recipe, seed=seed, threads=threads)
