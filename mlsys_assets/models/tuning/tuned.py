"""A candidate whose settings are searched."""

import json
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.mistakes import not_one
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe, check_train
from mlsys_assets.models.debugging import brief_of, freed
from mlsys_assets.models.held import TRIALS, held
from mlsys_assets.models.tuning.plan import Plan
from mlsys_assets.models.tuning.pruners import Pruner
from mlsys_assets.models.tuning.samplers import Sampler, Tpe
from mlsys_assets.models.tuning.search import Found, Search, SearchContext
from mlsys_assets.models.tuning.settings import Settings, with_settings
from mlsys_assets.models.tuning.space import Space
from mlsys_assets.models.tuning.trial import counted
from mlsys_assets.models.watch import Prunable
from mlsys_assets.types import Scalar

TUNED = "tuned"
"""The recipe's entry that holds the settings found, as JSON text; how many were tried stands beside it."""


@runtime_checkable
class Searching(Protocol):
    """A candidate that searches before it fits, and can be given a journal and somebody to tell."""

    def fit_with(
        self, train: Train, validation: Validation, *, seed: int, threads: int, context: SearchContext
    ) -> Fitted:
        """Return what ``fit`` returns, whatever the context; raises what ``fit`` raises."""
        ...


@dataclass(frozen=True)
class Tuned:
    """A candidate whose settings are searched on train and validation; test rows cannot be handed to it.

    A refit uses what was found, and searches nothing.

    Parameters
    ----------
    candidate
        What is fitted.
    space
        The values of each setting by its name; ``more.max_bin`` and ``candidate.leaves`` lead within.
    trials
        How many settings are tried: the budget that it is compared by.
    sampler
        What is tried next: ``Tpe()``, ``RandomSearch()`` or ``GridSearch()``.
    pruner
        What is given up on the way: ``MedianPruner()``, ``HalvingPruner()`` or nothing.
    seconds
        No trial begins once the trials together have taken so long. What is found then depends on the machine, and
        the record says so.
    name
        What it is called.
    metric
        What the best is chosen by.
    parallel
        So many trials are proposed at once. Another number is another search.

    >>> from mlsys_assets.models.gradient_boosting import LightGBM
    >>> from mlsys_assets.models.tuning.space import Integers
    >>> Tuned(LightGBM(), {"leafs": Integers(7, 63)}).mistakes()[0][-22:]
    "Did you mean 'leaves'?"
    """

    candidate: Candidate
    space: Space
    trials: int = 20
    sampler: Sampler = Tpe()
    pruner: Pruner | None = None
    seconds: float | None = None
    name: str = "tuned"
    metric: Metric = LogLoss()
    parallel: int = 1

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
        """The candidate's: no setting may change it."""
        return self.candidate.kind

    @property
    def plan(self) -> Plan:
        """What the search tries, and how."""
        return Plan(
            self.space, self.trials, self.sampler, self.pruner, self.seconds, self.metric, self.parallel
        )  # fmt: skip

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the candidate's included."""
        what = f"candidate {self.name!r}"
        if wrong := not_one(f"{what}: candidate", self.candidate, Candidate):
            return wrong
        found = self.plan.mistakes(self.candidate, what=what)
        if any(isinstance(one, Searching) for one in held(self.candidate)):
            found.append(f"{what} tunes {self.candidate.name!r}, which searches already; give one of the two the space")
        if self.pruner is not None and not isinstance(self.candidate, Prunable):
            found.append(f"{what}: {self.candidate.name!r} tells no loss on its way; leave the pruner away")
        return found + self.candidate.mistakes()

    def unbounded(self) -> Candidate | None:
        """Return what is tuned, freed: a search would not make it learn by heart."""
        return freed(self.candidate)

    def brief(self) -> Candidate:
        """Return what is tuned, brief, as it is declared: a search asks how well, not how it learns."""
        return brief_of(self.candidate)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return the best trial's model under this name; raises FitError if no trial could be fitted."""
        return self.fit_with(train, validation, seed=seed, threads=threads, context=SearchContext())

    def fit_with(
        self, train: Train, validation: Validation, *, seed: int, threads: int, context: SearchContext
    ) -> Fitted:
        """Return what ``fit`` returns; the context says where trials are kept and made, and who hears of them."""
        return self.fitted(self.search(train, validation, seed=seed, threads=threads, context=context))

    def search(self, train: Train, validation: Validation, *, seed: int, threads: int, context: SearchContext) -> Found:
        """Return all that the search found; raises FitError if no trial could be fitted."""
        return Search(self.name, self.candidate, self.plan, context).run(
            train, validation, seed=seed, threads=threads
        )  # fmt: skip

    def fitted(self, found: Found) -> Fitted:
        """Return the best model under this name, and what a refit needs of it."""
        told: dict[str, Scalar] = {
            "search": "; ".join(filter(None, [counted(found.trials), found.ended])),
            "sampler": repr(self.sampler),
            "pruner": repr(self.pruner),
            "best trial": found.best.number + 1,
            f"best trial validation {self.metric.name}": found.best.value,
        }
        return replace(
            found.fitted,
            candidate=self.name,
            params={**found.fitted.params, **told},
            recipe=self._recipe(found.fitted.recipe, found.best.params, len(found.trials)),
        )

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit the candidate on all rows with the settings found."""
        check_train(train, what=self.name)
        settings, trials = _read(recipe, what=self.name)
        own = {name: value for name, value in recipe.items() if name not in {TUNED, TRIALS}}
        fitted = with_settings(self.candidate, settings).refit(train, recipe=own, seed=seed, threads=threads)
        return replace(fitted, candidate=self.name, recipe=self._recipe(fitted.recipe, settings, trials))

    def _recipe(self, own: Recipe, settings: Settings, trials: int) -> Recipe:
        return {**own, TUNED: json.dumps(dict(settings), sort_keys=True), TRIALS: trials}


def _read(recipe: Recipe, *, what: str) -> tuple[Settings, int]:
    """Return the settings and the number of trials in a recipe; raises ValueError for another's."""
    text, trials = recipe.get(TUNED), recipe.get(TRIALS)
    settings = json.loads(text) if isinstance(text, str) else None
    if not isinstance(settings, dict) or not isinstance(trials, int):
        raise ValueError(f"{what} is refitted by a recipe with {TUNED!r} and {TRIALS!r}, got {dict(recipe)}")
    return settings, trials
