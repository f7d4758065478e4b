"""Conformal prediction: sets of labels that hold the right one as often as promised, while rows are exchangeable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.confidence.confidence import Flags, Mean, require_scores
from mlsys_assets.types import Finding, Scalar, Severity

LEVEL = 0.9
TOLERANCE = 0.02
"""How far below what was promised coverage may lie."""
COVERAGE = "conformal_coverage_holds"


@dataclass(frozen=True, eq=False)
class PredictionSets:
    """Sets of labels.

    Parameters
    ----------
    level
        How often a set is to hold the right label.
    holds
        (n, 2) whether each set holds 0, and 1.
    """

    level: float
    holds: Flags


def prediction_sets(label: Floats, score: Floats, new: Floats, *, level: float = LEVEL) -> PredictionSets:
    """Return the sets of (m,) new scores, by MAPIE's split conformal classifier.

    A label is in the set where it is no less likely than all but ``1 - level`` of the right labels of the (n,) rows
    that the sets are learned on (LAC, Sadinle, Lei & Wasserman 2019). A set may hold both, which says that the model
    cannot tell, or neither, which says that such a score is rare.

    Parameters
    ----------
    label, score
        (n,) of rows that the model has not seen.
    new
        (m,) scores.
    level
        How often a set is to hold the right label.

    Raises ValueError for a level that is not between 0 and 1, too few rows to promise it by, one class, and scores
    outside [0, 1].
    """
    from mapie.classification import SplitConformalClassifier

    require_scores(label, score)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    if level * (len(label) + 1) > len(label):
        raise ValueError(f"{len(label)} rows cannot promise a coverage of {level}; {level / (1 - level):.0f} can")
    if np.ptp(label) == 0:
        raise ValueError(f"sets are learned on rows of both classes, all {len(label)} have label {label[0]:g}")
    if not len(new):
        return PredictionSets(level, np.zeros((0, 2), dtype=bool))
    require_scores(np.zeros(len(new)), new)
    learned = SplitConformalClassifier(_scores_as_they_are(), confidence_level=level, conformity_score="lac")
    _, sets = learned.conformalize(score[:, None], label.astype(np.intp)).predict_set(new[:, None])
    return PredictionSets(level, np.asarray(sets[:, :, 0], dtype=bool))


@dataclass(frozen=True)
class CoverageReport:
    """How often sets held the right label, and how much they told.

    Parameters
    ----------
    level
        What was promised.
    coverage
        What was kept, with its interval by day.
    slices
        The same by slice and value ("origin=EWR").
    size
        The mean number of labels in a set.
    undecided, empty
        The shares of sets of both labels, and of none.
    """

    level: float
    coverage: Estimate
    size: float
    undecided: float
    empty: float
    slices: Mapping[str, Estimate] = field(default_factory=dict)


def coverage_report(
    label: Floats,
    sets: PredictionSets,
    at: NDArray[np.datetime64],
    *,
    groups: Mapping[str, Flags] | None = None,
    seed: int = 0,
    support: Support | None = None,
) -> CoverageReport:
    """Return the report of n sets.

    Parameters
    ----------
    label, at
        (n,) 0 or 1, and when each was predicted.
    sets
        The n sets.
    groups
        By name, (n,) which rows stand in it, as ``Slice.groups`` gives them.
    seed, support
        Of the bootstrap, and what must be there before a number is believed.
    """
    holds = sets.holds
    if not len(label) == len(holds) == len(at):
        raise ValueError(f"one set and time a label, got {len(label)} labels, {len(holds)} sets, {len(at)} times")
    right = np.where(label > 0, holds[:, 1], holds[:, 0]).astype(np.float64)
    weights, size = bootstrap(day_blocks(at), seed=seed), holds.sum(axis=1)

    def covered(rows: Flags) -> Estimate:
        return estimate(Mean(), label[rows], right[rows], weights=weights.of(rows), support=support)

    some = len(label) > 0
    return CoverageReport(
        sets.level,
        covered(np.ones(len(label), dtype=bool)),
        size=float(size.mean()) if some else float(np.nan),
        undecided=float(holds.all(axis=1).mean()) if some else float(np.nan),
        empty=float((~holds.any(axis=1)).mean()) if some else float(np.nan),
        slices={name: covered(rows) for name, rows in (groups or {}).items()},
    )


def coverage_holds(report: CoverageReport, *, tolerance: float = TOLERANCE) -> Finding:
    """Find sets that credibly hold the right label less often than promised: rows are no longer exchangeable."""
    found = report.coverage
    evidence: dict[str, Scalar] = {"promised": report.level, "allowed below": tolerance, "mean size": report.size}
    evidence |= {end: getattr(found, end) if found.sufficient else None for end in ("value", "low", "high")}
    least = report.level - tolerance
    short = {name: e for name, e in report.slices.items() if e.sufficient and e.high < least}
    evidence |= {f"coverage {name}": e.value for name, e in report.slices.items() if e.sufficient}
    if not found.sufficient:
        return Finding(COVERAGE, True, f"coverage cannot be told: {found}", Severity.WARN, evidence)
    if found.high < least:
        summary = (
            f"sets hold the right label in {found} of requests, {report.level} was promised, at least {least:.2f} is "
            "allowed: these rows differ from those the sets were learned on. Learn them on later rows"
        )
        return Finding(COVERAGE, False, summary, Severity.WARN, evidence)
    told = f"; less in {', '.join(f'{name} ({e.value:.3f})' for name, e in short.items())}" if short else ""
    return Finding(COVERAGE, True, f"sets hold the right label in {found}{told}", Severity.WARN, evidence)


def _scores_as_they_are() -> Any:
    """Return a classifier, as scikit-learn knows them, whose one feature is the probability itself."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.array([0, 1])

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, rows: Floats, label: Floats) -> "Scores":
            """There is nothing to fit."""
            return self

        def predict_proba(self, rows: Floats) -> Floats:
            return np.column_stack([1 - rows[:, 0], rows[:, 0]])

        def predict(self, rows: Floats) -> NDArray[np.intp]:
            return (rows[:, 0] >= 1 / 2).astype(np.intp)

    return Scores()
