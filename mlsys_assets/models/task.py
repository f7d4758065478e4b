"""The task: what goes in, what comes out and what is minimised, declared; a problem may be framed in several ways."""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import alike, none_of, not_all, out_of_range
from mlsys_assets.types import Scalar

LOSSES: Final = ("squared_error", "absolute_error")
LONGEST_UNIT: Final = 20
"""Characters of a unit."""
FEWEST_CLASSES: Final = 2
"""One class alone leaves nothing to tell."""

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
        return found + _misnamed_number("regression", self.target, self.unit)

    def label(self, target: Floats) -> Floats:
        """Return (n,) 1 where the (n,) target exceeds the cut, 0 where it does not, NaN where it is not known."""
        label: Floats = np.where(np.isnan(target), np.nan, (target > self.cut).astype(np.float64))
        return label


@dataclass(frozen=True)
class MultiClass:
    """Features in, a probability of each of several classes out; what is minimised is log loss.

    Parameters
    ----------
    classes
        Their names, two or more; a label is the place of its class, from 0 on.

    >>> MultiClass(("early", "on time", "late")).output
    'P(early), P(on time), P(late)'
    """

    classes: tuple[str, ...]

    @property
    def output(self) -> str:
        """What a model gives."""
        return ", ".join(f"P({name})" for name in self.classes)

    @property
    def record(self) -> dict[str, Scalar]:
        """The task by name: for the record of the model."""
        return {"task": "multi-class", "task output": self.output, "task objective": "log_loss"}

    def mistakes(self) -> list[str]:
        """Return classes that are too few, have no name, or have the same."""
        if found := not_all("multi-class: classes", self.classes, str):
            return found
        if len(self.classes) < FEWEST_CLASSES:
            return [f"multi-class: classes are {self.classes}; give {FEWEST_CLASSES} or more"]
        nameless = [name for name in self.classes if not name.strip()]
        return ["multi-class: a class has no name"] * bool(nameless) + alike("class", self.classes)

    def label(self, index: Floats) -> NDArray[np.intp]:
        """Return (n,) whole numbers of (n,) labels; raises ValueError for one that is no place of a class."""
        odd = ~np.isin(index, np.arange(len(self.classes)))
        if odd.any():
            raise ValueError(f"labels must be 0 to {len(self.classes) - 1}, one for each class, got {index[odd][0]:g}")
        return index.astype(np.intp)


@dataclass(frozen=True)
class PlainRegression:
    """Features in, a number out.

    Parameters
    ----------
    target
        The number, as the sources name it; it stands in the label's place, see ``with_target``.
    unit
        What it is counted in.

    >>> PlainRegression("arr_delay", unit="min").output
    'arr_delay [min]'
    """

    target: str
    unit: str = ""

    @property
    def output(self) -> str:
        """What a model gives."""
        return f"{self.target} [{self.unit}]" if self.unit else self.target

    @property
    def record(self) -> dict[str, Scalar]:
        """The task by name: for the record of the model."""
        return {"task": "plain regression", "task output": self.output}

    def mistakes(self) -> list[str]:
        """Return a target without a name, and a unit that is none."""
        return _misnamed_number("plain regression", self.target, self.unit)


Task = Classification | Regression | MultiClass | PlainRegression
"""How a problem is framed."""


def _misnamed_number(what: str, target: object, unit: object) -> list[str]:
    """Return that a target has no name, or that a unit is none."""
    found = []
    if not isinstance(target, str) or not target.strip():
        found.append(f"{what}: target is {target!r}; name the number that is foretold, as 'arr_delay'")
    if not isinstance(unit, str) or len(unit) > LONGEST_UNIT:
        found.append(f"{what}: unit is {unit!r}; it must be text of at most {LONGEST_UNIT} characters")
    return found


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
