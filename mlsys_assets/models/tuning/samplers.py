"""What is tried next: a grid, chance, or a model of what was good so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.tuning.optuna_study import study_of
from mlsys_assets.models.tuning.settings import Settings
from mlsys_assets.models.tuning.space import Space
from mlsys_assets.models.tuning.trial import Trial


@runtime_checkable
class Sampler(Protocol):
    """Proposes settings; frozen, and equal inputs give equal proposals."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def propose(
        self, space: Space, finished: Sequence[Trial], *, metric: Metric, seed: int, n: int
    ) -> tuple[Settings, ...]:
        """Return the next n settings, or fewer if there are no more.

        Of more asked at once the first are the same. Nothing is remembered between two calls.
        """
        ...


@dataclass(frozen=True)
class GridSearch:
    """Every combination of evenly spread values, in an order that the seed shuffles; each once.

    Parameters
    ----------
    levels
        Values of each setting that is a range; a choice has all of its own.
    """

    levels: int = 4

    def mistakes(self, what: str) -> list[str]:
        """Return levels below 1."""
        return out_of_range(f"{what}: levels", self.levels, whole=True, least=1)

    def propose(
        self, space: Space, finished: Sequence[Trial], *, metric: Metric, seed: int, n: int
    ) -> tuple[Settings, ...]:
        """Return the next n combinations."""
        names = sorted(space)
        every = list(product(*(space[name].levels(self.levels) for name in names)))
        order = np.random.default_rng(seed).permutation(len(every))[len(finished) : len(finished) + n]
        return tuple(dict(zip(names, every[k], strict=True)) for k in order)


@dataclass(frozen=True)
class RandomSearch:
    """Settings drawn at random, whatever was found so far (Bergstra & Bengio 2012): what a search must beat."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def propose(
        self, space: Space, finished: Sequence[Trial], *, metric: Metric, seed: int, n: int
    ) -> tuple[Settings, ...]:
        """Return the next n draws, each by its own number."""
        from optuna.samplers import RandomSampler

        places = range(len(finished), len(finished) + n)
        return tuple(_asked(RandomSampler(seed_of(seed, k)), space, (), metric, 1)[0] for k in places)


@dataclass(frozen=True)
class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), of all settings jointly (Falkner et al. 2018).

    Parameters
    ----------
    startup
        Trials drawn at random first.
    """

    startup: int = 10

    def mistakes(self, what: str) -> list[str]:
        """Return fewer random trials than none."""
        return out_of_range(f"{what}: startup", self.startup, whole=True, least=0)

    def propose(
        self, space: Space, finished: Sequence[Trial], *, metric: Metric, seed: int, n: int
    ) -> tuple[Settings, ...]:
        """Return the next n; of those asked at once each takes the ones before it for bad, and keeps away."""
        from optuna.samplers import TPESampler

        sampler = TPESampler(
            n_startup_trials=self.startup, multivariate=True, constant_liar=True, seed=seed_of(seed, len(finished))
        )
        return _asked(sampler, space, finished, metric, n)


def seed_of(seed: int, number: int) -> int:
    """Return the seed of what is proposed after so many trials: each its own, so that none needs those before it."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _asked(sampler: Any, space: Space, finished: Sequence[Trial], metric: Metric, n: int) -> tuple[Settings, ...]:
    study = study_of(space, finished, metric=metric, sampler=sampler)
    distributions = {name: space[name].distribution() for name in sorted(space)}
    return tuple(dict(study.ask(distributions).params) for _ in range(n))
