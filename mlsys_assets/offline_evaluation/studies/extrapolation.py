"""Whether more data is worth waiting for: a learning curve drawn on, and a test of whether that can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.intervals import Estimate, spread
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.studies.learning_curve import CurvePoint, LearningCurve
from mlsys_assets.offline_evaluation.studies.power_law import LEAST_SIZES, PowerLaw, fit_power_law
from mlsys_assets.types import Finding, Severity

TWICE = 2.0
MORE_DATA = "more_data_is_not_worth_waiting_for"


@dataclass(frozen=True)
class BackTest:
    """The largest size as the smaller ones foretold it, against what it was.

    Parameters
    ----------
    rows
        The size that was foretold.
    predicted, seen
        The metric there.
    error
        Predicted minus seen, paired by days and seeds.
    held
        Whether the error's interval holds 0; None where it cannot be told.
    """

    rows: int
    predicted: float
    seen: float
    error: Estimate
    held: bool | None

    def __str__(self) -> str:
        if self.held is None:
            return "no back-test: it takes four sizes with enough rows to test on"
        said = "which its interval held" if self.held else "which its interval did not hold: do not rely on it"
        return (
            f"from the smaller sizes, {self.predicted:.4f} was foretold at {self.rows:,} rows; it was {self.seen:.4f} "
            f"(error {self.error}), {said}"
        )


@dataclass(frozen=True)
class Extrapolation:
    """What a multiple of the rows would bring.

    Parameters
    ----------
    rows
        Training rows today.
    factor
        Of how many times as many is asked.
    gain
        By how much the metric would get better, in its unit.
    exponent
        How fast the curve falls: its middle and its interval.
    more_days
        Days of data more than today, at the pace of the training period.
    back_test
        Whether the curve foretold its own largest size.
    seeds
        How many the curve rests on.
    """

    candidate: str
    metric: str
    rows: int
    factor: float
    gain: Estimate
    exponent: Estimate
    more_days: float
    back_test: BackTest
    seeds: int

    def worth_waiting(self, *, least: float) -> Finding:
        """Find that the gain of more data is surely below ``least``, in the metric's unit; else waiting may pay."""
        more = (
            f"{self.factor:g} times the rows ({self.factor * self.rows:,.0f}, about {self.more_days:.0f} more days) "
            f"are predicted to improve {self.metric} of {self.candidate} by {self.gain}"
        ) + ("" if self.seeds > 1 else " (of one seed: what another would give is not in the interval)")
        evidence = {"gain": self.gain.value, "low": self.gain.low, "high": self.gain.high, "least": least}
        known = {name: None if number != number else number for name, number in evidence.items()}  # noqa: PLR0124 - NaN
        if not self.gain.sufficient:
            return Finding(MORE_DATA, False, f"{more}: whether to wait cannot be told", Severity.WARN, known)
        if self.gain.high < least:
            advice, passed = f"less than the {least:g} that counts: do not wait, take what there is now", True
        elif self.gain.low >= least:
            advice, passed = f"at least the {least:g} that counts: what is trained later will be better", False
        else:
            advice, passed = f"which may or may not reach the {least:g} that counts: train now, measure again", False
        return Finding(MORE_DATA, passed, f"{more}, {advice}; {self.back_test}", Severity.WARN, known)


def extrapolate(curve: LearningCurve, *, factor: float = TWICE) -> Extrapolation:
    """Return what more data would bring by a power law, fitted to every draw of days and seeds.

    Its interval says how much the fitted law varies, not that the law is the right one: curves that
    have a knee, or that get worse with more data, exist (Viering & Loog 2022), so look at the back-test.
    Fewer than three sizes, or too few rows to test on, are insufficient data.
    """
    if not np.isfinite(factor) or factor <= 1:
        raise ValueError(f"factor must be above 1, got {factor}: how many times the rows of today?")
    largest = curve.points[-1]
    nothing = spread(np.nan, np.zeros(0), like=largest.found.like)
    gain, exponent = nothing, nothing
    if _enough(curve.points):
        laws = _fit(curve, curve.points)
        gains, like = laws.at(largest.rows) - laws.at(factor * largest.rows), largest.found.like
        gain = spread(float(gains[0]), gains[1:], like=like)
        exponent = spread(float(laws.exponent[0]), laws.exponent[1:], like=like)
    return Extrapolation(
        curve.candidate, curve.metric.name, largest.rows, factor, gain, exponent,
        more_days=(factor - 1) * largest.days, back_test=back_test(curve), seeds=curve.seeds,
    )  # fmt: skip


def back_test(curve: LearningCurve) -> BackTest:
    """Return how the largest size was foretold by a law fitted to the smaller ones alone."""
    *smaller, largest = curve.points
    like, seen = largest.found.like, float(largest.found.values.mean())
    if not _enough(smaller) or not largest.estimate.sufficient:
        return BackTest(largest.rows, np.nan, seen, spread(np.nan, np.zeros(0), like=like), held=None)
    sign = _sign(curve)
    predicted = sign * _fit(curve, smaller).at(largest.rows)
    error = spread(float(predicted[0] - seen), predicted[1:] - largest.found.drawn, like=like)
    held = error.low <= 0 <= error.high if error.sufficient else None
    return BackTest(largest.rows, float(predicted[0]), seen, error, held)


def _enough(points: Sequence[CurvePoint]) -> bool:
    return len(points) >= LEAST_SIZES and all(point.estimate.sufficient for point in points)


def _fit(curve: LearningCurve, points: Sequence[CurvePoint]) -> PowerLaw:
    """Return the laws of the values themselves, first, and of each draw."""
    sign = _sign(curve)
    values = np.array([[point.found.values.mean() for point in points]])
    drawn = np.array([point.found.drawn for point in points]).T
    losses: Floats = sign * np.concatenate([values, drawn])
    rows = np.array([point.rows for point in points], dtype=float)
    return fit_power_law(rows, losses, floor=sign * curve.perfect)


def _sign(curve: LearningCurve) -> float:
    """Return 1 for losses, -1 for what is better the higher: then its negative is a loss."""
    return -1.0 if curve.metric.higher_is_better else 1.0
