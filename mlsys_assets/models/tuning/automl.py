"""The best of several families of models, each tuned with the same number of trials."""

from dataclasses import dataclass, replace

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.mistakes import alike, none_of, not_all, not_one, sound
from mlsys_assets.models.bundle import PREDICTOR_KINDS
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.held import TRIALS
from mlsys_assets.models.tuning.leaderboard import Leaderboard, Standing
from mlsys_assets.models.tuning.pruners import Pruner
from mlsys_assets.models.tuning.samplers import Sampler, Tpe
from mlsys_assets.models.tuning.search import Found, NothingFound, SearchContext
from mlsys_assets.models.tuning.space import Space
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.models.watch import Prunable

WINNER = "winner"
"""The recipe's entry that names the family that won."""


@dataclass(frozen=True)
class Family:
    """A kind of model, and what may be tried of it.

    Parameters
    ----------
    candidate
        What is fitted; the family is called by its name.
    space
        The values of each setting by its name.
    """

    candidate: Candidate
    space: Space


@dataclass(frozen=True)
class AutoML:
    """The best of several families, each with its settings searched by the same number of trials.

    The choice of family and settings at once is the CASH problem (Thornton et al. 2013). Here no family is given more
    trials for having begun well: all are compared at equal budgets, and the leaderboard can be believed.

    Parameters
    ----------
    families
        What is tried.
    trials
        How many settings of each family; the recipe's number of trials is that of all.
    sampler
        What is tried next.
    pruner
        What is given up on the way, in those families that tell their loss.
    seconds
        No trial of a family begins once its trials together have taken so long.
    name
        What it is called.
    metric
        What the best is chosen by.
    parallel
        So many trials are proposed at once.
    """

    families: tuple[Family, ...]
    trials: int = 20
    sampler: Sampler = Tpe()
    pruner: Pruner | None = None
    seconds: float | None = None
    name: str = "automl"
    metric: Metric = LogLoss()
    parallel: int = 1

    @property
    def baseline(self) -> bool:
        """It is a model."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """What any of its families needs."""
        return tuple(dict.fromkeys(name for tuned in self.tuned for name in tuned.needs))

    @property
    def kind(self) -> str:
        """The first family's; which one wins only the fit will tell."""
        return self.tuned[0].kind if self.tuned else ""

    @property
    def tuned(self) -> tuple[Tuned, ...]:
        """Each family as a tuned candidate by its own name."""
        return tuple(
            Tuned(
                f.candidate, f.space, self.trials, self.sampler,
                self.pruner if isinstance(f.candidate, Prunable) else None,
                self.seconds, f.candidate.name, self.metric, self.parallel,
            )
            for f in sound(self.families, Family)
        )  # fmt: skip

    def unbounded(self) -> Candidate | None:
        """Return the first family's candidate, freed."""
        return self.tuned[0].unbounded()

    def brief(self) -> Candidate:
        """Return the first family's candidate, brief: a search asks how well, not how it learns."""
        return self.tuned[0].brief()

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the families' included."""
        what = f"candidate {self.name!r}"
        found = not_all(f"{what}: families", self.families, Family)
        for i, family in enumerate(sound(self.families, Family)):
            found += not_one(f"{what}: families[{i}]: candidate", family.candidate, Candidate)
        if found:
            return found
        if not self.families:
            return [f"{what}: families are empty; give two or more"]
        for tuned in self.tuned:
            found += none_of(f"{what}: the kind of {tuned.name!r}", tuned.kind, PREDICTOR_KINDS)
        found += alike("candidate", [t.name for t in self.tuned])
        found += [f"{what}: {mistake}" for tuned in self.tuned for mistake in tuned.mistakes()]
        return list(dict.fromkeys(found))

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return the best family's best model; raises FitError if no family could be fitted."""
        return self.fit_with(train, validation, seed=seed, threads=threads, context=SearchContext())

    def fit_with(
        self, train: Train, validation: Validation, *, seed: int, threads: int, context: SearchContext
    ) -> Fitted:
        """Return what ``fit`` returns; the context says where trials are kept and made, and who hears of them."""
        return self.compete(train, validation, seed=seed, threads=threads, context=context)[0]

    def compete(
        self, train: Train, validation: Validation, *, seed: int, threads: int, context: SearchContext
    ) -> tuple[Fitted, Leaderboard]:
        """Return the best model and how all families stand; a family that could not be fitted stands last."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        standings, best = list[Standing](), dict[str, Fitted]()
        for tuned in self.tuned:
            own = replace(tuned, name=f"{self.name}_{tuned.name}")  # journals and progress tell whose search it is
            try:
                found = own.search(train, validation, seed=seed, threads=threads, context=context)
            except NothingFound as error:
                seconds = sum(trial.seconds for trial in error.trials)
                standings.append(Standing(tuned.name, None, len(error.trials), seconds, note=str(error)))
                continue
            standings.append(_standing(tuned.name, found))
            best[tuned.name] = own.fitted(found)
        board = Leaderboard.of(standings, self.metric)
        winner = board.standings[0]
        if winner.best is None:
            raise FitError(f"{self.name}: no family could be fitted: " + "; ".join(s.note for s in standings))
        return self._named(best[winner.family], winner.family, board), board

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit the family that won on all rows with the settings found."""
        check_train(train, what=self.name)
        by_name = {tuned.name: tuned for tuned in self.tuned}
        winner = recipe.get(WINNER)
        if winner not in by_name:
            raise ValueError(
                f"{self.name} is refitted by a recipe with a {WINNER!r} of {list(by_name)}, got {winner!r}"
            )
        own = {name: value for name, value in recipe.items() if name != WINNER}
        fitted = by_name[str(winner)].refit(train, recipe=own, seed=seed, threads=threads)
        return replace(fitted, candidate=self.name, recipe={**fitted.recipe, WINNER: winner})

    def _named(self, fitted: Fitted, winner: str, board: Leaderboard) -> Fitted:
        """Return the winner's model under this name; all trials count, those of the losers too."""
        trials = sum(s.trials for s in board.standings)
        return replace(
            fitted,
            candidate=self.name,
            params={**fitted.params, "leaderboard": board.line},
            recipe={**fitted.recipe, TRIALS: trials, WINNER: winner},
        )


def _standing(family: str, found: Found) -> Standing:
    seconds = sum(trial.seconds for trial in found.trials)
    return Standing(family, found.best.value, len(found.trials), seconds, found.best.params, found.ended)
