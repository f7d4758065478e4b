"""A candidate: something that can be fitted, compared with others, and refitted by the recipe that won."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.prepared_once import fit_once
from mlsys_assets.features.preprocessing.preprocessor import Prepared, Preprocessor
from mlsys_assets.mistakes import not_one
from mlsys_assets.models.predictor import Predictor, Rows
from mlsys_assets.types import DeclarationError, Scalar

Recipe = Mapping[str, Scalar]
"""What a fit found and a refit must not search again, such as the number of rounds."""

MOST_NOTES = 5
"""Of what had to be made do with, so many are told in a record; the number is of all."""


class FitError(ValueError):
    """Rows that no candidate can be fitted on: a failed candidate with its reason; the others go on."""


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """Turn whatever a library raises within into a FitError that says what failed, and why in one line.

    What was refused with a reason of ours passes, and so does a lack of memory: it is no fault of the candidate's.

    >>> with failures_told("my_model"):
    ...     1 / 0
    Traceback (most recent call last):
        ...
    mlsys_assets.models.candidate.FitError: my_model failed: ZeroDivisionError: division by zero
    """
    try:
        yield
    except (FitError, DeclarationError, ColumnError, MemoryError):
        raise
    except Exception as error:
        told = next(iter(str(error).splitlines()), "")
        raise FitError(f"{what} failed: {type(error).__name__}: {told}") from error


@dataclass(frozen=True)
class LossCurve:
    """Log loss after each round, where a model is fitted in rounds; empty where it is not."""

    train: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted candidate.

    Parameters
    ----------
    candidate
        The candidate's name.
    predictor
        What scores rows, and is stored.
    params
        Everything that was chosen before the fit: for the record.
    recipe
        What the fit found: for the refit.
    loss_curve
        How the fit went.
    """

    candidate: str
    predictor: Predictor
    params: Mapping[str, Scalar] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=dict)
    loss_curve: LossCurve = LossCurve()

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities; raises ColumnError, and FitError for rows that the model fails on."""
        with failures_told(self.candidate):
            return self.predictor.predict(rows, threads=threads)


@runtime_checkable
class Candidate(Protocol):
    """Anything that can be fitted on labelled rows; frozen, and equal inputs give equal models."""

    @property
    def name(self) -> str:
        """A name, unique in its system."""
        ...

    @property
    def baseline(self) -> bool:
        """Whether it stands for what any model must beat."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The feature columns without which it cannot be fitted; () if it takes what there is."""
        ...

    @property
    def kind(self) -> str:
        """The kind of its predictor: one that a bundle can hold and be read as."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, apart from its name and its kind."""
        ...

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train and choose on validation; raises FitError, and TypeError for test rows."""
        ...

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows with what an earlier fit found; raises FitError, and TypeError for test rows."""
        ...


def check_train(train: Train, *, what: str) -> None:
    """Raise TypeError for anything but a Train view, FitError unless it holds both classes and nothing else."""
    require_train(train, what=what)
    _check_labels(train.label, what=what, part="training")
    if not (0.0 < train.label.mean() < 1.0):
        raise FitError(f"{what} needs both classes, all {len(train)} training rows have label {train.label[0]:g}")


def check_validation(validation: Validation, *, what: str) -> None:
    """Raise TypeError for anything but a Validation view, FitError unless it holds labelled rows."""
    require_validation(validation, what=what)
    _check_labels(validation.label, what=what, part="validation")


def prepare(preprocessor: Preprocessor, train: Train, *, what: str) -> Prepared:
    """Return the training rows prepared; raises FitError for columns that are not as the preprocessor declares."""
    try:
        return fit_once(preprocessor, train)
    except ColumnError as error:
        raise FitError(f"{what}: {error}") from error


def prepared_record(preprocessor: Preprocessor, prepared: Prepared) -> dict[str, Scalar]:
    """Return what a model's record says of how its rows were prepared."""
    notes = f"{len(prepared.notes)}: " + "; ".join(prepared.notes[:MOST_NOTES]) if prepared.notes else "none"
    return {"preprocessor": preprocessor.described, "preprocessing notes": notes}


def preprocessor_needs(preprocessor: object) -> tuple[str, ...]:
    """Return the columns that a candidate's preprocessor names."""
    return preprocessor.needs if isinstance(preprocessor, Preprocessor) else ()


def preprocessor_mistakes(preprocessor: object, *, what: str) -> list[str]:
    """Return what is wrong with a candidate's preprocessor."""
    if not isinstance(preprocessor, Preprocessor):
        return not_one(f"{what}: preprocessor", preprocessor, Preprocessor)
    return preprocessor.mistakes(f"{what}: preprocessor")


def _check_labels(label: NDArray[np.float64], *, what: str, part: str) -> None:
    if len(label) == 0:
        raise FitError(f"{what} needs {part} rows, got none")
    other = label[(label != 0.0) & (label != 1.0)]
    if len(other):
        raise FitError(f"{what} takes labels 0 and 1, got {other[0]} ({len(other)} such {part} rows)")
