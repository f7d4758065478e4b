"""A calibrated model as files: the model within it, and the map from its scores to probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.explanation import Contributions
from mlsys_assets.models.linear_predictor import LinearPredictor, logistic
from mlsys_assets.models.log_odds import EDGE, log_odds
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.predictor import BundleError, Predictor, ReadKind, Rows, decode, encode
from mlsys_assets.models.sgd_predictor import SgdPredictor

CALIBRATOR: Final = "calibrator.json"
WITHIN: Final = "within."
"""The files of the model within are kept under names that begin so."""

Floats = NDArray[np.float64]


class SigmoidMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sigmoid", tag_field="map"):
    """The probability 1 / (1 + exp(-(slope · log-odds + intercept))) (Platt 1999)."""

    slope: float
    intercept: float

    def apply(self, score: Floats) -> Floats:
        """Return (n,) probabilities of (n,) scores, never 0 or 1."""
        return np.clip(logistic(self.slope * log_odds(score) + self.intercept), EDGE, 1 - EDGE)

    def mistake(self) -> str:
        """Return why this is no map, "" if it is one."""
        return "" if self.slope > 0.0 else f"a slope of {self.slope}, which must be above 0"


class StepMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="steps", tag_field="map"):
    """A rising curve through knots, straight between them and level beyond the outermost."""

    scores: tuple[float, ...]
    rates: tuple[float, ...]

    def apply(self, score: Floats) -> Floats:
        """Return (n,) probabilities of (n,) scores."""
        found: Floats = np.interp(score, self.scores, self.rates)
        return found

    def mistake(self) -> str:
        """Return why this is no map, "" if it is one."""
        if not self.scores or len(self.scores) != len(self.rates):
            return f"{len(self.scores)} scores and {len(self.rates)} rates, which must be as many, at least one"
        if any(b <= a for a, b in pairwise(self.scores)) or any(b < a for a, b in pairwise(self.rates)):
            return "knots that do not rise"
        if not (self.rates[0] > 0.0 and self.rates[-1] < 1.0):
            return f"rates from {self.rates[0]} to {self.rates[-1]}, which must lie between 0 and 1"
        return ""


ScoreMap: TypeAlias = SigmoidMap | StepMap
AddsLogOdds: TypeAlias = LinearPredictor | CompactLinearPredictor | SgdPredictor | BoosterPredictor | MarginPredictor
"""Models whose columns add up to log odds."""


def read_map(text: str) -> ScoreMap:
    """Return the map that JSON text holds; raises ValueError for text that holds none."""
    try:
        found: ScoreMap = msgspec.json.decode(text, type=SigmoidMap | StepMap)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{text!r} is no calibration: {error}") from error
    if mistake := found.mistake():
        raise ValueError(f"{text!r} is no calibration: {mistake}")
    return found


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of calibrator.json: the kind of the model within, and the map."""

    within: str
    calibration: SigmoidMap | StepMap


@dataclass(frozen=True, eq=False)
class CalibratedPredictor:
    """The scores of the model within, mapped to probabilities."""

    within: Predictor
    calibration: ScoreMap
    kind: str = "calibrated"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the model within."""
        return self.within.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> Floats:
        """Return (n,) probabilities."""
        return self.calibration.apply(self.within.predict(rows, threads=threads))

    def contents(self) -> dict[str, bytes]:
        """Return the map, and the files of the model within."""
        files = {WITHIN + name: content for name, content in self.within.contents().items()}
        return {CALIBRATOR: encode(Content(self.within.kind, self.calibration)), **files}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes], read: ReadKind) -> "CalibratedPredictor":
        """Read what ``contents`` wrote, the model within by ``read``; raises BundleError."""
        content = decode(files, CALIBRATOR, Content)
        if mistake := content.calibration.mistake():
            raise BundleError(f"{CALIBRATOR} holds {mistake}")
        if content.within == cls.kind:
            raise BundleError(f"{CALIBRATOR} names a model within that is calibrated already")
        within = {name.removeprefix(WITHIN): data for name, data in files.items() if name.startswith(WITHIN)}
        return calibrated(read(content.within, within, WITHIN), content.calibration)


@dataclass(frozen=True, eq=False)
class ExplainedCalibratedPredictor(CalibratedPredictor):
    """A calibrated model of which each column's part is known: a line in log odds scales and moves the parts within."""

    within: AddsLogOdds
    calibration: SigmoidMap

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds, where they are not so far out that the map is level."""
        found, line = self.within.contributions(rows, threads=threads), self.calibration
        return Contributions(found.columns, line.slope * found.base + line.intercept, line.slope * found.values)


def calibrated(within: Predictor, calibration: ScoreMap) -> CalibratedPredictor:
    """Return the calibrated model: one that explains itself where the map is a line in the model's own log odds."""
    if isinstance(calibration, SigmoidMap) and isinstance(within, AddsLogOdds):
        return ExplainedCalibratedPredictor(within, calibration)
    return CalibratedPredictor(within, calibration)
