"""Calibration: scores turned into probabilities on validation rows that the model itself never saw."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import LEAST_OF_EACH_CLASS
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.calibrated_predictor import (
    CalibratedPredictor,
    ScoreMap,
    SigmoidMap,
    StepMap,
    calibrated,
    read_map,
)
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.debugging import brief_of, freed
from mlsys_assets.models.log_odds import fit_lines, log_odds
from mlsys_assets.types import Scalar

Floats = NDArray[np.float64]

CALIBRATION = "calibration"
"""The recipe's entry that holds the map, as JSON text."""


@runtime_checkable
class CalibrationMethod(Protocol):
    """A way to learn the map from scores to probabilities."""

    @property
    def name(self) -> str:
        """What it is called: the end of the calibrated candidate's name."""
        ...

    def fit(self, label: Floats, score: Floats) -> ScoreMap:
        """Return the map learned from (n,) labels 0 or 1 and (n,) scores in [0, 1]; raises FitError."""
        ...


@dataclass(frozen=True)
class Platt:
    """A sigmoid of the log-odds (Platt 1999): two numbers, for models that are wrong in the same direction throughout.

    Labels are moved a little from 0 and 1, as Platt does, so that few rows promise no certainty.
    """

    name: str = "platt"

    def fit(self, label: Floats, score: Floats) -> SigmoidMap:
        """Return the sigmoid; raises FitError where higher scores do not go with more positives."""
        check_scores(label, score)
        positives, negatives = float(label.sum()), float((1 - label).sum())
        target = np.where(label > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        slope, intercept = (float(v[0]) for v in fit_lines(log_odds(score), np.ones((1, len(label))), target[None]))
        if not slope > 0.0:
            raise FitError(
                f"calibration found a slope of {slope:.4g}: on the rows it is learned from, higher scores do not go "
                "with more positives. Look at the model: there is nothing in its scores to calibrate"
            )
        return SigmoidMap(slope, intercept)


@dataclass(frozen=True)
class Isotonic:
    """The rising curve of least squares, by pool-adjacent-violators (Zadrozny & Elkan 2002).

    It bends where a sigmoid cannot, and needs a thousand rows and more to do it well. Rates are kept
    1 / (n + 2) away from 0 and 1, the rule of succession: n rows can show no rarer event, and log loss stays finite.
    """

    name: str = "isotonic"

    def fit(self, label: Floats, score: Floats) -> StepMap:
        """Return the curve; raises FitError."""
        from scipy.optimize import isotonic_regression

        check_scores(label, score)
        knots, of, rows = np.unique(score, return_inverse=True, return_counts=True)
        rates = np.asarray(isotonic_regression(np.bincount(of, weights=label) / rows, weights=rows).x)
        rates = np.clip(rates, least := 1 / (len(label) + 2), 1 - least)
        turns = np.ones(len(knots), dtype=bool)
        turns[1:-1] = (rates[1:-1] != rates[:-2]) | (rates[1:-1] != rates[2:])  # the ends of each level stretch
        return StepMap(tuple(knots[turns].tolist()), tuple(rates[turns].tolist()))


def check_scores(label: Floats, score: Floats) -> None:
    """Raise FitError for what no calibration can be learned from: few rows, one class, equal or impossible scores."""
    if len(label) != len(score):
        raise FitError(f"calibration takes one score a label, got {len(label)} labels and {len(score)} scores")
    positives = int((label > 0).sum())
    if min(positives, len(label) - positives) < LEAST_OF_EACH_CLASS:
        raise FitError(
            f"calibration needs at least {LEAST_OF_EACH_CLASS} rows of each class, got {positives} positive and "
            f"{len(label) - positives} negative; lengthen the validation, or raise the share"
        )
    if not ((score >= 0.0) & (score <= 1.0)).all():
        wrong = score[~((score >= 0.0) & (score <= 1.0))]
        raise FitError(f"calibration takes scores in [0, 1], got {wrong[0]} ({len(wrong)} such scores)")
    if np.ptp(score) == 0.0:
        raise FitError(f"calibration needs scores that differ, all {len(score)} are {score[0]:g}")


@dataclass(frozen=True)
class Calibrated:
    """A candidate whose scores are calibrated on validation rows that it never saw.

    The candidate within is fitted on train and stops on the earlier part of validation; the map is learned on the
    later part, by prediction time. A refit takes the map over from the recipe: on all rows there is none left that
    the refitted model has not seen, and the map of the model it replaces is the nearest there is.

    Parameters
    ----------
    candidate
        What is fitted.
    method
        How scores become probabilities.
    share
        The later part of validation that the map is learned on.

    >>> from mlsys_assets.models.gradient_boosting import LightGBM
    >>> Calibrated(LightGBM(), Isotonic()).name
    'lightgbm_isotonic'
    """

    candidate: Candidate
    method: CalibrationMethod = field(default_factory=Platt)
    share: float = 0.5

    @property
    def name(self) -> str:
        """The candidate's name and the method's."""
        return f"{self.candidate.name}_{self.method.name}"

    @property
    def baseline(self) -> bool:
        """What the candidate is."""
        return self.candidate.baseline

    @property
    def needs(self) -> tuple[str, ...]:
        """The candidate's."""
        return self.candidate.needs

    @property
    def kind(self) -> str:
        """A model within a map."""
        return CalibratedPredictor.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration, the candidate's included."""
        wrong = not_one("a calibrated candidate: candidate", self.candidate, Candidate)
        wrong += not_one("a calibrated candidate: method", self.method, CalibrationMethod)
        if wrong:
            return wrong
        what = f"candidate {self.name!r}"
        found = out_of_range(f"{what}: share", self.share, above=0)
        if not found and self.share >= 1:
            found = [f"{what}: share is {self.share}; it must be below 1, so that the model too has rows to stop on"]
        if isinstance(self.candidate, Calibrated):
            found.append(f"{what} calibrates {self.candidate.name!r}, which is calibrated already; name one of the two")
        return found + self.candidate.mistakes()

    def unbounded(self) -> Candidate | None:
        """Return what is calibrated, freed: the map turns no row's order round."""
        return freed(self.candidate)

    def brief(self) -> Candidate:
        """Return what is calibrated, brief: of shuffled labels no map could be learned, and nothing would be asked."""
        return brief_of(self.candidate)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit the candidate on train and the earlier part of validation, then the map on the later part."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        earlier, later = self._parts(validation)
        within = self.candidate.fit(train, earlier, seed=seed, threads=threads)
        try:
            learned = self.method.fit(later.label, within.predict(later.features, threads=threads))
        except FitError as error:
            raise FitError(f"{self.name}: {error}") from error
        rows: dict[str, Scalar] = {"calibration_rows": len(later), "calibration_from": str(later.at.min())}
        return self._fitted(within, learned, rows)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit the candidate on all rows by its recipe, with the map that was learned before."""
        check_train(train, what=self.name)
        text = recipe.get(CALIBRATION)
        if not isinstance(text, str):
            raise ValueError(f"{self.name} is refitted by a recipe with a {CALIBRATION!r}, got {dict(recipe)}")
        own = {name: value for name, value in recipe.items() if name != CALIBRATION}
        return self._fitted(self.candidate.refit(train, recipe=own, seed=seed, threads=threads), read_map(text), {})

    def _parts(self, validation: Validation) -> tuple[Validation, Validation]:
        """Return the earlier and the later part; rows of one moment stay together."""
        cut = np.sort(validation.at)[int(len(validation) * (1 - self.share))]
        later = validation.at >= cut
        if later.all():
            raise FitError(f"{self.name} needs validation rows of several moments, all before the cut {cut} are none")
        return validation.take(~later), validation.take(later)

    def _fitted(self, within: Fitted, learned: ScoreMap, rows: dict[str, Scalar]) -> Fitted:
        declared: dict[str, Scalar] = {"calibration_method": self.method.name, "calibration_share": self.share}
        return Fitted(
            self.name,
            calibrated(within.predictor, learned),
            params={**within.params, **declared, **rows},
            recipe={**within.recipe, CALIBRATION: msgspec.json.encode(learned).decode()},
            loss_curve=within.loss_curve,
        )
