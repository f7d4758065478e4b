"""What a second of computing buys: better models against more and fresher data, step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.studies.repeats import Repeats, TestRows

Kind = Literal["model", "data"]
Meter = Callable[[], float]
"""Tells how many seconds of a processor were used so far, such as ``time.process_time``."""
SEEDS = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class Step:
    """A recipe on some data, held against the step that it would follow.

    Parameters
    ----------
    name
        What is done, unique among the steps.
    kind
        Whether the ``model`` is iterated on or the ``data``.
    candidate
        The recipe.
    train
        What it is fitted on: rows and columns.
    after
        The name of the step that its gain is over; "" for the first of all.
    """

    name: str
    kind: Kind
    candidate: Candidate
    train: Train
    after: str = ""


@dataclass(frozen=True)
class Bought:
    """What a step brought and took.

    Parameters
    ----------
    found
        The deciding metric after the step, the mean over seeds.
    gain
        By how much it is better than the step before, in the metric's unit, paired; None of the first.
    cpu_seconds
        Of one fit, the mean over seeds.
    """

    name: str
    kind: Kind
    after: str
    found: Estimate
    gain: Estimate | None
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Gain for a second of computing; NaN where there is none, or the meter saw no time pass."""
        if self.gain is None or not self.gain.sufficient or self.cpu_seconds <= 0:
            return float("nan")
        return self.gain.value / self.cpu_seconds

    @property
    def surely_better(self) -> bool:
        """Whether the whole interval of its gain is above 0."""
        return self.gain is not None and self.gain.sufficient and self.gain.low > 0


@dataclass(frozen=True)
class GainPerCompute:
    """Steps by what a second of computing bought, the best buy first.

    What data costs beside computing, to be collected and labelled, is not in here.
    """

    metric: str
    steps: tuple[Bought, ...]

    def best(self, kind: Kind, *, after: str | None = None) -> Bought | None:
        """Return the best buy of a kind among the steps that are surely better; None if there is none.

        ``after`` asks only for steps that follow the one of that name: what to do next, once it is taken.
        """
        asked = [one for one in self.steps if one.kind == kind and after in {None, one.after}]
        return next((one for one in asked if one.surely_better), None)

    def table(self) -> str:
        """Return the steps as a Markdown table."""
        lines = [
            f"| step | iterates on | after | {self.metric} | gain | CPU [s] | gain per CPU second |",
            "|---|---|---|---|---|---|---|",
        ]
        for one in self.steps:
            rate = "" if np.isnan(one.per_second) else f"{one.per_second:.5f}"
            lines.append(
                f"| {one.name} | {one.kind} | {one.after} | {one.found} | {one.gain or ''} "
                f"| {one.cpu_seconds:.2f} | {rate} |"
            )
        return "\n".join(lines)

    def text(self, *, after: str | None = None) -> str:
        """Return in words which is the better buy, of all or after a step: iterating on the model or on the data."""
        model, data = self.best("model", after=after), self.best("data", after=after)
        if model is None and data is None:
            return f"no step surely improves {self.metric}: neither the model nor the data is worth computing on"
        if model is None or data is None:
            (only,) = (one for one in (model, data) if one is not None)
            other = "data" if only.kind == "model" else "model"
            return f"iterate on the {only.kind}: {_said(only)}; no step on the {other} surely improves {self.metric}"
        first, second = sorted((model, data), key=lambda one: -one.per_second)
        return (
            f"iterate on the {first.kind}: {_said(first)}; the best step on the {second.kind}: {_said(second)}, "
            f"{first.per_second / second.per_second:.1f} times less for a second"
        )

    def thumbnail(self) -> str:
        """Return the gains as Markdown that is seen at once, the best buy first."""
        known = {one.name: one.gain for one in self.steps if one.gain is not None and one.gain.sufficient}
        spans = {name: (gain.value, gain.low, gain.high) for name, gain in known.items()}
        return thumbnails.spans(spans, title=f"gain in {self.metric} by step, the best for a CPU second first")


@dataclass(frozen=True)
class GainStudy:
    """How steps are measured: one metric, the same rows, several seeds, and a meter of computing.

    Parameters
    ----------
    metric
        The deciding metric.
    meter
        Seconds of a processor used so far. It is read before and after each fit.
    seeds
        Of the fits.
    threads
        Of each fit.
    support
        What must be there before a number is believed.
    """

    metric: Metric
    meter: Meter
    seeds: tuple[int, ...] = SEEDS
    threads: int = 1
    support: Support = Support()

    def measure(
        self, steps: Sequence[Step], validation: Validation, *, test: Validation | OpenedTest
    ) -> GainPerCompute:
        """Return what each step brought and took; raises ValueError for steps that follow none, FitError as fits do."""
        _require_ordered(steps)
        rows = TestRows.of(test.label, test.at, seed=self.seeds[0], support=self.support)
        found: dict[str, Repeats] = {}
        bought = []
        for step in steps:
            scores, seconds = [], []
            for seed in self.seeds:
                begun = self.meter()
                fitted = step.candidate.fit(step.train, validation, seed=seed, threads=self.threads)
                seconds.append(self.meter() - begun)
                scores.append(fitted.predict(test.features))
            found[step.name] = mine = rows.measure(self.metric, scores)
            gain = mine.gain_over(found[step.after]) if step.after else None
            bought.append(Bought(step.name, step.kind, step.after, mine.estimate, gain, float(np.mean(seconds))))
        return GainPerCompute(self.metric.name, tuple(sorted(bought, key=_order)))


def _order(one: Bought) -> tuple[bool, float]:
    return np.isnan(one.per_second), -one.per_second


def _said(one: Bought) -> str:
    return f"{one.name!r} gains {one.gain} for {one.cpu_seconds:.2f} CPU s"


def _require_ordered(steps: Sequence[Step]) -> None:
    seen: Mapping[str, Step] = {}
    for step in steps:
        if step.name in seen or (step.after and step.after not in seen):
            raise ValueError(
                f"step {step.name!r} after {step.after!r}: each step is named once and follows one before it; "
                f"before it there are {list(seen)}"
            )
        seen = {**seen, step.name: step}
