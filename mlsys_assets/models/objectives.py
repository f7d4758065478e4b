"""Objectives of one's own for gradient boosting: several aims as one loss, differentiated by hand."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.types import Scalar

LEAST_CURVATURE: Final = 1e-16
"""Second derivatives are at least so large: where a loss is flat, a leaf's step would be without bounds."""
STEPS: Final = 50
"""Newton's steps to the best constant: of a convex loss of one number it takes a handful."""


@runtime_checkable
class Objective(Protocol):
    """A loss of each row by its label and its margin, which is the log odds of the probability given.

    Frozen, convex in the margin, and without any randomness: equal rows give equal trees.
    """

    @property
    def record(self) -> dict[str, Scalar]:
        """Its name as ``objective``, and its parameters: for the record of the model."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def losses(self, label: Floats, margin: Floats) -> Floats:
        """Return (n,) what each row costs."""
        ...

    def derivatives(self, label: Floats, margin: Floats) -> tuple[Floats, Floats]:
        """Return (n,) first and (n,) second derivatives of ``losses`` by the margin."""
        ...


@dataclass(frozen=True)
class Combined:
    """A weighted sum of log loss and of a smooth cost of missed positives.

    A positive row is missed where its probability lies below the threshold. That step cannot be
    descended; the logistic loss of the distance to it, log(1 + exp(margin of the threshold - margin)),
    is convex and lies above the step but for a constant (Bartlett, Jordan & McAuliffe 2006). The more
    it weighs, the fewer positives are missed, and the more the probabilities are too high: they are no
    longer those that log loss alone would give, and costs are read off the front, not off one fit.

    Parameters
    ----------
    log_loss, false_negative
        The weights of the two.
    threshold
        The probability from which on one acts, as ``CostMatrix.threshold`` tells.

    >>> Combined(log_loss=1, false_negative=0.5, threshold=0.25).mistakes()
    []
    """

    log_loss: float = 1.0
    false_negative: float = 0.0
    threshold: float = 0.5

    @property
    def record(self) -> dict[str, Scalar]:
        """Both weights and the threshold."""
        return {"objective": "combined", **{f"objective {name}": value for name, value in asdict(self).items()}}

    def mistakes(self) -> list[str]:
        """Return weights below nothing, a log loss without weight, and a threshold that splits nothing."""
        found = [
            *out_of_range("objective: log_loss", self.log_loss, above=0),
            *out_of_range("objective: false_negative", self.false_negative, least=0),
            *out_of_range("objective: threshold", self.threshold, above=0, most=1),
        ]
        return found or (["objective: threshold is 1; it must be below 1"] if self.threshold == 1 else [])

    def losses(self, label: Floats, margin: Floats) -> Floats:
        """Return (n,) losses."""
        sure = np.logaddexp(0.0, np.where(label > 0, -margin, margin))
        missed = np.where(label > 0, np.logaddexp(0.0, self._edge - margin), 0.0)
        total: Floats = self.log_loss * sure + self.false_negative * missed
        return total

    def derivatives(self, label: Floats, margin: Floats) -> tuple[Floats, Floats]:
        """Return (n,) first and (n,) second derivatives by the margin."""
        p, below = logistic(margin), np.where(label > 0, logistic(self._edge - margin), 0.0)
        first = self.log_loss * (p - label) - self.false_negative * below
        second = self.log_loss * p * (1 - p) + self.false_negative * below * (1 - below)
        return first, second

    @property
    def _edge(self) -> float:
        return float(np.log(self.threshold) - np.log1p(-self.threshold))


def best_constant(objective: Objective, label: Floats) -> float:
    """Return the one margin that costs least for all rows together: where boosting starts.

    Under log loss alone it is the log odds of the positives' share. ``label`` holds both 0 and 1.
    """
    share = float(label.mean())
    weights, classes = np.array([1 - share, share]), np.array([0.0, 1.0])
    margin = float(np.log(share) - np.log1p(-share))
    for _ in range(STEPS):
        first, second = objective.derivatives(classes, np.full(2, margin))
        step = float(weights @ first) / max(float(weights @ second), LEAST_CURVATURE)
        if margin - step == margin:
            break
        margin -= float(np.clip(step, -1.0, 1.0))  # far from the optimum Newton's step may leap beyond it
    return margin


@dataclass(frozen=True, eq=False)
class Boosting:
    """An objective as LightGBM asks for it, from the best constant on.

    LightGBM gives its functions the margin, the start included, and the data set with its labels.
    """

    objective: Objective
    start: float

    @classmethod
    def of(cls, objective: Objective, label: Floats) -> "Boosting":
        """Return the objective that starts at the best constant of the (n,) training labels."""
        return cls(objective, best_constant(objective, label))

    def begin(self, data: Any) -> None:
        """Let a LightGBM data set begin at the start."""
        data.set_init_score(np.full(len(data.get_label()), self.start))

    def gradient(self, margin: Floats, data: Any) -> tuple[Floats, Floats]:
        """Return (n,) first and (n,) second derivatives."""
        first, second = self.objective.derivatives(np.asarray(data.get_label(), dtype=np.float64), margin)
        return first, np.maximum(second, LEAST_CURVATURE)

    def watch(self, margin: Floats, data: Any) -> list[tuple[str, float, bool]]:
        """Return what is watched on a data set: the objective first, which decides when to stop, and log loss."""
        label = np.asarray(data.get_label(), dtype=np.float64)
        log_loss = np.logaddexp(0.0, np.where(label > 0, -margin, margin))
        own = self.objective.losses(label, margin)
        return [("objective", float(own.mean()), False), ("binary_logloss", float(log_loss.mean()), False)]
