"""One trial made: a candidate fitted with some settings, watched if it can be, and measured on validation."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import Metric, value
from mlsys_assets.models.candidate import Candidate, FitError, Fitted
from mlsys_assets.models.shipped import Shipped
from mlsys_assets.models.tuning.pruners import Pruner
from mlsys_assets.models.tuning.settings import Settings
from mlsys_assets.models.tuning.trial import Trial
from mlsys_assets.models.watch import Prunable, Stopped
from mlsys_assets.types import DeclarationError


@dataclass(frozen=True, eq=False)
class Task:
    """A trial to be made: all that it needs but the rows.

    Parameters
    ----------
    number
        The trial's.
    candidate
        What is fitted, with its settings.
    params
        The settings.
    pruner
        What may end it on the way.
    before
        The trials that the pruner compares it with.
    """

    number: int
    candidate: Candidate
    params: Settings
    pruner: Pruner | None = None
    before: tuple[Trial, ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished trial, and its model, where there is one.

    It can be sent to another process: there the model is a bundle's files, which are read only if it is asked for.

    Parameters
    ----------
    trial
        The trial.
    fitted
        The model, as it is or as it came from another process; None if there is none.
    """

    trial: Trial
    fitted: Fitted | Shipped | None = None

    def model(self) -> Fitted | None:
        """Return the model, wherever it came from; None if there is none."""
        return self.fitted.fitted() if isinstance(self.fitted, Shipped) else self.fitted

    def __reduce__(self) -> tuple[type["Outcome"], tuple[object, ...]]:
        """Return how it is made again elsewhere."""
        return Outcome, (self.trial, Shipped.of(self.fitted) if isinstance(self.fitted, Fitted) else self.fitted)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Makes trials on the same rows; can be sent to another process.

    Parameters
    ----------
    train, validation
        The rows: fitted on, and measured on. There are no others.
    metric
        What is measured.
    seed, threads
        Of every fit alike.
    stopwatch
        Tells seconds.
    """

    train: Train
    validation: Validation
    metric: Metric
    seed: int
    threads: int
    stopwatch: Callable[[], float] = time.perf_counter

    def __call__(self, task: Task) -> Outcome:
        """Return the trial made; a candidate that cannot be fitted so is a failed trial."""
        began, watch = self.stopwatch(), _Watching(task)
        trial = Trial(task.number, task.params, "failed")
        fitted = None
        try:
            fitted = self.fit(task.candidate, watch if task.pruner else None)
            trial = replace(trial, state="complete", value=self._measured(fitted))
        except Stopped:
            trial = replace(trial, state="pruned")
        except FitError as error:
            trial, fitted = replace(trial, reason=str(error)), None
        except DeclarationError as error:  # of what only a fit can find wrong in a declaration
            trial, fitted = replace(trial, reason="; ".join(error.mistakes)), None
        return Outcome(replace(trial, losses=tuple(watch.losses), seconds=self.stopwatch() - began), fitted)

    def fit(self, candidate: Candidate, watch: "_Watching | None" = None) -> Fitted:
        """Return the candidate fitted, watched if it can be and is to be."""
        if watch is not None and isinstance(candidate, Prunable):
            return candidate.fit_watched(self.train, self.validation, seed=self.seed, threads=self.threads, watch=watch)
        return candidate.fit(self.train, self.validation, seed=self.seed, threads=self.threads)

    def _measured(self, fitted: Fitted) -> float:
        score = fitted.predict(self.validation.features, threads=self.threads)
        try:
            found = value(self.metric, self.validation.label, score)
        except ValueError as error:
            raise FitError(f"{fitted.candidate}: {self.metric.name} cannot be told: {error}") from error
        if not math.isfinite(found):
            raise FitError(f"{fitted.candidate}: {self.metric.name} on validation is {found}")
        return found


class Spread(Protocol):
    """Makes trials, here or elsewhere, many at once or one by one; Python's ``map`` is one."""

    def __call__(self, evaluate: Evaluation, tasks: Sequence[Task], /) -> Iterable[Outcome]:
        """Yield the outcome of each task in their order."""
        ...


def one_by_one(evaluate: Evaluation, tasks: Sequence[Task], /) -> Iterable[Outcome]:
    """Make the trials here, each when its outcome is asked for."""
    return map(evaluate, tasks)


class _Watching:
    """Hears the losses of a fit, and says when the pruner would end it."""

    def __init__(self, task: Task) -> None:
        self.task, self.losses = task, list[float]()

    def __call__(self, step: int, loss: float) -> bool:
        self.losses.append(float(loss))
        if not math.isfinite(loss):
            raise FitError(f"{self.task.candidate.name}: the loss on validation is {loss} after step {step}")
        return self.task.pruner is not None and self.task.pruner.stops(self.losses, self.task.before)
