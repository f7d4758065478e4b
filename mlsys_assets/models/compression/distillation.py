"""Distillation: a small model fitted on what a large one says of rows that it never saw (Hinton et al. 2015)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.folds import FoldError, Splitter
from mlsys_assets.data_sampling.time_folds import BlockedFolds
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import LogLoss, value
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.debugging import brief_of, freed
from mlsys_assets.models.held import trials_of
from mlsys_assets.models.soft_labels import Floats, SoftLearner
from mlsys_assets.types import Scalar, days

TEACHER, STUDENT = "teacher", "student"
"""The recipe's entries: what each of the two found, as JSON text."""
A_DAY = days(1)


@dataclass(frozen=True)
class Distillation:
    """A student fitted on a teacher's probabilities of rows that the teacher was not fitted on.

    A teacher is sure of rows that it was fitted on, and so tells little more of them than their labels. So it is
    fitted once on train, which finds its recipe, and again for each fold, by that recipe, on what the fold leaves;
    rows that no fold validates are left out.

    Parameters
    ----------
    teacher
        What tells the probabilities.
    student
        What is fitted on them, and becomes the model.
    folds
        How train is cut.
    hard_share
        How much of what the student is fitted on is the label itself.
    """

    teacher: Candidate
    student: SoftLearner
    folds: Splitter = field(default_factory=lambda: BlockedFolds(4, A_DAY))
    hard_share: float = 0.0

    @property
    def name(self) -> str:
        """The student's name, and that it was taught."""
        return f"{self.student.name}_distilled"

    @property
    def baseline(self) -> bool:
        """It is a model."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that either of the two needs."""
        return tuple(dict.fromkeys((*self.student.needs, *self.teacher.needs)))

    @property
    def kind(self) -> str:
        """The student's."""
        return self.student.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the two candidates' and the folds' included."""
        wrong = not_one("a distillation: teacher", self.teacher, Candidate)
        wrong += not_one("a distillation: student", self.student, SoftLearner)
        wrong += not_one("a distillation: folds", self.folds, Splitter)
        if wrong:
            return wrong
        what = f"candidate {self.name!r}"
        found = out_of_range(f"{what}: hard_share", self.hard_share, least=0, most=1)
        if self.hard_share == 1.0:
            found.append(f"{what}: hard_share is 1, which is what {self.student.name!r} does alone; give less")
        found += [f"{what}: {mistake}" for mistake in self.folds.mistakes()]
        return found + self.teacher.mistakes() + self.student.mistakes()

    def unbounded(self) -> Candidate | None:
        """Return the student, freed: a teacher would not make it learn by heart."""
        return freed(self.student)

    def brief(self) -> Candidate:
        """Return the same of two brief candidates, where they can be had."""
        student = brief_of(self.student)
        own = student if isinstance(student, SoftLearner) else self.student
        return replace(self, teacher=brief_of(self.teacher), student=own)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit the teacher, then the student on its out-of-fold probabilities; both choose on validation."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        taught = self.teacher.fit(train, validation, seed=seed, threads=threads)
        seen, soft = self.soft_labels(train, recipe=taught.recipe, seed=seed, threads=threads)
        fitted = self.student.fit_soft(seen, soft, validation, seed=seed, threads=threads)
        return self._fitted(fitted, taught.recipe, soft)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit both by their recipes."""
        check_train(train, what=self.name)
        teacher, student = (self._read(recipe, part) for part in (TEACHER, STUDENT))
        seen, soft = self.soft_labels(train, recipe=teacher, seed=seed, threads=threads)
        return self._fitted(
            self.student.refit_soft(seen, soft, recipe=student, seed=seed, threads=threads), teacher, soft
        )

    def fit_control(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit the student on the labels of the same rows: what distillation must beat."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        seen = train.take(np.sort(np.concatenate([rows for rows, _, _ in self._folds(train)])))
        return self.student.fit(seen, validation, seed=seed, threads=threads)

    def soft_labels(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> tuple[Train, Floats]:
        """Return the rows that some fold validates, and (n,) what the teacher, fitted on the fold's others, says.

        Raises FitError for rows that cannot be cut, and for a fold that the teacher cannot be fitted on.
        """
        places, said = [], []
        for rows, fold_train, name in self._folds(train):
            try:
                teacher = self.teacher.refit(fold_train, recipe=recipe, seed=seed, threads=threads)
            except FitError as error:
                raise FitError(f"{self.name}: the teacher of the fold {name}: {error}") from error
            places.append(rows)
            said.append(teacher.predict(train.take(rows).features, threads=threads))
        order = np.argsort(place := np.concatenate(places))
        seen = train.take(place[order])
        return seen, (1.0 - self.hard_share) * np.concatenate(said)[order] + self.hard_share * seen.label

    def _folds(self, train: Train) -> list[tuple[NDArray[np.intp], Train, str]]:
        """Return for each fold the places of its validated rows, what it is trained on, and its name."""
        try:
            cut = list(self.folds.folds(train))
        except FoldError as error:
            raise FitError(f"{self.name}: {error}") from error
        places = [pc.index_in(fold.validation.ids, value_set=train.ids).to_numpy().astype(np.intp) for fold in cut]
        return [(rows, fold.train, fold.name) for rows, fold in zip(places, cut, strict=True)]

    def _read(self, recipe: Recipe, part: str) -> Recipe:
        text = recipe.get(part)
        if not isinstance(text, str):
            raise ValueError(f"{self.name} is refitted by a recipe with a {part!r}, got {dict(recipe)}")
        return msgspec.json.decode(text, type=dict[str, str | int | float | bool | None])

    def _fitted(self, fitted: Fitted, teacher: Recipe, soft: Floats) -> Fitted:
        record: dict[str, Scalar] = {
            "teacher": self.teacher.name,
            "soft_rows": len(soft),
            "soft_mean": float(soft.mean()),
            "hard_share": self.hard_share,
        }
        recipe: dict[str, Scalar] = {part: msgspec.json.encode(found).decode() for part, found in
                  ((TEACHER, dict(teacher)), (STUDENT, dict(fitted.recipe)))}  # fmt: skip
        recipe |= trials_of(teacher, fitted.recipe)
        return replace(fitted, candidate=self.name, params={**fitted.params, **record}, recipe=recipe)


@dataclass(frozen=True)
class Taught:
    """What distillation gave over the same student fitted on labels.

    Parameters
    ----------
    student
        The student's name.
    gain
        Log loss of the distilled student minus that of the other, over all seeds: below 0 the teacher helped.
    by_seed
        The same for each seed.
    """

    student: str
    gain: Estimate
    by_seed: tuple[float, ...]

    def __str__(self) -> str:
        if not self.gain.sufficient:
            return f"{self.student}: whether distillation helps cannot be told: {self.gain}"
        told = f"{self.student}: log loss {self.gain.value:+.5f} [{self.gain.low:+.5f}, {self.gain.high:+.5f}]"
        if self.gain.high < 0:
            return f"{told} against the same size fitted on labels: distillation pays"
        if self.gain.low > 0:
            return f"{told} against the same size fitted on labels: distillation costs"
        return f"{told} against the same size fitted on labels: no difference that these days can tell"


def compare_with_control(
    distillation: Distillation, train: Train, validation: Validation, *, seeds: Sequence[int], threads: int
) -> Taught:
    """Fit the distilled student and its control with each seed, and return how their log losses differ on validation.

    Days are drawn, each with the rows of all seeds. Where a student stops on validation, both of the two do.
    """
    scores: list[tuple[Floats, Floats]] = []
    for seed in seeds:
        pair = [
            fit(train, validation, seed=seed, threads=threads) for fit in (distillation.fit, distillation.fit_control)
        ]
        taught, control = (one.predict(validation.features, threads=threads) for one in pair)
        scores.append((taught, control))
    label, at = np.tile(validation.label, len(scores)), np.tile(validation.at, len(scores))
    pooled = np.concatenate([one for one, _ in scores]), np.concatenate([other for _, other in scores])
    gain = difference(LogLoss(), label, pooled, weights=bootstrap(day_blocks(at), seed=min(seeds)))
    gain = replace(gain, rows=len(validation), positives=int(validation.label.sum()))
    each = (value(LogLoss(), validation.label, a) - value(LogLoss(), validation.label, b) for a, b in scores)
    return Taught(distillation.student.name, gain, tuple(each))
