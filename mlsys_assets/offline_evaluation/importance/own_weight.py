"""What a model itself says of its columns: the gain of its splits, or the size of its coefficients."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.predictor import Predictor

Told = Literal["gain", "coefficients", "nothing"]
SPLITS: Final = re.compile(rb"^split_feature=(.*)\nsplit_gain=(.*)$", re.MULTILINE)


@runtime_checkable
class Boosted(Protocol):
    """A model of trees: fitted preprocessing and Booster text."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes the trees' features of the columns."""
        ...

    @property
    def text(self) -> bytes:
        """The Booster text."""
        ...


@dataclass(frozen=True)
class OwnWeight:
    """What a model says of its columns.

    Parameters
    ----------
    told
        What the numbers are: total gain of the splits (Breiman et al. 1984), or the sum of a column's absolute
        coefficients, of standardized numbers and of marks; "nothing" where a model says nothing of the kind.
    by_column
        Each of the model's columns with its number, at least 0; 0: the model never looks at it.
    """

    told: Told
    by_column: Mapping[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """Each column's share of the total; NaN where the total is 0."""
        total = sum(self.by_column.values())
        return {name: one / total if total else float("nan") for name, one in self.by_column.items()}

    @property
    def idle(self) -> frozenset[str]:
        """The columns whose values change no score."""
        return frozenset(name for name, one in self.by_column.items() if one == 0)


def own_weight(predictor: Predictor) -> OwnWeight:
    """Return what a model says of its columns; of a calibrated one, what the model within says."""
    if isinstance(predictor, CalibratedPredictor):
        return own_weight(predictor.within)
    if isinstance(predictor, LinearPredictor):
        return OwnWeight("coefficients", _by_column(predictor.preprocessing, np.abs(predictor.weights)))
    if isinstance(predictor, Boosted):
        gains = split_gains(predictor.text, features=len(predictor.preprocessing.names))
        return OwnWeight("gain", _by_column(predictor.preprocessing, gains))
    return OwnWeight("nothing", {})


def split_gains(text: bytes, *, features: int) -> Floats:
    """Return (features,) the total gain of the splits by each feature of a Booster text.

    Gain favours columns of many values, which offer more places to split at (Strobl et al. 2007), and tells how well
    training rows were fitted, not what is worth on others.
    """
    total = np.zeros(features)
    for of, gain in SPLITS.findall(text):
        found = np.maximum(np.array(gain.split(), dtype=np.float64), 0.0)
        total += np.bincount(np.array(of.split(), dtype=np.intp), weights=found, minlength=features)
    return total


def _by_column(preprocessing: Preprocessing, outputs: Floats) -> dict[str, float]:
    found = dict.fromkeys(preprocessing.columns, 0.0)
    for names, one in zip(preprocessing.made_of, outputs.tolist(), strict=True):
        for name in names:
            found[name] += one / len(names)
    return found
