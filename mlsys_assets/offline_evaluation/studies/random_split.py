"""What a random split would have promised: the models of both splits on the same rows of the last period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_sampling.folds import Flags, Times
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split, TimeSplit, random_split
from mlsys_assets.data_sampling.views import OpenedTest, Train
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate, spread
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric, Weights
from mlsys_assets.mistakes import not_one, not_seeds, out_of_range
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.studies.split_gap import SplitGap
from mlsys_assets.types import DeclarationError, Finding

SAMPLE = 1
"""Stands behind the seed of a sample, so that it is not drawn as the split was."""


@dataclass(frozen=True)
class SplitStudy:
    """The control that shows what a random split hides, on rows that both splits' models are new to.

    For each seed, one model is fitted on rows of the time split's train, one on as many of a random split's, which
    has rows of the last period too. Both score those rows of the last period that the second has not seen. So both
    are asked the same questions, and the season cancels (Kaufman et al. 2012; Kapoor & Narayanan 2023).

    Parameters
    ----------
    forced
        Why rows ordered in time are split at random: nothing is done without, and it goes on record.
    metric
        What is measured.
    rows
        How many rows each model is fitted on, drawn at random from its train; None: all. The fewer, the more rows of
        the last period are left to score.
    seeds
        Each draws a split of its own and is the seed of the fits. Figures are means over them; intervals are of
        days alone.
    threads
        Of each fit.
    support
        What must be there before a number is believed.
    """

    forced: str
    metric: Metric = field(default_factory=LogLoss)
    rows: int | None = None
    seeds: tuple[int, ...] = (0,)
    threads: int = 1
    support: Support = field(default_factory=Support)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("split study: forced", self.forced, str)
        if not found and not self.forced.strip():
            found.append("split study: forced is empty; say why rows ordered in time are split at random, or do not")
        found += not_one("split study: metric", self.metric, Metric) + not_seeds("split study: seeds", self.seeds)
        if self.rows is not None:
            found += out_of_range("split study: rows", self.rows, whole=True, least=1)
        return found

    def measure(
        self,
        candidate: Candidate,
        rows: LabelledRows,
        *,
        by: TimeSplit,
        as_of: datetime,
        test: OpenedTest,
        record: Callable[[Finding], None],
    ) -> SplitGap:
        """Return how both splits look; raises DeclarationError for mistakes, FitError for rows nothing is fitted on.

        Parameters
        ----------
        candidate
            The recipe.
        rows, by, as_of
            What is split, and how.
        test
            The time split's recent test, opened on record; ValueError for another.
        record
            Is handed the finding that rows were split at random, and why, before each fit on them.
        """
        if wrong := self.mistakes():
            raise DeclarationError("the split study", wrong)
        ordered = by.split(rows, as_of=as_of)
        if ordered.recent_test.content_hash != test.content_hash:
            raise ValueError(
                f"the rows handed in are not the recent test as of {as_of:%Y-%m-%d} ({len(test)} and "
                f"{len(ordered.recent_test)} rows); open `split.recent_test` of the same rows, split and as-of"
            )
        runs = []
        for seed in self.seeds:
            drawn = random_split(rows, by=by, as_of=as_of, seed=seed, forced=self.forced, record=record)
            runs.append(self._run(candidate, (ordered, drawn), rows, test=test, seed=seed))
        return self._gap(candidate.name, test, rows, runs)

    def _run(
        self, candidate: Candidate, splits: tuple[Split, Split], rows: LabelledRows, *, test: OpenedTest, seed: int
    ) -> "_Run":
        size = min(*(len(split.train) for split in splits), self.rows or len(rows))
        before, anywhere = (_sample(split.train, size, seed=seed) for split in splits)
        by_time, at_random = (
            candidate.fit(part, split.validation, seed=seed, threads=self.threads)
            for part, split in zip((before, anywhere), splits, strict=True)
        )
        drawn = splits[1]
        seen = pa.concat_arrays([anywhere.ids, drawn.validation.ids])
        # The random test is made of rows that this study may all see: those of other parts, and of the opened test.
        own = _among(rows.ids, drawn.recent_test.ids)
        return _Run(
            size,
            int(_among(test.ids, anywhere.ids).sum()),
            ~_among(test.ids, seen),
            by_time.predict(test.features, threads=self.threads),
            at_random.predict(test.features, threads=self.threads),
            own,
            at_random.predict(rows.features.filter(pa.array(own)), threads=self.threads),
        )

    def _gap(self, candidate: str, test: OpenedTest, rows: LabelledRows, runs: Sequence["_Run"]) -> SplitGap:
        asked = np.logical_or.reduce([run.own for run in runs])
        last, year = self._days(test.at), self._days(rows.at[asked])
        every = np.ones(len(test), dtype=bool)
        before = self._drawn(last, test.label, [(run.new, run.by_time[run.new]) for run in runs])
        anywhere = self._drawn(last, test.label, [(run.new, run.at_random[run.new]) for run in runs])
        sign = 1.0 if self.metric.higher_is_better else -1.0
        return SplitGap(
            candidate, self.metric, test.window, self.forced, runs[0].size,
            round(float(np.mean([run.neighbours for run in runs]))),
            before.estimate, anywhere.estimate, anywhere.less(before, sign=sign),
            self._drawn(last, test.label, [(every, run.by_time) for run in runs]).estimate,
            self._drawn(year, rows.label[asked], [(run.own[asked], run.own_score) for run in runs]).estimate,
        )  # fmt: skip

    def _days(self, at: Times) -> Weights:
        return bootstrap(day_blocks(at, length=self.support.block), seed=self.seeds[0])

    def _drawn(self, weights: Weights, label: Floats, parts: Sequence[tuple[Flags, Floats]]) -> "_Drawn":
        """Return the mean over seeds of the metric on each one's rows, the same draws of days for all."""
        each = [
            estimate(self.metric, label[rows], score, weights=weights.of(rows), support=self.support)
            for rows, score in parts
        ]
        like = min(each, key=lambda one: (one.sufficient, one.rows))
        if not like.sufficient:
            return _Drawn(np.nan, np.full(len(weights.counts), np.nan), like)
        drawn = [self.metric.draws(label[rows], score, weights.of(rows)) for rows, score in parts]
        return _Drawn(float(np.mean([one.value for one in each])), np.mean(drawn, axis=0), like)


@dataclass(frozen=True, eq=False)
class _Run:
    """What one seed gave: (n,) which rows of the last period the random split spared, and the scores of all of them.

    And of all rows handed in, (m,) which are the random split's own test, with its model's scores of those.
    """

    size: int
    neighbours: int
    new: Flags
    by_time: Floats
    at_random: Floats
    own: Flags
    own_score: Floats


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A metric's mean over seeds, the same in each draw of days, and what it rests on."""

    value: float
    draws: Floats
    like: Estimate

    @property
    def estimate(self) -> Estimate:
        return spread(self.value, self.draws, like=self.like)

    def less(self, other: "_Drawn", *, sign: float) -> Estimate:
        return spread(sign * (self.value - other.value), sign * (self.draws - other.draws), like=self.like)


def _sample(train: Train, size: int, *, seed: int) -> Train:
    if size == len(train):
        return train
    return train.take(np.sort(np.random.default_rng([seed, SAMPLE]).choice(len(train), size=size, replace=False)))


def _among(ids: pa.Array, others: pa.Array) -> Flags:
    found: Flags = pc.is_in(ids, value_set=others).to_numpy(zero_copy_only=False)
    return found
