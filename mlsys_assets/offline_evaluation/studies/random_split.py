"""What a random split would have promised: the models of both splits on the same rows of the last period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split, TimeSplit, random_split
from mlsys_assets.data_sampling.views import OpenedTest, Train
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric
from mlsys_assets.mistakes import not_all, not_one, out_of_range
from mlsys_assets.models.candidate import Candidate, Fitted
from mlsys_assets.offline_evaluation.studies.split_gap import SplitGap
from mlsys_assets.types import DeclarationError, Finding


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
        Each draws a split of its own and is the seed of the fits.
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
        found += not_one("split study: metric", self.metric, Metric) + not_all("split study: seeds", self.seeds, int)
        if self.rows is not None:
            found += out_of_range("split study: rows", self.rows, whole=True, least=1)
        if self.seeds == ():
            found.append("split study: seeds is empty; give at least one")
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
        return self._gap(candidate.name, test, runs)

    def _run(
        self, candidate: Candidate, splits: tuple[Split, Split], rows: LabelledRows, *, test: OpenedTest, seed: int
    ) -> "_Run":
        ordered, drawn = splits
        size = min(len(ordered.train), len(drawn.train), self.rows or len(rows))
        before, anywhere = (_sample(split.train, size, seed=seed) for split in splits)
        by_time = candidate.fit(before, ordered.validation, seed=seed, threads=self.threads)
        at_random = candidate.fit(anywhere, drawn.validation, seed=seed, threads=self.threads)
        seen = pa.concat_arrays([anywhere.ids, drawn.validation.ids])
        new = test.take(~_among(test.ids, seen))
        # The random test is made of rows that this study may all see: those of other parts, and of the opened test.
        own = np.flatnonzero(_among(rows.ids, drawn.recent_test.ids))
        scored = at_random.predict(rows.features.take(pa.array(own)), threads=self.threads)
        return _Run(
            size,
            int(_among(test.ids, anywhere.ids).sum()),
            self._scored((by_time, at_random), new),
            _Scored(test.at, test.label, (by_time.predict(test.features, threads=self.threads),)),
            _Scored(rows.at[own], rows.label[own], (scored,)),
        )

    def _scored(self, models: Sequence[Fitted], view: OpenedTest) -> "_Scored":
        scores = tuple(model.predict(view.features, threads=self.threads) for model in models)
        return _Scored(view.at, view.label, scores)

    def _gap(self, candidate: str, test: OpenedTest, runs: Sequence["_Run"]) -> SplitGap:
        same, by_time, at_random = (
            _Scored.joined([run.same for run in runs]),
            _Scored.joined([run.own_by_time for run in runs]),
            _Scored.joined([run.own_at_random for run in runs]),
        )
        before, anywhere = (self._estimate(_Scored(same.at, same.label, (score,))) for score in same.scores)
        better = (1, 0) if self.metric.higher_is_better else (0, 1)
        return SplitGap(
            candidate, self.metric, test.window, self.forced, runs[0].size,
            round(float(np.mean([run.neighbours for run in runs]))), before, anywhere,
            difference(
                self.metric, same.label, (same.scores[better[0]], same.scores[better[1]]),
                weights=bootstrap(day_blocks(same.at, length=self.support.block), seed=self.seeds[0]),
                support=self.support,
            ),
            self._estimate(by_time), self._estimate(at_random),
        )  # fmt: skip

    def _estimate(self, found: "_Scored") -> Estimate:
        weights = bootstrap(day_blocks(found.at, length=self.support.block), seed=self.seeds[0])
        return estimate(self.metric, found.label, found.scores[0], weights=weights, support=self.support)


@dataclass(frozen=True, eq=False)
class _Scored:
    """(n,) times and labels of rows, and the (n,) scores of each model."""

    at: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    label: Floats
    scores: tuple[Floats, ...]

    @classmethod
    def joined(cls, parts: Sequence["_Scored"]) -> "_Scored":
        """Return the rows of all seeds: one that stands there twice stands in the same day's block."""
        scores = zip(*(part.scores for part in parts), strict=True)
        at, label = (np.concatenate([getattr(part, name) for part in parts]) for name in ("at", "label"))
        return cls(at, label, tuple(np.concatenate(own) for own in scores))


@dataclass(frozen=True, eq=False)
class _Run:
    """What one seed gave."""

    size: int
    neighbours: int
    same: _Scored
    own_by_time: _Scored
    own_at_random: _Scored


def _sample(train: Train, size: int, *, seed: int) -> Train:
    if size == len(train):
        return train
    return train.take(np.sort(np.random.default_rng(seed).choice(len(train), size=size, replace=False)))


def _among(ids: pa.Array, others: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = pc.is_in(ids, value_set=others).to_numpy(zero_copy_only=False)
    return found
