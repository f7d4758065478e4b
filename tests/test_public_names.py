"""What a user writes of their own — a candidate, a metric, a trigger — is declared with the public names alone."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import mlsys_assets
from mlsys_assets import (
    Answer,
    Candidate,
    FitError,
    Fitted,
    History,
    LightGBM,
    Metric,
    MLSystem,
    Train,
    Trigger,
    TriggerVerdict,
    Validation,
    Weights,
    Workspace,
)
from mlsys_assets.systems.flights.system import flights

STUB = Path(mlsys_assets.__file__).with_suffix(".pyi")


@dataclass(frozen=True)
class Shallow:
    """Boosted stumps: a candidate that another fits for it."""

    name: str = "shallow"
    baseline: bool = False
    needs: tuple[str, ...] = ()
    kind: str = "lightgbm"

    @property
    def _inner(self) -> LightGBM:
        return LightGBM(leaves=2, rounds=5)

    def mistakes(self) -> list[str]:
        return self._inner.mistakes()

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        if len(train) < 10:
            raise FitError(f"{self.name} needs ten rows, got {len(train)}")
        return replace(self._inner.fit(train, validation, seed=seed, threads=threads), candidate=self.name)

    def refit(self, train: Train, *, recipe, seed: int, threads: int) -> Fitted:
        return replace(self._inner.refit(train, recipe=recipe, seed=seed, threads=threads), candidate=self.name)


@dataclass(frozen=True)
class Discrimination:
    """Mean score of the positives minus that of the negatives (Tjur 2009)."""

    name: str = "discrimination"
    higher_is_better: bool = True

    def draws(self, label: np.ndarray, score: np.ndarray, weights: Weights) -> np.ndarray:
        of = [weights.totals(score * side) / weights.totals(side) for side in (label, 1 - label)]
        return of[0] - of[1]


@dataclass(frozen=True)
class Bored:
    """A training after so many ticks without one."""

    ticks: int
    name: str = "bored"
    by_clock: bool = False

    def mistakes(self) -> list[str]:
        return [] if self.ticks > 0 else [f"{self.ticks} ticks are none"]

    def verdict(self, history: History) -> TriggerVerdict:
        quiet = [m for m in history.monitored if history.trained is None or m.as_of > history.trained.as_of]
        answer = Answer.YES if len(quiet) >= self.ticks else Answer.NO
        return TriggerVerdict(answer, f"{len(quiet)} ticks without a training", {"ticks": len(quiet)})


@pytest.fixture
def own() -> MLSystem:
    return replace(
        flights,
        candidates=(*flights.candidates, Shallow()),
        metrics=(*flights.metrics, Discrimination()),
        triggers=(*flights.triggers, Bored(4)),
    )


def test_they_are_what_the_protocols_ask_for_and_stand_in_the_graph(own, tmp_path) -> None:
    assert isinstance(Shallow(), Candidate)
    assert isinstance(Discrimination(), Metric)
    assert isinstance(Bored(4), Trigger)
    defs = Workspace(own, environment={"MLSYS_HOME": str(tmp_path)}).definitions
    assert "flights_retrain_by_bored" in {sensor.name for sensor in defs.sensors}
    (described,) = [s.description for s in defs.resolve_all_asset_specs() if s.key.path[-1] == "candidates"]
    assert "shallow" in described


def test_an_own_metric_is_the_number_that_it_says() -> None:
    label, score = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.2, 0.9, 0.5, 0.4])
    assert Discrimination().draws(label, score, Weights.once(4)) == pytest.approx([0.7 - 0.3])


def test_every_public_name_is_there_and_of_the_module_that_the_stub_says() -> None:
    for statement in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom):
            for name in statement.names:
                assert name.asname == name.name
                assert getattr(mlsys_assets, name.name) is not None
    assert len(mlsys_assets.__all__) == len(set(mlsys_assets.__all__)) > 60
