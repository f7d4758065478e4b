"""The task: what goes in, what comes out and what is minimised, declared; a problem may be framed in several ways."""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

import numpy as np

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import none_of, out_of_range
from mlsys_assets.types import Scalar

LOSSES: Final = ("squared_error", "absolute_error")
LONGEST_UNIT: Final = 20
"""Characters of a unit."""

V = TypeVar("V", Train, Validation)


@dataclass(frozen=True)
class Classification:
    """Features in, the probability of a label of 1 out; what is minimised is log loss."""

    objective: Literal["log_loss"] = "log_loss"

    @property
    def output(self) -> str:
        """What a model gives."""
        return "P(label = 1)"

    @property
    def record(self) -> dict[str, Scalar]:
        """The task by name: for the record of the model."""
        return {"task": "classification", "task output": self.output, "task objective": self.objective}

    def mistakes(self) -> list[str]:
        """Return an objective that it has not."""
        return none_of("classification: objective", self.objective, ("log_loss",))


@dataclass(frozen=True)
class Regression:
    """Features in, a number out, and from it the probability that the number turns out above a cut.

    The label of the system is then the answer to the same question: whether the target exceeds the cut.

    Parameters
    ----------
    target
        The number, as the sources name it.
    cut
        The value that it must exceed, in its unit.
    unit
        What it is counted in.
    objective
        What is minimised: ``squared_error`` gives means, ``absolute_error`` medians.

    >>> Regression("arr_delay", cut=15, unit="min").output
    'P(arr_delay > 15 min)'
    """

    target: str
    cut: float
    unit: str = ""
    objective: Literal["squared_error", "absolute_error"] = "squared_error"

    @property
    def output(self) -> str:
        """What a model gives."""
        return f"P({self.target} > {self.cut:g}{' ' * bool(self.unit)}{self.unit})"

    @property
    def record(self) -> dict[str, Scalar]:
        """The task by name: for the record of the model."""
        return {"task": "regression", "task output": self.output, "task objective": self.objective}

    def mistakes(self) -> list[str]:
        """Return a target without a name, a cut that is no number, and an objective that it has not."""
        found = out_of_range("regression: cut", self.cut) + none_of("regression: objective", self.objective, LOSSES)
        if not isinstance(self.target, str) or not self.target.strip():
            found.append(f"regression: target is {self.target!r}; name the number that is foretold, as 'arr_delay'")
        if not isinstance(self.unit, str) or len(self.unit) > LONGEST_UNIT:
            found.append(f"regression: unit is {self.unit!r}; it must be text of at most {LONGEST_UNIT} characters")
        return found

    def label(self, target: Floats) -> Floats:
        """Return (n,) 1 where the (n,) target exceeds the cut, 0 where it does not, NaN where it is not known."""
        label: Floats = np.where(np.isnan(target), np.nan, (target > self.cut).astype(np.float64))
        return label


Task = Classification | Regression
"""How a problem is framed."""


def with_target(view: V, target: Floats) -> V:
    """Return the same rows with a numeric target in the label's place, which a regression is fitted on.

    A classifier refuses such rows, since it takes labels 0 and 1 only.

    Parameters
    ----------
    view
        Rows to fit or to choose on; test rows are refused.
    target
        (n,) one number a row of the view, in its order.

    Raises TypeError for other rows, ValueError for another length or a target that is not known of every row.
    """
    if not isinstance(view, Train | Validation):
        raise TypeError(f"a target is given to a Train or Validation view, got {type(view).__name__}")
    if np.shape(target) != (len(view),):
        raise ValueError(f"a target of shape {np.shape(target)} for {len(view)} rows; give one number a row")
    if unknown := int((~np.isfinite(target)).sum()):
        raise ValueError(f"the target of {unknown} of {len(view)} rows is not finite; leave out what is not labelled")
    return replace(view, label=np.asarray(target, dtype=np.float64))
