"""Removal of useless columns: the weakest go, step by step, for as long as no more is lost than is allowed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, Metric, RocAuc
from mlsys_assets.mistakes import not_one, not_seeds, out_of_range
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import Candidate, Fitted
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.importance.importance import contributions
from mlsys_assets.offline_evaluation.importance.latency import Meter, seconds_of_one_row
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.offline_evaluation.importance.removed import Removal, RemovalStep, TestedRemoval
from mlsys_assets.offline_evaluation.studies.repeats import Repeats, TestRows
from mlsys_assets.types import DeclarationError

V = TypeVar("V", Train, Validation, OpenedTest)
Weigh = Callable[[Predictor, Validation], Mapping[str, float]]
"""Gives each of a model's columns a weight: those with the least go first."""

ALLOWED: Final = 0.005
"""Log loss that may be lost: a hundredth or so of what models have."""
SHARE: Final = 0.3
"""Of the columns that are left, so many go in one step; where that is too much, half as many are tried."""
MOST_FITS: Final = 12


def by_permutation(predictor: Predictor, rows: Validation) -> Mapping[str, float]:
    """Return what is lost when each column is shuffled: of columns that tell the same, each alone may seem useless."""
    found = Permutation(seeds=(0,)).falls(predictor, rows, groups={name: (name,) for name in predictor.columns})
    return {name: fall.value for name, fall in found.items()}


def by_contribution(predictor: Predictor, rows: Validation) -> Mapping[str, float]:
    """Return each column's mean absolute contribution; of a model that has none, what shuffling costs."""
    found = contributions(predictor, rows.features, seed=0)
    return by_permutation(predictor, rows) if found is None else found


@dataclass(frozen=True)
class RemovalStudy:
    """How columns are removed: recursive feature elimination (Guyon et al. 2002), held to non-inferiority.

    A step stands if the whole interval of what it loses against the model with all columns, paired by day, is at
    most ``allowed``. Where it does not, half as many columns are tried, and at last none. Everything is chosen on
    train and validation.

    Parameters
    ----------
    meter
        Seconds of a processor used so far, for the latency of one row.
    metric
        What may get worse, and by how much, in its unit: ``allowed``.
    share
        Which share of the columns goes in one step, at least one.
    weigh
        Which columns are the weakest.
    seeds
        Of the fits, as many of each step.
    most_fits
        After so many steps, that of all columns among them, it ends.
    """

    meter: Meter
    metric: Metric = field(default_factory=LogLoss)
    allowed: float = ALLOWED
    share: float = SHARE
    weigh: Weigh = by_contribution
    seeds: tuple[int, ...] = (0,)
    most_fits: int = MOST_FITS
    support: Support = field(default_factory=Support)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("removal: metric", self.metric, Metric)
        found += out_of_range("removal: allowed", self.allowed, least=0)
        found += out_of_range("removal: share", self.share, above=0, most=1)
        found += not_seeds("removal: seeds", self.seeds)
        found += out_of_range("removal: most_fits", self.most_fits, whole=True, least=1)
        return found + [
            f"removal: {name} is no function" for name in ("meter", "weigh") if not callable(getattr(self, name))
        ]

    def measure(
        self,
        candidate: Candidate,
        train: Train,
        validation: Validation,
        *,
        reads: Mapping[str, Collection[str]] | None = None,
        test: OpenedTest | None = None,
    ) -> Removal:
        """Return each step; raises FitError as fits do, DeclarationError for mistakes.

        Parameters
        ----------
        candidate
            The recipe; the columns that it needs stay.
        reads
            By column, the names of what must be there for it: features, sources.
        test
            Rows for the final figures: the model with all columns and the one with those left, once.
        """
        if wrong := self.mistakes():
            raise DeclarationError("removal", wrong)
        trial = _Trial(
            self, candidate, train, validation, TestRows.of(validation.label, validation.at, support=self.support)
        )
        whole = standing = trial.fit(tuple(train.features.schema.names))
        steps, share = [trial.step(whole, whole, accepted=True)], self.share
        while len(steps) < self.most_fits:
            weakest = self._weakest(standing, validation, candidate.needs, share)
            if not weakest:
                break
            one = trial.fit(tuple(name for name in standing.columns if name not in weakest))
            lost = whole.found.gain_over(one.found)
            accepted = lost.sufficient and lost.high <= self.allowed
            steps.append(trial.step(one, whole, accepted=accepted))
            if accepted:
                standing = one
            elif len(weakest) == 1 or not lost.sufficient:
                break
            else:
                share /= 2
        tested = None if test is None else trial.tested(whole, standing, test)
        return Removal(candidate.name, self.metric.name, self.allowed, tuple(steps), dict(reads or {}), tested)

    def _weakest(self, standing: "_Found", rows: Validation, needed: Sequence[str], share: float) -> frozenset[str]:
        """Return the columns that go next: the share with the least weight, never all, never one that is needed."""
        weights = dict.fromkeys(standing.columns, 0.0)
        for fitted in standing.fitted:
            for name, weight in self.weigh(fitted.predictor, rows).items():
                weights[name] += np.nan_to_num(weight)
        free = sorted((n for n in standing.columns if n not in needed), key=lambda n: (weights[n], n))
        most = min(max(int(share * len(standing.columns)), 1), len(standing.columns) - 1)
        return frozenset(free[:most])


@dataclass(frozen=True, eq=False)
class _Found:
    """A recipe fitted on some columns, and what it is worth on the validation."""

    columns: tuple[str, ...]
    fitted: tuple[Fitted, ...]
    found: Repeats
    auc: Repeats


@dataclass(frozen=True, eq=False)
class _Trial:
    """What every step has in common."""

    study: RemovalStudy
    candidate: Candidate
    train: Train
    validation: Validation
    rows: TestRows

    def fit(self, columns: tuple[str, ...]) -> _Found:
        train, validation = _of(self.train, columns), _of(self.validation, columns)
        fitted = tuple(self.candidate.fit(train, validation, seed=seed, threads=1) for seed in self.study.seeds)
        scores = [one.predict(validation.features) for one in fitted]
        measured = (self.rows.measure(metric, scores) for metric in (self.study.metric, RocAuc()))
        return _Found(columns, fitted, *measured)

    def step(self, one: _Found, whole: _Found, *, accepted: bool) -> RemovalStep:
        predictor = one.fitted[0].predictor
        return RemovalStep(
            one.columns,
            one.found.estimate,
            one.auc.estimate,
            whole.found.gain_over(one.found),
            seconds_of_one_row(predictor, self.validation.features, self.study.meter),
            sum(map(len, to_files(predictor).values())),
            accepted,
        )

    def tested(self, whole: _Found, left: _Found, test: OpenedTest) -> TestedRemoval:
        rows = TestRows.of(test.label, test.at, support=self.study.support)
        measured = [
            rows.measure(self.study.metric, [f.predict(test.features) for f in one.fitted]) for one in (whole, left)
        ]
        before, after = measured
        return TestedRemoval(before.estimate, after.estimate, before.gain_over(after))


def _of(view: V, columns: Iterable[str]) -> V:
    return replace(view, features=view.features.select(list(columns)))
