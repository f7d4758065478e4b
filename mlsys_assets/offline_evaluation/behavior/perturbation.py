"""Perturbation tests: how a metric falls as columns get noisier, and whether another model would then be chosen."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Floats, Metric, RocAuc
from mlsys_assets.mistakes import misnamed, not_all, not_long, not_one, out_of_range, sound
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import (
    LEAST_PROBED,
    BehaviorResult,
    Probe,
    insufficient,
    judged,
    unknown_columns,
    with_column,
)
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale, shared_noise
from mlsys_assets.offline_evaluation.verdict import Verdict
from mlsys_assets.types import Scalar

MEASURED: Final = "measured"
AS_DECLARED: Final = 1.0
"""The level at which a model must hold: the noise that is measured or declared, once."""
LEVELS: Final = (0.5, AS_DECLARED, 2.0, 4.0)
MOST_LOST: Final = 0.01
"""How much worse a metric may get, in its own unit, under the noise that readings have anyway."""


@dataclass(frozen=True)
class NoiseCurve:
    """A metric against the level of noise.

    Parameters
    ----------
    metric
        What is measured.
    levels
        (k,) multiples of the columns' noise, from 0 on.
    values, changes
        (k,) the metric at each, and what it is more than without noise, on the same draws of days.
    """

    metric: Metric
    levels: tuple[float, ...]
    values: tuple[Estimate, ...]
    changes: tuple[Estimate, ...]

    @property
    def sufficient(self) -> bool:
        """Whether there were rows enough for every point."""
        return all(e.sufficient for e in (*self.values, *self.changes))

    def lost(self, level: float) -> tuple[float, float]:
        """Return how much worse the metric is at a level than without noise, and how much it may be by its interval."""
        change = self.changes[self.levels.index(level)]
        found = (-change.value, -change.low) if self.metric.higher_is_better else (change.value, change.high)
        return found[0] + 0.0, found[1] + 0.0  # zero without a sign


@dataclass(frozen=True)
class ChoiceCurve:
    """Two models against the level of noise: the metric of the first minus that of the second.

    Parameters
    ----------
    pair
        The models' names.
    metric
        What is measured.
    levels, differences
        (k,) multiples of the columns' noise, and the difference at each with its interval.
    """

    pair: tuple[str, str]
    metric: Metric
    levels: tuple[float, ...]
    differences: tuple[Estimate, ...]

    def better(self, level: float) -> str | None:
        """Return the model that is better at a level by more than chance; None where neither is shown to be."""
        found = self.differences[self.levels.index(level)]
        if not found.sufficient or found.low <= 0 <= found.high:
            return None
        return self.pair[0 if (found.low > 0) == self.metric.higher_is_better else 1]

    @property
    def flips_at(self) -> float | None:
        """The first level at which the model that was better without noise is shown to be worse; None if there is none.

        Both are shown: before the flip and after it, the whole interval lies on one side of zero.
        """
        first = self.better(self.levels[0])
        later = [level for level in self.levels[1:] if self.better(level) not in (first, None)]
        return later[0] if first is not None and later else None


@dataclass(frozen=True)
class Perturbed:
    """A metric must hold when columns get as noisy as their readings are anyway.

    Noise is normal, one draw for all rows that share a reading, kept within the values that the column has in the
    rows; what is missing stays missing. Two models meet the same noise, and so do all levels but for its size.

    Parameters
    ----------
    columns
        Feature columns with numbers.
    scale
        ``"measured"``: each column's noise by ``noise_scale``; or one number a column, in the column's unit.
    levels
        Multiples of it at which the metric is told; 1, at which the verdict is reached, is among them.
    metric
        What must hold.
    most
        How much worse it may get at level 1 by its interval, in the metric's unit.
    readings
        What makes rows share a reading; None: every row has its own.
    called
        What the check is called; by its metric and columns, if left out.
    """

    columns: tuple[str, ...]
    scale: Literal["measured"] | tuple[float, ...] = "measured"
    levels: tuple[float, ...] = LEVELS
    metric: Metric = field(default_factory=RocAuc)
    most: float = MOST_LOST
    readings: Readings | None = field(default_factory=Readings)
    called: str = ""

    @property
    def name(self) -> str:
        """What the check is called."""
        more = f"_and_{len(self.columns) - 1}_more" if len(self.columns) > 1 else ""
        return self.called or f"{self.metric.name}_holds_with_noisy_{''.join(self.columns[:1])}{more}"

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        what = "a Perturbed test"
        names = sound(self.columns, str)
        found = [
            *not_all(f"{what}: columns", self.columns, str),
            *unknown_columns(what, names, columns),
            *not_all(f"{what}: levels", self.levels, (int, float)),
            *(
                m
                for level in sound(self.levels, (int, float))
                for m in out_of_range(f"{what}: a level", level, above=0)
            ),
            *not_one(f"{what}: metric", self.metric, Metric),
            *out_of_range(f"{what}: most", self.most, least=0),
            *self._wrong_scale(what, len(names)),
        ]
        if not names:
            found.append(f"{what} names no columns; name those that are measured by a sensor")
        if AS_DECLARED not in sound(self.levels, (int, float)):
            found.append(f"{what}: levels are {self.levels}; 1, at which the verdict is reached, must be among them")
        if isinstance(self.readings, Readings):
            found += unknown_columns(f"{what}: readings", [self.readings.by] if self.readings.by else [], columns)
            found += not_long(f"{what}: readings every", self.readings.every)
        elif self.readings is not None or self.scale == MEASURED:
            found += not_one(f"{what}: readings", self.readings, Readings)
        return found or misnamed(what, self.name)

    def _wrong_scale(self, what: str, columns: int) -> list[str]:
        if self.scale == MEASURED:
            return []
        if not isinstance(self.scale, tuple) or len(self.scale) != columns:
            return [f"{what}: scale is {self.scale!r}; it must be {MEASURED!r}, or a tuple of one number a column"]
        return [m for number in self.scale for m in out_of_range(f"{what}: a scale", number, above=0)]

    def scales(self, probe: Probe) -> dict[str, float]:
        """Return each column's noise, in its unit; NaN where it cannot be measured."""
        if self.scale != MEASURED:
            return dict(zip(self.columns, map(float, self.scale), strict=True))
        return {name: noise_scale(probe.view, name, self.readings or Readings()) for name in self.columns}

    def noise(self, probe: Probe) -> dict[str, tuple[Floats, Floats]]:
        """Return each column's (n,) values, and the noise that is added at level 1; NaN where it cannot be measured."""
        found = {}
        for name, scale in self.scales(probe).items():
            value = read_numbers(probe.rows.features, [name])[0].astype(np.float64)
            found[name] = value, scale * shared_noise(probe.rows, self.readings, probe.random("noise", name))
        return found

    def scores(self, probe: Probe) -> list[Floats]:
        """Return the (n,) scores without noise, and at each level."""
        noise, found = self.noise(probe), [probe.base]
        for level in self.levels:
            rows = probe.rows.features
            for name, (value, added) in noise.items():
                there = value[np.isfinite(value)]
                low, high = (there.min(), there.max()) if len(there) else (np.nan, np.nan)
                rows = with_column(rows, name, np.clip(value + level * added, low, high))
            found.append(probe.score(rows))
        return found

    def curve(self, probe: Probe) -> NoiseCurve:
        """Return the metric of a model against the level of noise, with intervals that draw whole days."""
        label, weights = probe.rows.label, bootstrap(day_blocks(probe.rows.at), seed=probe.seed)
        clean, *noisy = self.scores(probe)
        values = tuple(estimate(self.metric, label, s, weights=weights) for s in (clean, *noisy))
        changes = tuple(difference(self.metric, label, (s, clean), weights=weights) for s in (clean, *noisy))
        return NoiseCurve(self.metric, (0.0, *self.levels), values, changes)

    def run(self, probe: Probe) -> BehaviorResult:
        """Return whether the metric holds at the noise that readings have anyway."""
        n, scales = len(probe.rows), self.scales(probe)
        if n < LEAST_PROBED:
            return insufficient(self.name, n)
        if unknown := [name for name, scale in scales.items() if np.isnan(scale)]:
            told = f"insufficient data: too few consecutive readings of {unknown} to measure their noise"
            return BehaviorResult(self.name, Verdict.INSUFFICIENT_DATA, told, {"rows": n})
        curve = self.curve(probe)
        if not curve.sufficient:
            told = f"insufficient data for an interval of {self.metric.name}: {curve.values[0]}"
            return BehaviorResult(self.name, Verdict.INSUFFICIENT_DATA, told, {"rows": n})
        value, worst = curve.lost(AS_DECLARED)
        passed = worst <= self.most
        summary = (
            f"under noise of {', '.join(f'{s:.3g} in {c}' for c, s in scales.items())} {self.metric.name} gets worse "
            f"by {value:.4f}, at most {worst:.4f} by its interval; {self.most:g} is allowed"
        )
        advice = "" if passed else "; smooth these columns over hours, or regularize what is learned of them"
        evidence: dict[str, Scalar] = {"rows": n, "lost": value, "lost at most": worst, "allowed": self.most}
        evidence |= {f"noise of {name}": scale for name, scale in scales.items()}
        evidence |= {f"{self.metric.name} at {k:g}": e.value for k, e in zip(curve.levels, curve.values, strict=True)}
        return BehaviorResult(self.name, judged(passed), summary + advice, evidence)


def model_choice(test: Perturbed, first: tuple[str, Probe], second: tuple[str, Probe]) -> ChoiceCurve:
    """Return how two models compare as columns get noisier, on the same rows and under the same noise.

    Raises ValueError for probes of other rows or another seed: their noise would differ too.
    """
    (one, probe), (other, against) = first, second
    if probe.seed != against.seed or not np.array_equal(probe.rows.ids, against.rows.ids):
        raise ValueError(f"{one} and {other} are probed on other rows or by another seed; give both the same")
    label, weights = probe.rows.label, bootstrap(day_blocks(probe.rows.at), seed=probe.seed)
    pairs = zip(test.scores(probe), test.scores(against), strict=True)
    found = tuple(difference(test.metric, label, pair, weights=weights) for pair in pairs)
    return ChoiceCurve((one, other), test.metric, (0.0, *test.levels), found)
