"""Calibration: of what the model gives 30%, does 30% happen. Curves and their picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets import charts, thumbnails
from mlsys_assets.measures.metrics import Floats

BINS = 10
AXES: Final = {
    "calibration": ("mean score", "share of positives"),
    "ROC": ("false positive rate", "true positive rate"),
    "precision–recall": ("recall", "precision"),
}
"""The panels of a picture, with their axes."""
POINTS = 300
"""Points that a curve is drawn through: more than it is wide, and a small part of a test's scores."""


@dataclass(frozen=True)
class CalibrationCurve:
    """Bins of equal size, in order of score.

    ``predicted`` and ``observed`` are (k,) mean score and share of positives, ``rows`` (k,) counts.
    """

    predicted: Floats
    observed: Floats
    rows: Floats


def calibration_curve(label: Floats, score: Floats, *, bins: int = BINS) -> CalibrationCurve:
    """Return the curve over at most ``bins`` bins of as nearly equal size as ties allow."""
    if len(score) == 0:
        empty = np.zeros(0)
        return CalibrationCurve(empty, empty, empty)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)))
    bin_of = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = np.bincount(bin_of).astype(float)
    used = rows > 0
    predicted, observed = (np.bincount(bin_of, weights=v)[used] / rows[used] for v in (score, label))
    return CalibrationCurve(predicted, observed, rows[used])


def curves_plot(scores: Mapping[str, Floats], label: Floats, *, title: str) -> str:
    """Return an SVG picture of the calibration, ROC and precision–recall curves of models on the same rows."""
    found: dict[str, dict[str, charts.Points]] = {panel: {} for panel in AXES}
    for name, score in scores.items():
        curve, (false, true, precise) = calibration_curve(label, score), thinned(rates(label, score))
        for panel, (x, y) in zip(
            AXES, ((curve.predicted, curve.observed), (false, true), (true, precise)), strict=True
        ):
            found[panel][name] = _points(x, y)
    chance, share = [(0.0, 0.0), (1.0, 1.0)], float(label.mean())
    guides = [chance, chance, [(0.0, share), (1.0, share)]]
    return charts.panels(found, title=title, axes=AXES, guides=dict(zip(AXES, guides, strict=True)))


def thumbnail_of_curves(scores: Mapping[str, Floats], label: Floats, *, title: str) -> str:
    """Return the same curves as Markdown that is seen at once: give the models that matter most first."""
    found: dict[str, dict[str, thumbnails.Points]] = {"calibration": {}, "ROC": {}, "precision": {}}
    for name, score in scores.items():
        curve, (false, true, precise) = calibration_curve(label, score), rates(label, score)
        for panel, (x, y) in zip(
            found, ((curve.predicted, curve.observed), (false, true), (true, precise)), strict=True
        ):
            found[panel][name] = _points(x, y)
    return thumbnails.panels(found, title=title)


def rates(label: Floats, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Return false positive rate, recall and precision at each distinct score, falling."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.nan))
    true = np.cumsum(label[order])[ends]
    marked = ends + 1.0
    return (marked - true) / max(len(label) - label.sum(), 1), true / max(label.sum(), 1), true / marked


def thinned(curve: tuple[Floats, ...], *, most: int = POINTS) -> tuple[Floats, ...]:
    """Return at most ``most`` points of a curve, evenly spread, with both ends."""
    n = len(curve[0])
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
    return tuple(part[kept] for part in curve)


def _points(x: Floats, y: Floats) -> charts.Points:
    return list(zip(x.tolist(), y.tolist(), strict=True))
