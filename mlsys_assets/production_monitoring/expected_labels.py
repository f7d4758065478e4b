"""The labels that a window's scores lead one to expect, by what came of like scores on the reference.

Each cell of score has the share of positives that it had on the reference, whether the scores are calibrated or not;
within a cell a sigmoid says which rows are the likelier ones. That is right as long as a score means what it meant,
however many of each score there are: under covariate shift. It is wrong where the share of positives among like scores
moved: under label shift and concept shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, spread
from mlsys_assets.measures.metrics import Floats, Metric, Weights, divide
from mlsys_assets.models.calibrated_predictor import ScoreMap, SigmoidMap
from mlsys_assets.models.calibration import Platt
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, Times, cell_of, counted

CELLS: Final = 50
"""Scores are counted in at most so many cells."""
ROWS_OF_A_CELL: Final = 30
"""Reference rows that a cell has at least, in the mean."""
DRAWS: Final = 400


@dataclass(frozen=True, eq=False)
class ExpectedLabels:
    """How many of a window's rows of each cell are expected to be positive, by draw.

    Parameters
    ----------
    rates
        (b, c) share of positives; the first row is no draw, but the expectation itself.
    likely
        (c,) share of positives by the sigmoid, of the reference's rows.
    edges
        (c - 1,) of the cells.
    sigmoid
        The map from scores to probabilities, learned on the reference.
    rests_on
        The reference's rows, positives and days.
    day_spread
        How far log-odds stray together on one day, as a standard deviation: what the day brings and no score knows.
    days
        (b, k) how often each day of the reference was drawn.
    """

    rates: Floats
    likely: Floats
    edges: Floats
    sigmoid: ScoreMap
    rests_on: Estimate
    day_spread: float
    days: Floats

    @classmethod
    def of(cls, reference: ReferenceScores, score: Floats, at: Times, *, seed: int) -> "ExpectedLabels":
        """Return what is expected of a window; it and the reference must be fit.

        Draws vary by what the reference's days happen to be, by what each day of the window may bring, and by which of
        rows with the same chance turn out positive: so that an interval holds what will be realised.
        """
        edges = reference.cells(int(np.clip(len(reference.score) // ROWS_OF_A_CELL, 2, CELLS)))
        rows = counted(reference.score, reference.at, edges)
        positive = counted(reference.score, reference.at, edges, of=reference.label)
        whole = positive.sum(axis=0) / rows.sum(axis=0)
        strays = _day_spread(rows, positive, whole)
        first, second = np.random.SeedSequence(seed).generate_state(2).tolist()
        days = np.vstack([np.ones(len(rows)), bootstrap(np.arange(len(rows)), seed=first, draws=DRAWS).counts])
        drawn = np.where(days @ rows > 0, divide(days @ positive, days @ rows), whole)
        realised = _realised(drawn[1:], counted(score, at, edges), strays, seed=second)
        rests_on = Estimate(np.nan, np.nan, np.nan, len(reference.score), int(reference.label.sum()), len(rows))
        sigmoid = sigmoid_of(reference)
        likely = counted(reference.score, reference.at, edges, of=sigmoid.apply(reference.score)).sum(axis=0)
        likely /= rows.sum(axis=0)
        return cls(np.vstack([whole, realised]), likely, edges, sigmoid, rests_on, strays, days)

    def estimate(self, metric: Metric, score: Floats) -> Estimate:
        """Return what a metric of the window's (n,) scores is expected to be, once their labels are known."""
        return expected(metric, [(self, score)])

    def change(self, metric: Metric, score: Floats, reference: ReferenceScores) -> Estimate:
        """Return that minus the metric of the reference, whose days are drawn alike for both."""
        then = metric.draws(reference.label, reference.score, Weights(day_blocks(reference.at), self.days))
        return expected(metric, [(self, score)], less=then)


def expected(metric: Metric, parts: Sequence[tuple[ExpectedLabels, Floats]], *, less: Floats | float = 0.0) -> Estimate:
    """Return what a metric of several windows' scores together is expected to be, each by its own model's reference.

    Each row stands for two, a positive and a negative one, that count as often as either is expected: any metric is
    computed as it always is. A row's own two are a tie, so that an AUC is lowered by one part in twice n.

    Parameters
    ----------
    parts
        What is expected of each window, and its (n,) scores.
    less
        (b,) what is taken off, as the metric of another time.
    """
    blocks, rows, counts, cells = [], [], [], 0
    for labels, score in parts:
        p, width = labels.sigmoid.apply(score), len(labels.likely)
        cell = cells + cell_of(score, labels.edges)
        blocks.append(np.concatenate([cell, cell + width]))
        rows.append(np.concatenate([p, 1 - p]))
        counts.append(np.hstack([labels.rates / labels.likely, (1 - labels.rates) / (1 - labels.likely)]))
        cells += 2 * width
    label = np.concatenate([np.repeat([1.0, 0.0], len(score)) for _, score in parts])
    weights = Weights(np.concatenate(blocks), np.hstack(counts), np.concatenate(rows))
    like = min((labels.rests_on for labels, _ in parts), key=lambda one: one.blocks)
    try:
        found = metric.draws(label, np.concatenate([np.tile(score, 2) for _, score in parts]), weights) - less
    except Exception as error:  # noqa: BLE001 - a metric may be anybody's: it is named, and the others still come
        return replace(like, sufficient=False, note=f"{metric.name}: {type(error).__name__}: {error}")
    return spread(float(found[0]), found[1:], like=like)


def sigmoid_of(reference: ReferenceScores) -> ScoreMap:
    """Return Platt's map; level where higher scores do not go with more positives, and say nothing within a cell."""
    try:
        return Platt().fit(reference.label, reference.score)
    except FitError:
        return SigmoidMap(0.0, float(log_odds(np.array([reference.prior]))[0]))


def _day_spread(rows: Floats, positive: Floats, rate: Floats) -> float:
    """Return the deviation of a day's common shift, by moments: what days differ more than their rows alone would."""
    over, chance = (positive - rows * rate).sum(axis=1), (rows * rate * (1 - rate)).sum(axis=1)
    return float(np.sqrt(max(((over**2 - chance).sum()) / max((chance**2).sum(), np.finfo(float).tiny), 0.0)))


def _realised(rate: Floats, rows: Floats, strays: float, *, seed: int) -> Floats:
    """Return (b, c) shares of positives that may come of (d, c) rows with (b, c) rates; the rate where are no rows."""
    rng = np.random.default_rng(seed)
    shift = strays * rng.standard_normal((len(rate), len(rows)))
    total = rows.sum(axis=0)
    moved = divide(shift @ rows, np.broadcast_to(total, rate.shape), otherwise=0.0)
    chance = np.clip(rate + moved * rate * (1 - rate), 0.0, 1.0)
    return np.where(total > 0, rng.binomial(total.astype(np.int64), chance) / np.maximum(total, 1), rate)
