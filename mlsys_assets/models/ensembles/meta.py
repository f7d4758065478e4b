"""The meta learner of a stack: a few numbers, learned from out-of-fold scores and from nothing else."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.ensembles.out_of_fold import OutOfFold
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.models.stack_predictor import Line

STEPS: Final = 100
"""The most Newton steps: from equal weights it takes about six."""
HALVINGS: Final = 40
"""So often a step is halved that does not bring what it promises."""
SETTLED: Final = 1e-12
"""A step that promises to lower the sum of log losses by less is the last."""
TRIED: Final = 1e-6
"""A step that promises less is taken as it is: what it brings stands in the last digits of a sum of many rows."""
ENOUGH: Final = 1e-4
"""The share of what a step promises that it must bring (Armijo 1966)."""


@dataclass(frozen=True)
class LogisticMeta:
    """A logistic regression on the bases' log-odds, drawn towards equal weights.

    Weights below 0 are not allowed unless asked for: of bases that are much alike, free weights pit one against the
    other, which holds on the rows they were learned from (Breiman 1996, stacked regressions).

    Parameters
    ----------
    penalty
        How strongly weights are drawn towards 1 / k each: the factor of half their squared distance, beside log
        losses summed over rows. Above 0, so that bases which say the same share their weight.
    non_negative
        Whether weights below 0 are refused.
    """

    penalty: float = 1.0
    non_negative: bool = True

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        return out_of_range(f"{what}: penalty", self.penalty, above=0)

    def fit(self, scored: OutOfFold) -> Line:
        """Return the line of least log loss; raises FitError for one class, TypeError for any other scores."""
        if not isinstance(scored, OutOfFold):
            raise TypeError(
                f"a meta learner is fitted on OutOfFold scores only, got {type(scored).__name__}: what models say of "
                "rows they were fitted on tells how well they remember; use score_out_of_fold(...)"
            )
        if not 0.0 < (share := float(scored.label.mean())) < 1.0:
            raise FitError(f"all {len(scored.label)} out-of-fold rows have label {share:g}; give longer or more folds")
        at = np.column_stack([np.ones(len(scored.label)), log_odds(scored.scores)])
        found = _search(at, scored.label, self.penalty, non_negative=self.non_negative)
        return Line(float(found[0]), dict(zip(scored.bases, found[1:].tolist(), strict=True)))


def read_line(text: object) -> Line:
    """Return the line that JSON text holds; raises ValueError for what holds none."""
    try:
        found = msgspec.json.decode(text if isinstance(text, str) else "", type=Line)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{text!r} is no line of a stack: {error}") from error
    if mistake := found.mistake():
        raise ValueError(f"{text!r} is no line of a stack: it has {mistake}")
    return found


def _search(at: Floats, label: Floats, penalty: float, *, non_negative: bool) -> Floats:
    """Return (k + 1,) the intercept and the weights, given (m, k + 1) ones and log-odds, by Newton's method."""
    bases = at.shape[1] - 1
    towards = np.concatenate([[0.0], np.full(bases, 1 / bases)])
    drawn = penalty * np.concatenate([[0.0], np.ones(bases)])

    def loss(x: Floats) -> float:
        margin = np.einsum("ij,j->i", at, x)
        return float((np.logaddexp(0.0, margin) - label * margin).sum() + 0.5 * (drawn * (x - towards) ** 2).sum())

    x = towards.copy()
    for _ in range(STEPS):
        p = logistic(np.einsum("ij,j->i", at, x))
        gradient = np.einsum("ij,i->j", at, p - label) + drawn * (x - towards)
        hessian = np.einsum("ij,ik->jk", at * (p * (1 - p))[:, None], at) + np.diag(drawn)
        least = x - np.linalg.solve(hessian, gradient)
        step = (_bounded(hessian, least) if non_negative else least) - x
        promised, share = -float(gradient @ step), 1.0
        if promised > TRIED:
            start = loss(x)
            while start - loss(x + share * step) < ENOUGH * share * promised and share > 0.5**HALVINGS:
                share /= 2
        x = x + share * step
        if promised <= SETTLED:
            return np.concatenate([x[:1], np.maximum(x[1:], 0.0)]) if non_negative else x
    raise FitError(f"the weights of a stack did not settle in {STEPS} steps; give longer folds, or a larger penalty")


def _bounded(hessian: Floats, least: Floats) -> Floats:
    """Return where a quadratic with its least value at ``least`` is least among weights of 0 and above."""
    from scipy.optimize import nnls

    across = hessian[0, 1:] / hessian[0, 0]
    root = np.linalg.cholesky(hessian[1:, 1:] - np.outer(across, hessian[0, 1:])).T
    weights = nnls(root, root @ least[1:])[0]
    return np.concatenate([[least[0] - across @ (weights - least[1:])], weights])
