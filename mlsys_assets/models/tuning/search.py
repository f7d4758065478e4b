"""A search: settings proposed, fitted and measured on validation, one batch after the other."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.prepared_once import preparing_once
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, check_train, check_validation
from mlsys_assets.models.tuning.evaluation import Evaluation, Outcome, Spread, Task, one_by_one
from mlsys_assets.models.tuning.journal import InMemory, Journal, Journals, SearchKey
from mlsys_assets.models.tuning.plan import Plan
from mlsys_assets.models.tuning.settings import with_settings
from mlsys_assets.models.tuning.trial import Progress, Trial, best_of

Told: TypeAlias = Callable[[Progress], None]
"""Hears of each finished trial, those of an earlier run first."""

MOST_REASONS = 3
"""Where all trials failed, so many different reasons are told."""


def to_nobody(progress: Progress) -> None:
    """Let it pass."""


@dataclass(frozen=True)
class SearchContext:
    """What a search is given that changes nothing of what it finds.

    Parameters
    ----------
    journals
        Where trials are kept, so that a killed search goes on.
    told
        Who hears of each trial.
    spread
        Where trials are made.
    stopwatch
        Tells seconds.
    """

    journals: Journals = field(default_factory=InMemory)
    told: Told = to_nobody
    spread: Spread = one_by_one
    stopwatch: Callable[[], float] = time.perf_counter


class NothingFound(FitError):
    """A search without a complete trial."""

    def __init__(self, why: str, trials: tuple[Trial, ...]) -> None:
        super().__init__(why)
        self.trials = trials


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Parameters
    ----------
    trials
        All that were made.
    best
        The best of them.
    fitted
        Its model.
    ended
        Why there are fewer trials than asked for; "" if there are not.
    """

    trials: tuple[Trial, ...]
    best: Trial
    fitted: Fitted
    ended: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """A candidate's settings searched on some rows.

    Parameters
    ----------
    name
        What it is called in progress and journal.
    candidate
        What is fitted.
    plan
        What is tried, and how.
    context
        What it is given beside.
    """

    name: str
    candidate: Candidate
    plan: Plan
    context: SearchContext

    def run(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Found:
        """Return the best of the trials; raises FitError if none could be fitted, TypeError for test rows."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        evaluate = Evaluation(train, validation, self.plan.metric, seed, threads, self.context.stopwatch)
        with preparing_once():
            trials, last, ended = self._tried(evaluate, self._journal(evaluate))
            best = best_of(trials, self.plan.metric)
            if best is None:
                raise NothingFound(f"{self.name}: {_why(trials)}", trials)
            fitted = last.model() if last is not None and last.trial.number == best.number else None
            return Found(trials, best, fitted or evaluate.fit(with_settings(self.candidate, best.params)), ended)

    def _tried(self, evaluate: Evaluation, journal: Journal) -> tuple[tuple[Trial, ...], Outcome | None, str]:
        """Return all trials, the best outcome among those made now, and why there are fewer than asked for."""
        plan, best = self.plan, None
        finished = journal.finished()[: plan.trials]
        for n, trial in enumerate(finished):
            self.context.told(self._progress(trial, finished[: n + 1], resumed=True))
        while len(finished) < plan.trials:
            if plan.seconds is not None and sum(t.seconds for t in finished) >= plan.seconds:
                return tuple(finished), best, f"stopped by time after {len(finished)} of {plan.trials} trials"
            tasks = self._tasks(finished, evaluate.seed)
            if not tasks:
                return tuple(finished), best, f"there are {len(finished)} settings, fewer than {plan.trials} trials"
            for outcome in self.context.spread(evaluate, tasks):
                journal.add(outcome.trial)
                finished.append(outcome.trial)
                if best_of([t.trial for t in (best, outcome) if t is not None], plan.metric) is outcome.trial:
                    best = outcome
                self.context.told(self._progress(outcome.trial, finished))
        return tuple(finished), best, ""

    def _tasks(self, finished: Sequence[Trial], seed: int) -> list[Task]:
        """Return what is left of the batch that the finished trials end in.

        A batch is proposed by what was finished when it began; so the same trials are made, wherever it was broken off.
        """
        plan = self.plan
        begun = len(finished) // plan.parallel * plan.parallel
        before = tuple(finished[:begun])
        n = min(plan.parallel, plan.trials - begun)
        proposed = plan.sampler.propose(plan.space, before, metric=plan.metric, seed=seed, n=n)
        tasks = [
            Task(begun + k, with_settings(self.candidate, params), params, plan.pruner, before)
            for k, params in enumerate(proposed)
        ]
        return tasks[len(finished) - begun :]

    def _journal(self, evaluate: Evaluation) -> Journal:
        def told() -> dict[str, str]:
            rows = {"train": evaluate.train.content_hash, "validation": evaluate.validation.content_hash}
            how = {"seed": str(evaluate.seed), "threads": str(evaluate.threads)}
            return rows | how | self.plan.decides(self.candidate)

        return self.context.journals.open(SearchKey(self.name, told, self.plan.space, self.plan.metric))

    def _progress(self, trial: Trial, finished: Sequence[Trial], *, resumed: bool = False) -> Progress:
        plan = self.plan
        spent = sum(t.seconds for t in finished)
        left = spent / len(finished) * (plan.trials - len(finished)) / plan.parallel
        if plan.seconds is not None:
            left = min(left, max(plan.seconds - spent, 0.0) / plan.parallel)
        return Progress(self.name, trial, best_of(finished, plan.metric), plan.trials, left, resumed, plan.metric)


def _why(trials: Sequence[Trial]) -> str:
    """Return why there is no best."""
    reasons = Counter(t.reason for t in trials if t.state == "failed")
    told = "; ".join(f"{n} times: {reason}" for reason, n in reasons.most_common(MOST_REASONS))
    pruned = sum(t.state == "pruned" for t in trials)
    return f"none of {len(trials)} trials is complete, {pruned} were pruned. {told or 'No trial was made'}"
