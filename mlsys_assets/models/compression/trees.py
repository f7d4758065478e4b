"""Models of boosted trees: those that a method which cuts trees applies to."""

from dataclasses import replace
from typing import TypeAlias

from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.booster_text import BoosterText
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.predictor import Predictor

OfTrees: TypeAlias = BoosterPredictor | MarginPredictor
"""Models that are a Booster text and what stands around it."""


def require_trees(predictor: Predictor, *, what: str) -> OfTrees:
    """Return the model if it is one of boosted trees; raises FitError."""
    if not isinstance(predictor, OfTrees):
        raise FitError(f"{what} cuts boosted trees, and a model of kind {predictor.kind!r} is none")
    return predictor


def with_text(predictor: OfTrees, text: BoosterText) -> OfTrees:
    """Return the model with other trees."""
    return replace(predictor, text=text.text())
