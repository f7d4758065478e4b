"""The power law of learning curves, a + b * n^-c, fitted to many curves at once within bounds."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.metrics import Floats

SLOWEST, FASTEST = 0.1, 1.5
"""Bounds of the exponent c. Slower than this, the law is a straight line in log n, whose asymptote no curve tells;
classical rates end at 1 (Viering & Loog 2022, section 4)."""
EXPONENTS = 113
"""Exponents tried between the bounds, evenly in their logarithm: neighbours are 2.5% apart."""
LEAST_SIZES = 3
"""Sizes without which three numbers cannot be told."""


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """Losses ``asymptote + scale * n ** -exponent``, one law a curve.

    Parameters
    ----------
    asymptote
        (m,) the loss that no number of rows falls below.
    scale
        (m,) how much there is to learn, never negative.
    exponent
        (m,) how fast.
    """

    asymptote: Floats
    scale: Floats
    exponent: Floats

    def at(self, rows: float) -> Floats:
        """Return (m,) the losses at a number of rows."""
        losses: Floats = self.asymptote + self.scale * rows**-self.exponent
        return losses


def fit_power_law(rows: Floats, losses: Floats, *, floor: float = -np.inf) -> PowerLaw:
    """Return the laws nearest to (m, k) curves by least squares (Cortes et al. 1994; Hestness et al. 2017).

    For each exponent of a grid, asymptote and scale follow in closed form; the exponent with the
    least error is taken. Squared errors count by the square of the rows: the chance of a training set
    dies out about as fast as there is less to learn, and what is asked lies beyond the largest.

    Parameters
    ----------
    rows
        (k,) distinct sizes, at least three.
    losses
        (m, k) losses: smaller is better.
    floor
        The loss of a perfect model: no asymptote is below.
    """
    if len(np.unique(rows)) < LEAST_SIZES or losses.shape[1:] != rows.shape:
        raise ValueError(
            f"a power law needs {LEAST_SIZES} distinct sizes or more and a loss for each, "
            f"got {len(np.unique(rows))} sizes and losses of shape {losses.shape}"
        )
    exponents = np.geomspace(SLOWEST, FASTEST, EXPONENTS)
    weights = rows**2 / (rows**2).sum()
    found = [_closed_form(rows**-c, losses, weights, floor) for c in exponents]
    errors = np.array([error for _, _, error in found])
    best = errors.argmin(axis=0)
    curves = np.arange(len(losses))
    asymptote, scale = (np.array([one[part] for one in found])[best, curves] for part in (0, 1))
    return PowerLaw(asymptote, scale, exponents[best])


def _closed_form(x: Floats, losses: Floats, weights: Floats, floor: float) -> tuple[Floats, Floats, Floats]:
    """Return (m,) asymptotes, scales and errors of the bounded least squares on one (k,) regressor."""
    mean_x, mean = x @ weights, losses @ weights
    spread = ((x - mean_x) ** 2) @ weights
    scale = np.maximum(((losses - mean[:, None]) * (x - mean_x)) @ weights / spread, 0.0)
    asymptote = mean - scale * mean_x
    below = asymptote < floor
    bounded = np.maximum(((losses - floor) * x) @ weights / (x**2 @ weights), 0.0) if below.any() else scale
    scale = np.where(below, bounded, scale)
    asymptote = np.where(below, floor, asymptote)
    errors = (losses - asymptote[:, None] - scale[:, None] * x) ** 2 @ weights
    return asymptote, scale, errors
