"""A diagnosis: what changed, what shows it, what it costs, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.types import Scalar, TimeWindow


class Cause(StrEnum):
    """What changed, in the order in which it is looked for: what comes first explains what comes after."""

    SCHEMA = "schema change"
    PIPELINE = "pipeline bug"
    SKEW = "train-serve skew"
    COVARIATE = "covariate shift"
    LABEL = "label shift"
    CONCEPT = "concept shift"
    NOTHING = "nothing"
    UNTOLD = "insufficient data"


class Remedy(StrEnum):
    """What to do."""

    NOTHING = "nothing"
    FIX_DATA = "fix the data"
    FIX_SERVING = "fix the serving"
    CORRECT_PRIOR = "correct the prior"
    REWEIGHT = "reweight and retrain"
    RETRAIN = "retrain"
    WAIT = "wait for labels"


@dataclass(frozen=True)
class Symptom:
    """One thing that is other than it was, beyond chance and beyond what is usual.

    Parameters
    ----------
    cause
        What it speaks for.
    test
        What looked: a name such as ``unit``, ``psi``, ``classifier``.
    where
        The column, or ``scores``, ``labels``, a table.
    told
        What was seen, in a sentence, with its numbers.
    size, limit
        The effect, and from where on it counts, both in the test's own measure.
    measures
        Further numbers, for the record.
    """

    cause: Cause
    test: str
    where: str
    told: str
    size: float
    limit: float
    measures: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Price:
    """What a change costs, against the model as it was.

    Parameters
    ----------
    log_loss
        For each request in the mean.
    money
        For each request in the mean, in the unit of the system's costs; None if it declares none.
    requests
        How many requests the window has.
    how
        ``estimated`` without labels, or ``realised`` on those that are known.
    """

    log_loss: Estimate
    money: Estimate | None
    requests: int
    how: str

    @property
    def total(self) -> float | None:
        """What all requests of the window cost more, in the unit of the system's costs."""
        return None if self.money is None or not self.money.sufficient else self.money.value * self.requests


@dataclass(frozen=True)
class Diagnosis:
    """What changed in a window.

    Parameters
    ----------
    window
        The requests that were looked at: by their prediction time.
    cause
        The first cause, in the order of ``Cause``, that has a symptom.
    symptoms
        Those of the cause first, then all others; the worst first within each.
    price
        What it costs; None where that cannot be told.
    remedy
        What to do.
    learn_from
        The prediction times to learn from, where the remedy is to retrain.
    reason
        All of it in a sentence.
    untold
        Tests that could not look, and why: the others did.
    """

    window: TimeWindow
    cause: Cause
    symptoms: tuple[Symptom, ...]
    price: Price | None
    remedy: Remedy
    learn_from: TimeWindow | None
    reason: str
    untold: Mapping[str, str] = field(default_factory=dict)
