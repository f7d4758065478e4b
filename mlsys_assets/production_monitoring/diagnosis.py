"""A diagnosis: what changed, what shows it, what it costs, and what to do about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from mlsys_assets.measures.intervals import Estimate, on_record
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


BUGS: Final = (Cause.SCHEMA, Cause.PIPELINE, Cause.SKEW)
"""What no change of the world is: it is mended, not learned from, and explains whatever else moved with it."""
SHIFTS: Final = (Cause.COVARIATE, Cause.LABEL, Cause.CONCEPT)
"""Changes of the world."""


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
        The effect, and from where on it counts, both in the test's own measure; finite.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "measures", MappingProxyType(dict(self.measures)))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; digits that a processor decides go."""
        return {
            "cause": self.cause.value,
            "test": self.test,
            "where": self.where,
            "told": self.told,
            "size": _plain(self.size),
            "limit": _plain(self.limit),
            "measures": {name: _plain(value) for name, value in self.measures.items()},
        }


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

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        money = None if self.money is None else self.money.as_dict()
        return {"log_loss": self.log_loss.as_dict(), "money": money, "requests": self.requests, "how": self.how}

    def __str__(self) -> str:
        told = f"{self.how} {self.log_loss} log loss a request"
        if self.money is None or not self.money.sufficient:
            return told
        low, value, high = (each * self.requests for each in (self.money.low, self.money.value, self.money.high))
        return f"{told}, {value:,.0f} [{low:,.0f}, {high:,.0f}] of money in all"


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

    def as_dict(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        learn_from = self.learn_from
        return {
            "window": [self.window.start.isoformat(), self.window.end.isoformat()],
            "cause": self.cause.value,
            "remedy": self.remedy.value,
            "price": None if self.price is None else self.price.as_dict(),
            "learn_from": None if learn_from is None else [learn_from.start.isoformat(), learn_from.end.isoformat()],
            "symptoms": [s.as_dict() for s in self.symptoms],
            "reason": self.reason,
            "untold": dict(self.untold),
        }


def diagnosed(evidence: Mapping[str, Any]) -> "Diagnosis":
    """Return the diagnosis that ``Diagnosis.as_dict`` gave."""
    price, learn_from = evidence["price"], evidence["learn_from"]
    return Diagnosis(
        window=TimeWindow.of(*evidence["window"]),
        cause=Cause(evidence["cause"]),
        symptoms=tuple(Symptom(**{**s, "cause": Cause(s["cause"])}) for s in evidence["symptoms"]),
        price=None if price is None else _price(price),
        remedy=Remedy(evidence["remedy"]),
        learn_from=None if learn_from is None else TimeWindow.of(*learn_from),
        reason=evidence["reason"],
        untold=dict(evidence["untold"]),
    )


def _price(found: Mapping[str, Any]) -> Price:
    money = found["money"]
    return Price(
        log_loss=Estimate.from_dict(found["log_loss"]),
        money=None if money is None else Estimate.from_dict(money),
        requests=found["requests"],
        how=found["how"],
    )


def _plain(value: Scalar) -> Scalar:
    if isinstance(value, float):
        return on_record(value) if math.isfinite(value) else None
    return value
