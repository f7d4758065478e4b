"""Metrics of rankings: rows answer queries, and what is relevant should come first.

``Weights.query`` says which query a row answers; a query counts as its first row does. Gains and reciprocal ranks of
tied rows are the mean over all their orders; for average precision tied rows enter together, as in scikit-learn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats, Weights


@dataclass(frozen=True)
class Ndcg:
    """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) with linear gains.

    Parameters
    ----------
    k
        How many of the first places count; None: all.
    """

    k: int | None = None
    name: str = "ndcg"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) means over queries; NaN without a query that has anything relevant."""
        return _mean_over_queries(self._of, label, score, weights)

    def _of(self, label: Floats, score: Floats) -> float:
        discount = 1 / np.log2(np.arange(2, len(label) + 2))
        discount[len(label) if self.k is None else self.k :] = 0.0
        best = float(np.sort(label)[::-1] @ discount)
        return float(_by_place(label, score) @ discount) / best if best > 0 else np.nan


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Mean over queries of the average precision: area under each query's precision–recall curve, in steps."""

    name: str = "mean_average_precision"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) means over queries; NaN without a query that has anything relevant."""
        return _mean_over_queries(self._of, label, score, weights)

    def _of(self, label: Floats, score: Floats) -> float:
        order = np.argsort(-score, kind="stable")
        ends = np.flatnonzero(np.diff(score[order], append=np.nan))  # tied rows enter together
        found = np.cumsum(label[order] > 0)[ends]
        if not found[-1]:
            return np.nan
        return float(np.diff(found, prepend=0) @ (found / (ends + 1)) / found[-1])


@dataclass(frozen=True)
class MeanReciprocalRank:
    """Mean over queries of one over the place of the first relevant row (Voorhees 1999)."""

    name: str = "mean_reciprocal_rank"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) means over queries; NaN without a query that has anything relevant."""
        return _mean_over_queries(self._of, label, score, weights)

    def _of(self, label: Floats, score: Floats) -> float:
        relevant = label > 0
        if not relevant.any():
            return np.nan
        best = score[relevant].max()
        before, tied = int((score > best).sum()), int((score == best).sum())
        mine = int((relevant & (score == best)).sum())
        # The first of `mine` among `tied` in random order stands at place j with a hypergeometric chance.
        chance, left = 0.0, 1.0
        for j in range(tied - mine + 1):
            here = left * mine / (tied - j)
            chance, left = chance + here / (before + j + 1), left - here
        return chance


def _mean_over_queries(of: Callable[[Floats, Floats], float], label: Floats, score: Floats, weights: Weights) -> Floats:
    found, of_query = [], []
    for rows in _queries(len(label), weights.query):
        one = of(label[rows], score[rows])
        if one == one:  # noqa: PLR0124 - NaN differs from itself: nothing was relevant, so that no order is right
            found.append(one)
            of_query.append(rows[0])
    if not found:
        return np.full(len(weights.counts), np.nan)
    return weights.of(np.array(of_query)).means(np.array(found))


def _queries(n: int, query: NDArray[np.intp] | None) -> Iterator[NDArray[np.intp]]:
    """Yield each query's rows, in their order."""
    if query is None:
        if n:
            yield np.arange(n)
        return
    order = np.argsort(query, kind="stable")
    yield from (part for part in np.split(order, np.flatnonzero(np.diff(query[order])) + 1) if len(part))


def _by_place(label: Floats, score: Floats) -> Floats:
    """Return (n,) the relevance at each place from the highest score on, tied rows sharing theirs."""
    order = np.argsort(-score, kind="stable")
    starts = np.diff(score[order], prepend=np.nan) != 0
    group = np.cumsum(starts) - 1
    mean = np.bincount(group, weights=label[order]) / np.bincount(group)
    shared: Floats = mean[group]
    return shared
