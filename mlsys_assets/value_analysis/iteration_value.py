"""What iterating on the data brought, and what on the model, for a second of computing: read off the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np

from mlsys_assets.ledger import (
    CANDIDATE,
    CHALLENGER,
    COMPARISON,
    EVALUATION,
    FITTED,
    PROMOTED,
    PROMOTION,
    REFIT,
    Record,
)
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.types import CHAMPION

Kind = Literal["data", "model", "both"]
"""What was iterated on: newer data for the same recipe, another recipe on the same data, or both at once."""
KINDS: Final[tuple[Kind, ...]] = ("data", "model", "both")
RECENT: Final = "recent_test"
"""The test that gains are told on: the last time before the training."""


@dataclass(frozen=True)
class Iteration:
    """One step on the data or on the model.

    Parameters
    ----------
    as_of
        Of the training.
    kind
        What was iterated on.
    recipe
        The candidate that was fitted.
    over
        What its gain is over: an earlier champion, or another candidate fitted as of the same time.
    gain
        By how much it is better on the recent test, in the metric's unit; paired, where the ledger has it so, else
        without an interval.
    cpu_s
        The processor time of the fit in seconds.
    """

    as_of: datetime
    kind: Kind
    recipe: str
    over: str
    gain: Estimate
    cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Gain for a second of computing; NaN without a gain or a time."""
        return self.gain.value / self.cpu_s if self.gain.sufficient and self.cpu_s > 0 else float("nan")


@dataclass(frozen=True)
class IterationValue:
    """Every iteration on record, by time and kind."""

    metric: str
    iterations: tuple[Iteration, ...]

    def of(self, kind: Kind) -> tuple[Iteration, ...]:
        """Return those of a kind whose gain and price are known."""
        return tuple(one for one in self.iterations if one.kind == kind and np.isfinite(one.per_cpu_s))

    def per_cpu_s(self, kind: Kind) -> float:
        """Return the gain of all iterations of a kind for a second of their computing; NaN without any."""
        found = self.of(kind)
        spent = sum(one.cpu_s for one in found)
        return sum(one.gain.value for one in found) / spent if spent else float("nan")

    def rows(self) -> list[tuple[str, str, str, str, str, float, float]]:
        """Return a row for each iteration."""
        return [
            (f"{i.as_of:%Y-%m-%d}", i.kind, i.recipe, i.over, _gain(i.gain), i.cpu_s, i.per_cpu_s)
            for i in self.iterations
        ]

    def table(self) -> str:
        """Return the kinds, and below them every iteration, as Markdown."""
        head = [
            f"| iterates on | iterations | gain in {self.metric} | CPU [s] | gain per CPU second |",
            "|---|---|---|---|---|",
        ]
        for kind in KINDS:
            if found := self.of(kind):
                gain, spent = sum(one.gain.value for one in found), sum(one.cpu_s for one in found)
                head.append(f"| {kind} | {len(found)} | {gain:+.4f} | {spent:,.1f} | {self.per_cpu_s(kind):+.6f} |")
        lines = ["", "| as of | iterates on | recipe | over | gain | CPU [s] | gain per CPU second |", "|---" * 7 + "|"]
        for *said, cpu_s, rate in self.rows():
            lines.append(f"| {' | '.join(said)} | {cpu_s:.2f} | {'' if np.isnan(rate) else f'{rate:+.6f}'} |")
        return "\n".join(head + lines)

    def __str__(self) -> str:
        """Return in a sentence which has brought more for a second of computing."""
        data, model = self.per_cpu_s("data"), self.per_cpu_s("model")
        if np.isnan(data) or np.isnan(model):
            there = ", ".join(kind for kind in KINDS if self.of(kind)) or "none"
            return f"cannot be told: iterations on both data and model are needed; on record: {there}"
        first, second = ("data", data), ("model", model)
        if model > data:
            first, second = second, first
        return (
            f"a second of computing on the {first[0]} gained {first[1]:+.6f} {self.metric}, on the {second[0]} "
            f"{second[1]:+.6f}: by {len(self.of('data'))} iterations on the data, {len(self.of('model'))} on the model"
        )


def iteration_value(records: Iterable[Record], metric: Metric) -> IterationValue:
    """Return what each iteration on record brought and took.

    A challenger of the champion's own recipe has newer data and nothing else: what it gains over the champion is the
    data's. What it gains over the best of the other candidates, fitted as of the same time, is the model's. A
    challenger of another recipe than the champion's is both at once. The challenger has not seen the days of its own
    validation and test, which it is refitted on after it has passed: so much more than told here newer data is worth.

    Parameters
    ----------
    records
        Those of trainings, of a whole life or a part.
    metric
        In whose unit gains are told.
    """
    by_time: dict[datetime, list[Record]] = {}
    for record in records:
        by_time.setdefault(record.as_of, []).append(record)
    found, champion = list[Iteration](), ""
    for as_of in sorted(by_time):
        training = _Training(by_time[as_of], metric)
        found += training.iterations(as_of, champion)
        champion = training.promoted or champion
    return IterationValue(metric.name, tuple(found))


class _Training:
    """The records of one training."""

    def __init__(self, records: Sequence[Record], metric: Metric) -> None:
        self.records, self.metric = records, metric
        self.sign = 1.0 if metric.higher_is_better else -1.0
        self.challenger = next((r.verdict for r in records if r.kind == CHALLENGER), "")

    @property
    def promoted(self) -> str:
        """The recipe that became champion; "" if none did."""
        did = any(r.kind == PROMOTION and r.verdict == PROMOTED for r in self.records)
        refitted = next((r.name for r in self.records if r.kind == REFIT), self.challenger)
        return refitted if did else ""

    def iterations(self, as_of: datetime, champion: str) -> list[Iteration]:
        """Return what the challenger gained over the champion, and over the best of the other candidates."""
        prices = {r.name: float(r.context.get("cpu_s", 0.0)) for r in self.records if self._fitted(r)}
        recipe, found = self.challenger, list[Iteration]()
        if recipe not in prices:
            return found
        over = self._compared(CHAMPION)
        if champion and over is not None:
            kind: Kind = "data" if champion == recipe else "both"
            found.append(Iteration(as_of, kind, recipe, f"{CHAMPION} ({champion})", over, prices[recipe]))
        measured = {name: value for name in prices if (value := self._value(name)) is not None}
        others = [name for name in measured if name != recipe]
        if recipe in measured and others:
            best = max(others, key=lambda name: (self.sign * measured[name].value, name))
            gain = self._compared(best) or _difference(measured[recipe], measured[best], self.sign)
            found.append(Iteration(as_of, "model", recipe, best, gain, prices[recipe]))
        return found

    @staticmethod
    def _fitted(record: Record) -> bool:
        return record.kind == CANDIDATE and record.verdict == FITTED

    def _value(self, name: str) -> Estimate | None:
        for record in self.records:
            told = record.evidence.get(RECENT) if record.kind == EVALUATION and record.name == name else None
            if told is not None and self.metric.name in told["whole"]:
                found = Estimate.from_dict(told["whole"][self.metric.name])
                return found if found.sufficient else None
        return None

    def _compared(self, other: str) -> Estimate | None:
        """Return by how much the challenger is better than another, paired; None if that is not on record."""
        for record in self.records:
            told = record.evidence.get(RECENT) if record.kind == COMPARISON and record.name == other else None
            if told is not None and self.metric.name in told["differences"]:
                return _turned(Estimate.from_dict(told["differences"][self.metric.name]), self.sign)
        return None


def _turned(found: Estimate, sign: float) -> Estimate:
    """Return a difference as a gain."""
    low, high = sorted((sign * found.low, sign * found.high))
    told = vars(found) | {"value": sign * found.value, "low": low, "high": high, "bias": sign * found.bias}
    return Estimate(**told)


def _difference(own: Estimate, other: Estimate, sign: float) -> Estimate:
    """Return the gain of one value over another of the same rows; how sure it is cannot be told from them alone."""
    told = vars(own) | dict.fromkeys(("low", "high", "error"), float("nan"))
    return Estimate(**(told | {"value": sign * (own.value - other.value), "bias": 0.0}))


def _gain(found: Estimate) -> str:
    if not found.sufficient:
        return "insufficient data"
    told = f"{found.value:+.4f}"
    return told if np.isnan(found.low) else f"{told} [{found.low:+.4f}, {found.high:+.4f}]"
