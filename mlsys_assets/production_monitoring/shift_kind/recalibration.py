"""Whether labels still follow from the champion's score as they did: the line that recalibrates it, then and now.

Cox (1958): labels regressed on the log-odds foretold. A level that moved says that all are likelier, or less likely,
than foretold; a slope that fell, that scores tell less.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlsys_assets.measures.metrics import Floats, LogLoss, value
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import fit_lines, log_odds
from mlsys_assets.models.prior_correction import shifted
from mlsys_assets.production_monitoring.shift_kind.by_day import Days, Moved
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

HALVINGS = 60
"""Bisections of a level: to the last bit that matters."""
FARTHEST = 20.0
"""No level of log-odds lies farther off."""


@dataclass(frozen=True)
class Line:
    """A recalibration: log-odds are stretched and moved.

    Parameters
    ----------
    slope, level
        1 and 0 leave a score as it is.
    """

    slope: float
    level: float

    @classmethod
    def fit(cls, label: Floats, score: Floats) -> "Line":
        """Return the likeliest line of (n,) labels; NaN where classes are separate or there is one."""
        slope, level = fit_lines(log_odds(score), np.ones((1, len(label))), label[None])
        return cls(float(slope[0]), float(level[0]))

    @property
    def told(self) -> bool:
        """Whether there is a likeliest line."""
        return bool(np.isfinite(self.slope) and np.isfinite(self.level))

    def __call__(self, score: Floats) -> Floats:
        """Return (n,) recalibrated probabilities."""
        return logistic(self.slope * log_odds(score) + self.level)


@dataclass(frozen=True, eq=False)
class Recalibrated:
    """How the champion's score was recalibrated in the reference, and is in the window.

    Parameters
    ----------
    reference, window
        The lines of each.
    level
        How far the level moved, in log-odds at the window's mean score.
    slope
        How far the slope moved.
    prior
        The change of log-odds, alike for all rows, that explains the window best.
    level_gain, slope_gain
        Log loss a request of the window that this change regains, and the line beyond it, less what chance gives.
    """

    reference: Line
    window: Line
    level: Moved
    slope: Moved
    prior: float
    level_gain: float
    slope_gain: float


def recalibrated(reference: ScoredRows, window: ScoredRows, days: Days) -> Recalibrated | None:
    """Return how the line of labelled rows moved from a reference to a window; None if the score separates classes.

    Parameters
    ----------
    days
        Of those rows.
    """
    then, now = (Line.fit(rows.label, rows.score) for rows in (reference, window))
    if not (then.told and now.told):
        return None
    centre = float(log_odds(window.score).mean())
    parts = [_influence(rows, line, centre) for rows, line in ((reference, then), (window, now))]
    errors = days.errors(parts[0], parts[1])
    level = Moved((now.slope - then.slope) * centre + now.level - then.level, float(errors[0]), days.fewer)
    slope = Moved(now.slope - then.slope, float(errors[1]), days.fewer)
    before = then(window.score)
    prior = common_level(window.label, before)
    losses = [value(LogLoss(), window.label, p) for p in (before, shifted(before, prior), now(window.score))]
    chance = 0.5 / len(window) + 0.5 / len(reference)  # what each fitted number gains in the mean by chance
    gains = [first - second - chance for first, second in pairwise(losses)]
    return Recalibrated(then, now, level, slope, prior, *gains)


def common_level(label: Floats, score: Floats) -> float:
    """Return by how much all log-odds move so that the (n,) scores foretell as many positives as there are."""
    low, high, start = -FARTHEST, FARTHEST, log_odds(score)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if logistic(start + middle).mean() < label.mean() else (low, middle)
    return (low + high) / 2


def _influence(rows: ScoredRows, line: Line, centre: float) -> Floats:
    """Return (2, n) what each row adds to the level at ``centre`` and to the slope."""
    x = np.stack([np.ones(len(rows)), log_odds(rows.score) - centre])
    p = line(rows.score)
    spread = (x * (p * (1 - p))) @ x.T
    return np.asarray(np.linalg.solve(spread, x * (rows.label - p)), dtype=np.float64)
