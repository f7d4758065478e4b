"""How much models err alike: an ensemble gains only where its parts are wrong on different rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np

from mlsys_assets import charts
from mlsys_assets.measures.intervals import require_rows
from mlsys_assets.measures.metrics import Floats, divide
from mlsys_assets.mistakes import out_of_range

BANDS: Final = ((0.9, "0.9 to 1", "#08519c"), (0.7, "0.7 to 0.9", "#4292c6"), (0.3, "0.3 to 0.7", "#9ecae1"))
"""From which correlation of errors on a cell has which colour."""
APART: Final = ("below 0.3", "#f7fbff")
UNTOLD: Final = ("insufficient data", "#dddddd")
DIGITS: Final = 1e-12
"""Errors that vary by less do not vary: what is left are the last digits of their mean."""
THRESHOLD: Final = 0.5
"""Where a decision is cut unless something else is said."""


@dataclass(frozen=True, eq=False)
class ErrorCorrelation:
    """How much each pair of models errs alike.

    Parameters
    ----------
    names
        (k,) the models.
    errors
        (k, k) Pearson's correlation of label minus score within the classes, their means taken off: 0 for models
        that are independent given the label, as the binomial of a vote takes them to be. Across classes even those
        err alike, since a late flight can only be missed, and one in time only be called late.
    disagreement
        (k, k) the share of rows on which their decisions differ (Kuncheva & Whitaker 2003).
    q
        (k, k) Yule's Q of being right: 1 where both are right on the same rows, 0 where independent, negative where
        one is right when the other is not. NaN where it cannot be told.
    rows
        What it rests on.
    """

    names: tuple[str, ...]
    errors: Floats
    disagreement: Floats
    q: Floats
    rows: int

    def table(self) -> str:
        """Return it by pairs as a Markdown table, those that err most alike first."""
        pairs = sorted(combinations(range(len(self.names)), 2), key=lambda p: -np.nan_to_num(self.errors[p], nan=-2.0))
        lines = ["| pair | correlation of errors | disagreement | Q |", "|---|---|---|---|"]
        for a, b in pairs:
            told = (_told(part[a, b]) for part in (self.errors, self.disagreement, self.q))
            lines.append(f"| {self.names[a]}, {self.names[b]} | {' | '.join(told)} |")
        return "\n".join(lines)

    def picture(self) -> str:
        """Return the correlation of errors as an SVG grid, a cell a pair."""
        words = {name: [_band(value) for value in row] for name, row in zip(self.names, self.errors, strict=True)}
        colours = {word: colour for _, word, colour in BANDS} | dict((APART, UNTOLD))
        return charts.grid(self.names, words, title=f"correlation of errors, {self.rows:,} rows", colours=colours)


def error_correlation(label: Floats, scores: Mapping[str, Floats], *, threshold: float = THRESHOLD) -> ErrorCorrelation:
    """Return how much models err alike on rows that none of them was fitted on.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    scores
        By the model's name, (n,) probabilities.
    threshold
        Where scores become decisions.

    Raises ValueError for no model, and scores that are not probabilities of the same rows.
    """
    if not scores:
        raise ValueError("error correlation needs models, got none; give scores by name")
    for name, score in scores.items():
        require_rows(label, score, what=f"error correlation of {name!r}")
    every = np.stack(list(scores.values()))
    right = ((every >= threshold) == (label > 0)).astype(np.float64)
    both, neither = right @ right.T, (1 - right) @ (1 - right).T
    apart = right @ (1 - right).T  # [a, b]: rows on which a is right and b is not
    one = np.full((len(every), len(every)), float(len(label)))
    return ErrorCorrelation(
        names=tuple(scores),
        errors=_correlation(_within(label, label - every)),
        disagreement=divide(apart + apart.T, one),
        q=divide(both * neither - apart * apart.T, both * neither + apart * apart.T),
        rows=len(label),
    )


def majority_accuracy(accuracy: float, voters: int) -> float:
    """Return how often the majority of an odd number of independent voters is right (Condorcet 1785).

    Raises ValueError for an even number, and an accuracy outside [0, 1].

    >>> round(majority_accuracy(0.7, 3), 3)
    0.784
    """
    wrong = out_of_range("accuracy", accuracy, least=0, most=1)
    wrong += out_of_range("voters", voters, whole=True, least=1)
    if not wrong and voters % 2 == 0:
        wrong.append(f"voters are {voters}; of an even number neither side may have the majority")
    if wrong:
        raise ValueError("; ".join(wrong))
    needed = range(voters // 2 + 1, voters + 1)
    return float(sum(comb(voters, k) * accuracy**k * (1 - accuracy) ** (voters - k) for k in needed))


def majority_vote(scores: Mapping[str, Floats], *, threshold: float = THRESHOLD) -> Floats:
    """Return (n,) 1 where more than half of the models decide so, 0 elsewhere."""
    if not scores:
        raise ValueError("a vote needs models, got none; give scores by name")
    votes = np.mean([score >= threshold for score in scores.values()], axis=0)
    found: Floats = (votes > 0.5).astype(np.float64)  # noqa: PLR2004 - what a majority is
    return found


def _within(label: Floats, errors: Floats) -> Floats:
    """Return (k, n) errors without their class's mean."""
    off = errors.copy()
    for of_class in (label > 0, label <= 0):
        if of_class.any():
            off[:, of_class] -= errors[:, of_class].mean(axis=1, keepdims=True)
    return off


def _correlation(off: Floats) -> Floats:
    """Return (k, k) correlations of (k, n) errors whose means are 0; NaN for one that never varies."""
    norm = np.sqrt((off**2).sum(axis=1))
    norm[norm <= DIGITS * np.sqrt(off.shape[1])] = 0.0
    return np.clip(divide(off @ off.T, np.outer(norm, norm)), -1.0, 1.0)


def _told(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _band(value: float) -> str:
    """Return in which band a correlation lies, in words."""
    if not np.isfinite(value):
        return UNTOLD[0]
    return next((word for least, word, _ in BANDS if value >= least), APART[0])
