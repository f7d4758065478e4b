"""Stacking: bases that say what they think of later rows, and a meta learner that learns whom to believe."""

from dataclasses import dataclass, field, replace

import msgspec

from mlsys_assets.data_sampling.folds import FoldError
from mlsys_assets.data_sampling.oversampling import require_original
from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.mistakes import alike, misnamed, not_all, not_one, sound
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.debugging import brief_of
from mlsys_assets.models.ensembles.meta import LogisticMeta, read_line
from mlsys_assets.models.ensembles.out_of_fold import score_out_of_fold
from mlsys_assets.models.held import held, joined, own
from mlsys_assets.models.stack_predictor import MOST_PARTS, Line, StackPredictor
from mlsys_assets.types import Scalar

LINE = "meta"
"""The recipe's entry that holds the meta learner's line, as JSON text."""
LEAST_BASES = 2
"""With one there is nobody else to believe."""


@dataclass(frozen=True)
class Stacking:
    """A line of its bases' log-odds, learned from what they say of rows later than all they were fitted on.

    Each base is fitted on train and chosen on validation, as it would be alone. Its recipe is then fitted again on
    the rows before each fold and scores the fold's, and from these scores alone the meta learner learns
    (Wolpert 1992). Folds walk forward: a base that also saw later rows would be believed for what it cannot know
    when it is used. That costs a fit of each base a fold, of earlier rows only.

    A refit takes the line over from the recipe, without new folds: what passed the gate is these weights, new ones
    would cost as much again as the bases and be judged by nobody.

    Parameters
    ----------
    candidates
        The bases; two or more, and no stack among them or within them.
    folds
        How train is walked through; its embargo is the longest time a label may take.
    meta
        What learns whom to believe.
    """

    candidates: tuple[Candidate, ...]
    folds: WalkForward
    meta: LogisticMeta = field(default_factory=LogisticMeta)
    name: str = "stack"

    @property
    def baseline(self) -> bool:
        """It is a model, were all its bases baselines."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that any base names, each once."""
        return tuple(dict.fromkeys(column for c in sound(self.candidates, Candidate) for column in c.needs))

    @property
    def kind(self) -> str:
        """Models and a line."""
        return StackPredictor.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the bases' included."""
        what = f"candidate {self.name!r}"
        found = not_all(f"{what}: candidates", self.candidates, Candidate)
        bases = sound(self.candidates, Candidate)
        if not found and not LEAST_BASES <= len(bases) <= MOST_PARTS:
            found.append(f"{what}: {len(bases)} bases; give {LEAST_BASES} to {MOST_PARTS}")
        found += alike("base", (base.name for base in bases))
        for base in bases:
            found += misnamed(f"{what}: a base", base.name) + base.mistakes()
            if any(isinstance(one, Stacking) for one in held(base)):
                found.append(f"{what}: its base {base.name!r} holds a stack; give that one's bases instead")
        found += not_one(f"{what}: folds", self.folds, WalkForward) or [f"{what}: {m}" for m in self.folds.mistakes()]
        return found + (not_one(f"{what}: meta", self.meta, LogisticMeta) or self.meta.mistakes(f"{what}: meta"))

    def brief(self) -> "Stacking":
        """Return the same of brief bases, where they can be had; of bases that are then called alike, the last."""
        return replace(self, candidates=tuple({one.name: one for one in map(brief_of, self.candidates)}.values()))

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit the bases, then the line; raises TypeError for rows drawn anew, whose copies could be on both sides."""
        check_train(train, what=self.name)
        require_original(train, what=self.name)
        check_validation(validation, what=self.name)
        try:
            fitted = [c.fit(train, validation, seed=seed, threads=threads) for c in self.candidates]
            bases = [(c, one.recipe) for c, one in zip(self.candidates, fitted, strict=True)]
            scored = score_out_of_fold(bases, train, self.folds, seed=seed, threads=threads)
            line = self.meta.fit(scored)
        except (FitError, FoldError) as error:
            raise FitError(f"{self.name}: {error}") from error
        return self._fitted(fitted, line, {"out_of_fold_rows": len(scored.label)})

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit the bases on all rows by their recipes, with the line that was learned before."""
        check_train(train, what=self.name)
        line = read_line(recipe.get(LINE))
        if list(line.weights) != [c.name for c in self.candidates]:
            raise ValueError(f"{self.name} has bases {[c.name for c in self.candidates]}, the recipe {dict(recipe)}")
        try:
            fitted = [c.refit(train, recipe=own(recipe, c.name), seed=seed, threads=threads) for c in self.candidates]
        except FitError as error:
            raise FitError(f"{self.name}: {error}") from error
        return self._fitted(fitted, line, {})

    def _fitted(self, fitted: list[Fitted], line: Line, rows: dict[str, Scalar]) -> Fitted:
        declared: dict[str, Scalar] = {
            "folds": f"{self.folds.count} of {self.folds.validation.days} days, embargo {self.folds.embargo}",
            "meta_penalty": self.meta.penalty,
            "meta_non_negative": self.meta.non_negative,
            "meta_intercept": line.intercept,
        }
        weights: dict[str, Scalar] = {f"{name}.meta_weight": weight for name, weight in line.weights.items()}
        told = {f"{one.candidate}.{key}": value for one in fitted for key, value in one.params.items()}
        return Fitted(
            self.name,
            StackPredictor(tuple((one.candidate, one.predictor) for one in fitted), line),
            params={**told, **declared, **weights, **rows},
            recipe={**joined({one.candidate: one.recipe for one in fitted}), LINE: msgspec.json.encode(line).decode()},
        )
