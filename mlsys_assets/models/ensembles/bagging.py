"""Bagging: one candidate fitted many times on days drawn anew, and the mean of what the fits say."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np

from mlsys_assets.data_sampling.block_bootstrap import resample
from mlsys_assets.data_sampling.oversampling import require_original
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import A_DAY
from mlsys_assets.mistakes import not_long, not_one, out_of_range
from mlsys_assets.models.blend import BlendPredictor
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.debugging import brief_of
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.held import held, joined, own
from mlsys_assets.types import Scalar

LEAST_FITS: Final = 2
MOST_FITS: Final = 500
"""Beyond, another fit moves the mean by less than what is put on record of it."""
LARGEST_SEED: Final = 2**31 - 1
"""LightGBM takes no larger one."""


@dataclass(frozen=True)
class Bagging:
    """The mean of ``n`` fits of a candidate, each on blocks of time drawn with replacement (Breiman 1996).

    It helps a candidate whose fits differ much from draw to draw, such as deep trees, and hardly one that is stable.
    Each fit is chosen on the same validation rows, where its candidate chooses. A refit draws by the same seeds from
    the rows it is given, each fit by its own recipe.

    Parameters
    ----------
    candidate
        What is fitted.
    n
        How many times.
    block
        What is drawn: rows of one block of time depend on each other and are drawn together.
    """

    candidate: Candidate
    n: int = 10
    block: timedelta = A_DAY
    name: str = "bagging"

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
        """A blend in which each fit counts alike."""
        return BlendPredictor.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the candidate's included."""
        what = f"candidate {self.name!r}"
        found = out_of_range(f"{what}: n", self.n, whole=True, least=LEAST_FITS, most=MOST_FITS)
        found += not_long(f"{what}: block", self.block)
        if wrong := not_one(f"{what}: candidate", self.candidate, Candidate):
            return found + wrong
        if self.candidate.kind == self.kind:
            found.append(f"{what}: {self.candidate.name!r} is a blend already; bag its parts instead")
        if any(isinstance(one, Stacking | Distillation) for one in held(self.candidate)):
            found.append(f"{what}: {self.candidate.name!r} cuts folds, which rows drawn anew cannot be; bag its parts")
        return found + self.candidate.mistakes()

    @property
    def randomized(self) -> bool:
        """Days are drawn."""
        return True

    def brief(self) -> "Bagging":
        """Return the same of two brief fits."""
        return replace(self, candidate=brief_of(self.candidate), n=LEAST_FITS)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit each time on other draws of train; raises TypeError for rows that were drawn anew already."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        require_original(train, what=self.name)
        fitted = {}
        for name, (draw, own_seed) in self._seeds(seed).items():
            drawn = resample(train, seed=draw, block=self.block)
            try:
                fitted[name] = self.candidate.fit(drawn, validation, seed=own_seed, threads=threads)
            except FitError as error:
                raise FitError(f"{self.name}: {name}: {error}") from error
        return self._fitted(fitted)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit each time on other draws of all rows, by its recipe."""
        check_train(train, what=self.name)
        require_original(train, what=self.name)
        fitted = {}
        for name, (draw, own_seed) in self._seeds(seed).items():
            drawn = resample(train, seed=draw, block=self.block)
            try:
                fitted[name] = self.candidate.refit(drawn, recipe=own(recipe, name), seed=own_seed, threads=threads)
            except FitError as error:
                raise FitError(f"{self.name}: {name}: {error}") from error
        return self._fitted(fitted)

    def _seeds(self, seed: int) -> dict[str, tuple[int, int]]:
        """Return by the fit's name, in the names' order, the seeds of its draw and of itself."""
        drawn = np.random.default_rng(seed).integers(LARGEST_SEED, size=(MOST_FITS, 2)).tolist()
        return {f"fit_{i:03d}": (draw, own_seed) for i, (draw, own_seed) in enumerate(drawn[: self.n])}

    def _fitted(self, fitted: dict[str, Fitted]) -> Fitted:
        told: dict[str, Scalar] = {"n": self.n, "block": str(self.block)}
        first = next(iter(fitted.values()))
        return Fitted(
            self.name,
            BlendPredictor(tuple((name, one.predictor) for name, one in fitted.items()), (1 / self.n,) * self.n),
            params={**first.params, **told},
            recipe=joined({name: one.recipe for name, one in fitted.items()}),
        )
