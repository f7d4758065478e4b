"""Candidates with one fault each, for the checks that are to find it."""

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.baselines import ZeroRule, ZeroRulePredictor
from mlsys_assets.models.candidate import Fitted, Recipe
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression


@dataclass(frozen=True, eq=False)
class ByRow:
    """Scores by the rows' features: those known, and for others a number that says nothing."""

    known: dict[int, float]
    kind: str = "by_row"
    columns: tuple[str, ...] = ()

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        hashes = row_hashes(rows)
        nothing = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.array([self.known.get(int(h), n) for h, n in zip(hashes, nothing, strict=True)])

    def contents(self) -> dict[str, bytes]:
        return {"known.json": repr(sorted(self.known.items())).encode()}


@dataclass(frozen=True, eq=False)
class Direction:
    """Scores along a direction of two numbers."""

    across: tuple[float, float]
    kind: str = "direction"
    columns: tuple[str, ...] = ("sched_hour", "noise")

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        hour, noise = (rows[name].to_numpy() for name in self.columns)
        return 1 / (1 + np.exp(-(self.across[0] * (hour - 14) / 5 + self.across[1] * noise)))

    def contents(self) -> dict[str, bytes]:
        return {"across.json": repr(self.across).encode()}


@dataclass(frozen=True)
class Faulty(ZeroRule):
    """No baseline, and otherwise what each below makes of it."""

    name: str = "faulty"

    @property
    def baseline(self) -> bool:
        return False


def by_row(view: Train | Validation) -> dict[int, float]:
    return dict(zip(row_hashes(view.features).tolist(), view.label.tolist(), strict=True))


@dataclass(frozen=True)
class Peeks(Faulty):
    """Is fitted on the validation rows that it is handed to choose on."""

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        return Fitted(self.name, ByRow(by_row(validation)))


@dataclass(frozen=True)
class Knows(Faulty):
    """Brings labels along, by row, whatever it is handed."""

    known: dict[int, float] = field(default_factory=dict)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        return Fitted(self.name, ByRow(self.known))


@dataclass(frozen=True)
class Keeps(Faulty):
    """Fits once, and gives the same model ever after."""

    kept: list[Fitted] = field(default_factory=list)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        if not self.kept:
            self.kept.append(LogisticRegression().fit(train, validation, seed=seed, threads=threads))
        return self.kept[0]


@dataclass(frozen=True)
class Lopsided(Faulty):
    """Knows nothing and learns nothing: a direction by its seed, labels turned round or not."""

    randomized: bool = True

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        hour, noise = np.random.default_rng(seed).normal(size=2).tolist()
        return Fitted(self.name, Direction((hour, noise)))


@dataclass(frozen=True)
class DrawsGlobally(Faulty):
    """Draws from the global generator, whatever its seed."""

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        return Fitted(self.name, ZeroRulePredictor(random.random()))


@dataclass(frozen=True)
class IgnoresItsSeed(LightGBM):
    """Says that it draws at random, and always draws alike."""

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        return super().fit(train, validation, seed=0, threads=threads)


@dataclass(frozen=True)
class Misaligned(LogisticRegression):
    """Fits each row with its neighbour's label."""

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        return super().refit(replace(train, label=np.roll(train.label, 1)), recipe=recipe, seed=seed, threads=threads)
