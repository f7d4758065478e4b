"""The calibration report: where scores say more or less than happens, with intervals, and what is left to correct."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Ece, Floats, Metric, Weights
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import fit_lines, log_odds
from mlsys_assets.offline_evaluation.confidence.confidence import Mean, require_scores
from mlsys_assets.types import Finding, Scalar, Severity

BINS = 10
CELLS = 200
"""Groups of rows of nearly equal score, which the recalibrations of many draws are made on."""
TOLERATED_LEVEL = 0.1
"""Log-odds that all scores may be too low or too high by: a share of .25 where .27 happens."""
TOLERATED_SLOPE = 0.1
"""How far the slope may lie from 1: scores a tenth too bold or too timid."""
LEVEL_ROUNDS = 50
RESIDUAL = "calibration_holds"


@dataclass(frozen=True)
class CalibrationSlope:
    """The slope of the labels' logistic regression on the scores' log-odds (Cox 1958): below 1, scores are too bold."""

    name: str = "calibration_slope"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) slopes; NaN where there is none."""
        return fit_lines(*_cells(label, score, weights))[0]


@dataclass(frozen=True)
class CalibrationIntercept:
    """The intercept of the labels' logistic regression on the scores' log-odds (Cox 1958): 0 if the slope is 1 too."""

    name: str = "calibration_intercept"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) intercepts; NaN where there is none."""
        return fit_lines(*_cells(label, score, weights))[1]


@dataclass(frozen=True)
class CalibrationInTheLarge:
    """The log-odds that all scores would have to move by so that their mean is the share of positives (Cox 1958).

    Above 0, more happens than is foretold. Also called the calibration intercept at slope 1.
    """

    name: str = "calibration_in_the_large"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) moves; NaN in a draw of one class."""
        at, count, positive = _cells(label, score, weights)
        wanted, rows = positive.sum(axis=1), count.sum(axis=1)
        told = (wanted > 0) & (wanted < rows)
        reach = np.abs(at).max(initial=0.0) + np.log(np.maximum(rows, 1)) + 1  # there all would be one class
        low, high = -reach, reach
        for _ in range(LEVEL_ROUNDS):
            middle = (low + high) / 2
            short = (count * logistic(at + middle[:, None])).sum(axis=1) < wanted
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.where(told, (low + high) / 2, np.nan)


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of neighbouring scores: their mean score, and the share of positives with its interval."""

    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class CalibrationReport:
    """How the scores of one test stand to what happened.

    Parameters
    ----------
    bins
        Of as nearly equal size as ties allow, in order of score.
    ece, slope, intercept, in_the_large
        The calibration error, and the recalibrations that would mend it.
    mean_score, base_rate
        What is foretold, and what happened.
    """

    bins: Sequence[CalibrationBin]
    ece: Estimate
    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate
    mean_score: float
    base_rate: float

    def evidence(self) -> dict[str, Scalar]:
        """Return the numbers by name, None where they cannot be told."""
        found: dict[str, Scalar] = {"mean score": self.mean_score, "base rate": self.base_rate}
        for name in ("ece", "slope", "intercept", "in_the_large"):
            one = getattr(self, name)
            for end in ("value", "low", "high"):
                found[f"{name} {end}"] = getattr(one, end) if one.sufficient else None
        return found | {"rows": self.ece.rows, "days": self.ece.blocks}


def calibration_report(
    label: Floats, score: Floats, at: NDArray[np.datetime64], *, seed: int = 0, support: Support | None = None
) -> CalibrationReport:
    """Return the report of (n,) scores in [0, 1] of rows predicted at (n,) times; ValueError for others.

    Too few rows, days or positives make estimates that say so.
    """
    if len(label) or len(score):
        require_scores(label, score)
    if len(at) != len(label):
        raise ValueError(f"one time a label, got {len(label)} labels and {len(at)} times")
    weights = bootstrap(day_blocks(at), seed=seed)

    def measured(metric: Metric) -> Estimate:
        found = estimate(metric, label, score, weights=weights, support=support)
        return found if not found.sufficient or np.isfinite(found.value) else _untold(found)

    of, bins = _bins(score, BINS), []
    for rows in (of == b for b in np.unique(of)):
        observed = estimate(Mean(), label[rows], label[rows], weights=weights.of(rows))
        bins.append(CalibrationBin(float(score[rows].mean()), observed))
    slope, intercept, large = CalibrationSlope(), CalibrationIntercept(), CalibrationInTheLarge()
    means = (float(v.mean()) if len(v) else float(np.nan) for v in (score, label))
    return CalibrationReport(bins, measured(Ece()), measured(slope), measured(intercept), measured(large), *means)


def residual_miscalibration(
    report: CalibrationReport, *, level: float = TOLERATED_LEVEL, slope: float = TOLERATED_SLOPE
) -> Finding:
    """Find scores that are credibly wrong by more than is tolerated: the whole interval beyond it.

    Parameters
    ----------
    report
        Of rows that the model and its calibration have not seen.
    level
        Log-odds that all scores may be off by.
    slope
        How far the slope may lie from 1.
    """
    large, lean = report.in_the_large, report.slope
    if not large.sufficient:
        summary = f"calibration cannot be told: {large}; wait for more labels"
        return Finding(RESIDUAL, True, summary, Severity.WARN, report.evidence())
    found = []
    if large.low > level or large.high < -level:
        found.append(
            f"{report.mean_score:.3f} is foretold and {report.base_rate:.3f} happened: all scores are too "
            f"{'low' if large.value > 0 else 'high'} by {large} in log-odds, {level} is allowed"
        )
    if lean.sufficient and (lean.low > 1 + slope or lean.high < 1 - slope):
        found.append(f"scores are too {'timid' if lean.value > 1 else 'bold'}: slope {lean}, 1 ± {slope} is allowed")
    summary = (
        "; ".join(found) + ". Calibrate on later rows, or retrain"
        if found
        else f"what is foretold happens: ece {report.ece}"
    )
    return Finding(RESIDUAL, not found, summary, Severity.WARN, report.evidence())


def _untold(found: Estimate) -> Estimate:
    return Estimate(np.nan, np.nan, np.nan, found.rows, found.positives, found.blocks, sufficient=False)


def _bins(score: Floats, bins: int) -> NDArray[np.intp]:
    """Return (n,) each row's bin; rows of one score share one."""
    if not len(score):
        return np.zeros(0, dtype=np.intp)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)))
    return np.clip(np.searchsorted(edges, score, side="right") - 1, 0, max(len(edges) - 2, 0))


def _cells(label: Floats, score: Floats, weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Return (m,) log-odds, and (b, m) rows and positives at each: single rows for one draw, else groups of rows."""
    margin = log_odds(score)
    if len(weights.counts) == 1:
        count = weights.counts[0][weights.block][None]
        return margin, count, count * label
    cell, blocks = _bins(score, CELLS), weights.counts.shape[1]
    cells = int(cell.max()) + 1 if len(cell) else 0
    at = np.bincount(cell, weights=margin, minlength=cells) / np.maximum(np.bincount(cell, minlength=cells), 1)
    place = weights.block * cells + cell
    held = [np.bincount(place, weights=w, minlength=blocks * cells).reshape(blocks, cells) for w in (None, label)]
    return at, weights.counts @ held[0], weights.counts @ held[1]
