"""Adversarial validation: if a classifier tells two sets of rows apart, one does not stand for the other.

Rows to be told apart come without their labels: what a classifier is fitted on here is which set a row is of, so
that nothing of a test's labels can reach a fit, and nothing that was fitted leaves.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Floats, RocAuc
from mlsys_assets.types import EPOCH, Finding, Severity, TimeWindow

SAMPLED: Final = 2_000
"""Rows of each set that are told apart."""
FOLDS: Final = 4
"""Each fold is scored by a classifier that saw neither it nor the next, which it may stop by."""
TOLD_APART: Final = 0.75
"""The AUC from which two sets are called apart: a row of one is told from one of the other three times of four."""
NAMED: Final = 5
"""How many columns a finding names."""


class Unlabelled(Protocol):
    """Rows without their labels; every View and LabelledRows is such rows, of which no more is read."""

    @property
    def at(self) -> NDArray[np.datetime64]:
        """(n,) prediction times."""
        ...

    @property
    def features(self) -> pa.Table:
        """(n, d) feature columns."""
        ...


@dataclass(frozen=True)
class Told:
    """How well two sets of rows are told apart.

    Parameters
    ----------
    auc
        Of the classifier, on rows it did not see, ranked within their fold; the interval draws days.
    columns
        Each column with its own AUC, at least 0.5, the largest first.
    """

    auc: Estimate
    columns: tuple[tuple[str, float], ...]

    @property
    def finding(self) -> Finding:
        """Whether one set stands for the other."""
        name = "unseen_rows_resemble_training_rows"
        if not self.auc.sufficient:
            return Finding(name, True, str(self.auc), Severity.WARN, {"rows": self.auc.rows})
        alike = self.auc.low < TOLD_APART
        most = ", ".join(f"{column} ({auc:.2f})" for column, auc in self.columns[:NAMED])
        told = (
            f"a classifier tells them apart with an AUC of {self.auc} (below {TOLD_APART:g} is alike); most by {most}"
        )
        advice = "" if alike else ": a test on one says little of the other; leave out what only tells the season"
        evidence = {"auc": self.auc.value, "low": self.auc.low, "high": self.auc.high, "rows": self.auc.rows}
        return Finding(name, alike, told + advice, Severity.WARN, evidence)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Rows of both sets: when, what, which set (0 or 1), and in which fold."""

    at: NDArray[np.datetime64]
    features: pa.Table
    member: Floats
    fold: NDArray[np.intp]

    @property
    def complete(self) -> bool:
        """Whether every fold has rows of both sets."""
        cell = self.fold * 2 + self.member.astype(np.intp)
        return bool((np.bincount(cell, minlength=2 * FOLDS) > 0).all())

    def ranks(self, learner: Learner, *, seed: int, threads: int) -> Floats:
        """Return (n,) each row's rank within its fold, in (0, 1), by a classifier that did not see the fold."""
        from scipy.stats import rankdata

        found = np.empty(len(self.member))
        for k in range(FOLDS):
            scored, watched = self.fold == k, self.fold == (k + 1) % FOLDS
            train, validation = Train(*self._parts(~scored & ~watched)), Validation(*self._parts(watched))
            fitted = learner.fit(train, validation, seed=seed, threads=threads)
            score = fitted.predict(self.features.filter(pa.array(scored)), threads=threads)
            found[scored] = rankdata(score) / (len(score) + 1)
        return found

    def _parts(self, rows: NDArray[np.bool_]) -> tuple[pa.Array, NDArray[np.datetime64], pa.Table, Floats, TimeWindow]:
        """Return what a view is made of, its label being the set."""
        ids = pa.array(np.flatnonzero(rows)).cast(pa.string())
        window = TimeWindow(EPOCH, EPOCH)  # of two sets there is no window that they were cut from
        return ids, self.at[rows], self.features.filter(pa.array(rows)), self.member[rows], window


def adversarial_validation(
    sets: tuple[Unlabelled, Unlabelled],
    learner: Learner,
    *,
    seed: int,
    threads: int = 1,
    folds_of: Literal["days", "rows"] = "days",
) -> Told:
    """Return how well a learner tells two sets of rows apart, on rows of either that it did not see.

    Parameters
    ----------
    sets
        Rows with the same columns; at most ``SAMPLED`` of each are drawn.
    learner
        The classifier, as ``LightGBM(rounds=30)``.
    seed
        Of the draw, of the folds and of the fits.
    threads
        As many as it may be fitted with.
    folds_of
        Whether a fold holds whole days, so that no row is told by its day's weather alone, or single rows.
    """
    pool = _pooled(sets, np.random.default_rng(seed), folds_of)
    by_column = sorted(column_aucs(pool.features, pool.member).items(), key=lambda pair: (-pair[1], pair[0]))
    if not pool.complete:
        n, blocks = len(pool.member), len(np.unique(day_blocks(pool.at)))
        nothing = Estimate(np.nan, np.nan, np.nan, n, int(pool.member.sum()), blocks, sufficient=False)
        return Told(nothing, tuple(by_column))
    ranks = pool.ranks(learner, seed=seed, threads=threads)
    weights = bootstrap(day_blocks(pool.at), seed=seed)
    return Told(estimate(RocAuc(), pool.member, ranks, weights=weights), tuple(by_column))


def _pooled(sets: tuple[Unlabelled, Unlabelled], random: np.random.Generator, folds_of: str) -> _Pool:
    first, second = (one.features.schema for one in sets)
    if not first.equals(second):
        apart = sorted(set(map(str, first)) ^ set(map(str, second)))
        raise ValueError(f"rows to be told apart need the same columns in the same order; these differ: {apart}")
    drawn = [np.sort(random.permutation(len(one.at))[:SAMPLED]) for one in sets]
    pairs = list(zip(sets, drawn, strict=True))
    at = np.concatenate([one.at[rows] for one, rows in pairs])
    features = pa.concat_tables([one.features.take(pa.array(rows)) for one, rows in pairs])
    member = np.repeat([0.0, 1.0], [len(rows) for rows in drawn])
    block = day_blocks(at) if folds_of == "days" else np.arange(len(at))
    return _Pool(at, features, member, _folds(block, member, random))


def _folds(block: NDArray[np.intp], member: Floats, random: np.random.Generator) -> NDArray[np.intp]:
    """Return (n,) folds of whole blocks, dealt out in turn from a shuffle of those that hold a set's rows."""
    size = int(block.max(initial=-1)) + 1
    share = np.bincount(block, weights=member, minlength=size) / np.maximum(np.bincount(block, minlength=size), 1)
    shuffled = random.permutation(size)
    order = shuffled[np.argsort(share[shuffled], kind="stable")]  # alike blocks side by side: every fold gets of each
    fold = np.empty(size, dtype=np.intp)
    fold[order] = np.arange(size) % FOLDS
    return fold[block]


def column_aucs(features: pa.Table, member: Floats) -> dict[str, float]:
    """Return for each column how well it alone tells (n,) members from others: an AUC, 0.5 or more.

    Numbers by their order either way, a missing one below all; ties count half. Categories by the share of members
    in the other half of the rows, so that many values tell no more than they do of rows not seen.
    """
    kinds = {field.name: is_category(field.type) for field in features.schema}
    numbers = [name for name, category in kinds.items() if not category]
    values = read_numbers(features, numbers)
    values = np.where(np.isnan(values), -np.inf, values)
    either = np.abs(_aucs(values, member) - 0.5) + 0.5
    found = dict(zip(numbers, either.tolist(), strict=True))
    for name in (name for name, category in kinds.items() if category):
        found[name] = _category_auc(features[name], member)
    return {name: found[name] for name in kinds}


def _aucs(values: NDArray[np.floating], member: Floats) -> Floats:
    """Return (d,) AUCs of (d, n) values; 0.5 of a single set."""
    from scipy.stats import rankdata

    own, others = int(member.sum()), int((1 - member).sum())
    if not own or not others or not len(values):
        return np.full(len(values), 0.5)
    ranks = rankdata(values, axis=1)[:, member > 0].sum(axis=1)
    return np.asarray((ranks - own * (own + 1) / 2) / (own * others))


def _category_auc(column: pa.ChunkedArray, member: Floats) -> float:
    code = np.asarray(column.combine_chunks().cast(pa.string()).dictionary_encode(null_encoding="encode").indices)
    half, size, aucs = np.arange(len(code)) % 2, int(code.max(initial=-1)) + 1, []
    for part in (0, 1):
        here, other = half == part, half != part
        count = np.bincount(code[other], minlength=size)
        own = np.bincount(code[other], weights=member[other], minlength=size)
        rate = (own + member.mean()) / (count + 1)  # of a value that only this half has: that of all
        aucs.append(_aucs(rate[code[here]][None], member[here])[0])
    return max(0.5, float(np.mean(aucs)))
