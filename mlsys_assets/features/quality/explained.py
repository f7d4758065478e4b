"""What observed columns say of a row's missing values and of its label, on days that it was not learned from."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.quality.observed import Observed
from mlsys_assets.measures.metrics import Floats

FOLDS: Final = 5
"""Days are dealt out in turn: each is scored by what was learned from those of the other folds."""
RIDGE: Final = 1e-3
"""Added to each column's variance, so that columns that say the same can stand side by side."""


def explain_missing(observed: Observed) -> Floats:
    """Return (n, q) the shares in which each column is expected to be missing, by the other columns, out of fold.

    A linear discriminant (Fisher 1936) of what is observed; of its own column, and of those that are mostly missing
    in the same rows, nothing is read: there a value would tell itself.
    """
    return _out_of_fold(
        observed, observed.missing.astype(np.float64), [observed.tells(j) for j in range(len(observed.alike))]
    )


def explain_label(observed: Observed) -> Floats:
    """Return (n,) the labels expected by a linear regression on what is observed, out of fold."""
    every = np.arange(observed.values.shape[1])
    return _out_of_fold(observed, observed.label[:, None], [every])[:, 0]


def aucs(observed: Observed, expected: Floats) -> Floats:
    """Return (q,) how well the (n, q) expected shares rank missing rows above present ones, ranked within folds."""
    from scipy.stats import rankdata

    fold = observed.block % FOLDS
    won, pairs = np.zeros((2, observed.missing.shape[1]))
    for k in range(FOLDS):
        missing = observed.missing[fold == k]
        absent, present = missing.sum(axis=0), (~missing).sum(axis=0)
        ranks = rankdata(expected[fold == k], axis=0)
        won += (ranks * missing).sum(axis=0) - absent * (absent + 1) / 2
        pairs += absent * present
    found: Floats = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
    return found


def _out_of_fold(observed: Observed, targets: Floats, reads: list[NDArray[np.intp]]) -> Floats:
    """Return (n, t) each target as a ridge regression on the columns that it may read expects it."""
    rows = np.column_stack([observed.values, np.ones(len(targets))])
    fold, expected = observed.block % FOLDS, np.empty_like(targets)
    each = [rows[fold == k] for k in range(FOLDS)]
    squares = np.array([own.T @ own for own in each])
    products = np.array([own.T @ targets[fold == k] for k, own in enumerate(each)])
    penalty = np.append(np.full(observed.values.shape[1], RIDGE), 0.0)
    for k, own in enumerate(each):
        others = len(rows) - len(own)
        if not others:  # all days are of one fold: nothing to learn from
            expected[fold == k] = np.nan
            continue
        square = squares.sum(axis=0) - squares[k] + np.diag(penalty * others)
        product = products.sum(axis=0) - products[k]
        weights = np.zeros_like(product)
        for t, read in enumerate(reads):
            kept = np.append(read, len(penalty) - 1)
            weights[kept, t] = np.linalg.solve(square[np.ix_(kept, kept)], product[kept, t])
        expected[fold == k] = own @ weights
    return expected
