"""Cost by calendar month and model, and what each model saves against each other on the same requests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.ledger import INSUFFICIENT
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.performance import LEAST_LABELLED

TOLD = "told"
"""Verdicts on a month of a model."""


@dataclass(frozen=True)
class MonthlyCost:
    """What a model's decisions of one month cost.

    Parameters
    ----------
    month
        A UTC calendar month, such as ``2013-07``.
    model
        The model's name.
    labelled
        Requests whose label is known.
    mean, total
        Cost of a request, and of all labelled ones; None where the verdict is ``insufficient data``.
    savings
        By the name of each other model, its total minus this one's: positive where this one is cheaper. None where
        either has insufficient data or they decided on different requests, of which no difference is a saving.
    unit
        What cost is counted in.
    verdict
        ``told`` or ``insufficient data``.
    """

    month: str
    model: str
    labelled: int
    mean: float | None
    total: float | None
    savings: Mapping[str, float | None] = field(default_factory=dict)
    unit: str = "USD"
    verdict: str = TOLD

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def monthly(
    predict_at: NDArray[np.datetime64],
    label: Floats,
    score: Floats,
    model: NDArray[Any],
    *,
    cost: CostMatrix,
    support: int = LEAST_LABELLED,
) -> tuple[MonthlyCost, ...]:
    """Return the cost of each month and model, in this order; the order of the rows changes nothing.

    Parameters
    ----------
    predict_at
        (n,) datetime64, UTC: when a model was asked.
    label
        (n,) 0 or 1; NaN where it is not known, which is not counted.
    score
        (n,) the probability that it gave.
    model
        (n,) its name. Models that are to be compared have a row each for the same request.
    cost
        What decisions cost.
    support
        A month with fewer labelled requests of a model is insufficient data.

    Raises ValueError if the arrays differ in length, DeclarationError for a cost matrix with mistakes.
    """
    lengths = {len(column) for column in (predict_at, label, score, model)}
    if len(lengths) != 1:
        raise ValueError(f"predict_at, label, score and model have {sorted(lengths)} rows; they must have equally many")
    known, month = ~np.isnan(label), predict_at.astype("datetime64[M]")
    named = model.astype(str)
    found = []
    for one in np.unique(month):
        rows = {str(name): (month == one) & (named == name) for name in np.unique(named)}
        parts = {
            name: _Part.of(predict_at[mine & known], label[mine & known], score[mine & known], cost, least=support)
            for name, mine in rows.items()
            if mine.any()
        }
        found += [_told(str(one), name, parts, cost.unit) for name in parts]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Part:
    """What one model decided in one month: its labelled (n,) requests, by time and label, and their total cost."""

    predict_at: NDArray[np.datetime64]
    label: Floats
    total: float | None

    @classmethod
    def of(
        cls, predict_at: NDArray[np.datetime64], label: Floats, score: Floats, cost: CostMatrix, *, least: int
    ) -> "_Part":
        order = np.lexsort((label, predict_at))
        enough = len(label) >= max(least, 1)
        return cls(predict_at[order], label[order], cost.total(label, score) if enough else None)

    def same_requests(self, other: "_Part") -> bool:
        return np.array_equal(self.predict_at, other.predict_at) and np.array_equal(self.label, other.label)


def _told(month: str, name: str, parts: Mapping[str, _Part], unit: str) -> MonthlyCost:
    own = parts[name]
    savings = {other: _saving(own, part) for other, part in parts.items() if other != name}
    labelled = len(own.label)
    if own.total is None:
        return MonthlyCost(month, name, labelled, None, None, savings, unit, INSUFFICIENT)
    return MonthlyCost(month, name, labelled, own.total / labelled, own.total, savings, unit)


def _saving(own: _Part, other: _Part) -> float | None:
    if own.total is None or other.total is None or not own.same_requests(other):
        return None
    return other.total - own.total
