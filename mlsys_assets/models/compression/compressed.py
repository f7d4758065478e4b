"""A candidate that is made smaller or faster once it is fitted."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from mlsys_assets.data_sampling.views import Train, Validation, require_train
from mlsys_assets.mistakes import not_one
from mlsys_assets.models.candidate import (
    Candidate,
    FitError,
    Fitted,
    Recipe,
    check_train,
    check_validation,
    failures_told,
)
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.debugging import brief_of, freed
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.types import Scalar


@runtime_checkable
class MakesAnotherKind(Protocol):
    """A method whose models are of another kind than what they were made of."""

    def kind_of(self, kind: str) -> str:
        """Return the kind of what it makes of a model of a kind."""
        ...


@dataclass(frozen=True)
class Compressed:
    """A candidate whose fitted model is compressed, with the training rows at hand.

    It competes as a candidate of its own: under the same gates, so that what was saved is seen beside what it cost.
    The recipe is the candidate's: a method searches nothing, so that a refit has nothing to search again.

    Parameters
    ----------
    candidate
        What is fitted. To calibrate the compressed model, calibrate this candidate, not that one.
    method
        How its model becomes smaller or faster.

    >>> from mlsys_assets.models.compression.truncation import Truncation
    >>> from mlsys_assets.models.gradient_boosting import LightGBM
    >>> Compressed(LightGBM(), Truncation(rounds=40)).name
    'lightgbm_first_40_trees'
    """

    candidate: Candidate
    method: CompressionMethod

    @property
    def name(self) -> str:
        """The candidate's name and the method's."""
        return f"{self.candidate.name}_{self.method.name}"

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
        """What the method makes of the candidate's, where it says so; else the candidate's."""
        own = self.candidate.kind
        return self.method.kind_of(own) if isinstance(self.method, MakesAnotherKind) else own

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the candidate's and the method's included."""
        wrong = not_one("a compressed candidate: candidate", self.candidate, Candidate)
        wrong += not_one("a compressed candidate: method", self.method, CompressionMethod)
        if wrong:
            return wrong
        own = [f"candidate {self.name!r}: {mistake}" for mistake in self.method.mistakes()]
        return own + self.candidate.mistakes()

    def unbounded(self) -> Candidate | None:
        """Return what is compressed, freed: a smaller model need not hold what it learned by heart."""
        return freed(self.candidate)

    def brief(self) -> Candidate:
        """Return what is compressed, brief: a method changes nothing of how it learns."""
        return brief_of(self.candidate)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit the candidate and compress its model; raises FitError where the method does not apply to it."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        return self._compressed(self.candidate.fit(train, validation, seed=seed, threads=threads), train, seed, threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit the candidate by its recipe and compress its model."""
        check_train(train, what=self.name)
        within = self.candidate.refit(train, recipe=recipe, seed=seed, threads=threads)
        return self._compressed(within, train, seed, threads)

    def _compressed(self, within: Fitted, train: Train, seed: int, threads: int) -> Fitted:
        try:
            made = compress(self.method, within.predictor, train, seed=seed, threads=threads)
        except FitError as error:
            raise FitError(f"{self.name}: {error}") from error
        record: dict[str, Scalar] = {
            "compression": self.method.name,
            "bytes_before": size_of(within.predictor),
            "bytes_after": size_of(made),
        }
        return replace(within, candidate=self.name, predictor=made, params={**within.params, **record})


def compress(method: CompressionMethod, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
    """Return the smaller model; raises FitError where the method does not apply, or what it calls fails."""
    require_train(train, what=method.name)
    with failures_told(method.name):
        return method.compress(predictor, train, seed=seed, threads=threads)


def size_of(predictor: Predictor) -> int:
    """Return how many bytes the files of a model have."""
    return sum(map(len, predictor.contents().values()))
