"""The fits of a step: where its configuration says, measured, and told while they go on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe
from mlsys_assets.models.debugging import debugged, refusal
from mlsys_assets.models.distributed.dask_map import dask_map
from mlsys_assets.models.distributed.dask_training import training_on
from mlsys_assets.models.logbook import Logbook
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.start import Start, go_on, gone_on_from
from mlsys_assets.models.tracking import Tracked, track
from mlsys_assets.models.tuning.evaluation import Spread, one_by_one
from mlsys_assets.models.tuning.journal import SEARCHES, JournalFolder
from mlsys_assets.models.tuning.search import SearchContext
from mlsys_assets.models.tuning.trial import Progress
from mlsys_assets.models.tuning.tuned import Searching
from mlsys_assets.models.usage import measured
from mlsys_assets.types import DeclarationError, Finding


class Fitting:
    """Fits candidates for a step, here or on a cluster; what it hears of a search goes to the logbook at once."""

    def __init__(self, step: DecisionStep, logbook: Logbook, client: Any) -> None:
        self.step, self.system, self.logbook = step, step.system, logbook
        self.training = training_on(client, step.stores.training.workers)
        self.spread: Spread = one_by_one if client is None else partial(dask_map, client=client)
        self.heard: dict[str, list[Progress]] = {}

    def fit(self, candidate: Candidate, split: Split, start: Start | None = None) -> tuple[Tracked, list[Finding]]:
        """Fit a candidate, or go on from where it starts, and debug it; return what is told of both.

        Raises FitError, with its reason, for one that cannot be fitted or is not to be trusted.
        """
        system, validation = self.system, split.validation
        train = split.train if start is None else start.train
        try:
            with measured() as used:
                fitted = self._gone_on(candidate, start) or self._fitted(candidate, split)
            found = self._debugged(candidate, split)
        except (DeclarationError, ColumnError) as error:  # of what only a fit can find wrong in a declaration
            raise FitError(str(error)) from error
        if reason := refusal(found):
            raise FitError(f"{candidate.name}: {reason}")
        return track(fitted, used, train=train, validation=validation, threads=system.threads), found

    def refit(self, candidate: Candidate, train: Train, recipe: Recipe, start: Start | None = None) -> Tracked:
        """Fit the recipe that was chosen on more rows, or go on over those that are left."""
        seed, threads = self.system.seed, self.system.threads
        with measured() as used:
            fitted = self._gone_on(candidate, start)
            if fitted is None:
                fitted = self.training.refit(candidate, train, recipe=recipe, seed=seed, threads=threads)
        return track(fitted, used, train=train if start is None else start.train, validation=None, threads=threads)

    def _gone_on(self, candidate: Candidate, start: Start | None) -> Fitted | None:
        """Return the candidate gone on from where it starts, with that in its record; None from scratch."""
        if start is None or start.checkpoint is None or (by := self.system.learns.stateful) is None:
            return None
        journals = BatchJournals(searches(self.step), self.logbook.writer.source.hash)
        seed, threads = self.system.seed, self.system.threads
        fitted = go_on(candidate, start, by=by, seed=seed, threads=threads, journals=journals)
        record = gone_on_from(start.checkpoint, by)
        return replace(fitted, params={**fitted.params, **record})

    def _debugged(self, candidate: Candidate, split: Split) -> list[Finding]:
        """Return what debugging finds; baselines, which are what they are, are not asked."""
        if candidate.baseline:
            return []
        seed, threads = self.system.seed, self.system.threads
        return debugged(candidate, split.train, split.validation, seed=seed, threads=threads)

    def _fitted(self, candidate: Candidate, split: Split) -> Fitted:
        seed, threads = self.system.seed, self.system.threads
        if not isinstance(candidate, Searching):
            return self.training.fit(candidate, split.train, split.validation, seed=seed, threads=threads)
        journals = JournalFolder(searches(self.step), self.logbook.writer.source.hash)
        context = SearchContext(journals, self._told, self.spread)
        return candidate.fit_with(split.train, split.validation, seed=seed, threads=threads, context=context)

    def _told(self, progress: Progress) -> None:
        self.heard.setdefault(progress.search, []).append(progress)
        self.step.context.log.info(progress.line)
        self.logbook.trial(progress)


@contextmanager
def fitting(step: DecisionStep, logbook: Logbook) -> Iterator[Fitting]:
    """Yield what fits for a step; the cluster of the configuration, if there is one, is open meanwhile."""
    with step.stores.training.open() as client:
        yield Fitting(step, logbook, client)


def searches(step: DecisionStep) -> Path:
    """Return where the trials of a step's searches are kept until its candidates are on record."""
    return step.stores.home / SEARCHES / step.system.name / step.system.calendar.key(step.as_of)


def forget_searches(step: DecisionStep) -> None:
    """Remove the trials that are kept of a step: what they found is on record."""
    shutil.rmtree(searches(step), ignore_errors=True)
