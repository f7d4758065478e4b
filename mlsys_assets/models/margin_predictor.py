"""A gradient boosting model with an objective of its own: Booster text that gives margins, not probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.booster import Booster
from mlsys_assets.models.booster_predictor import read_booster
from mlsys_assets.models.explanation import Contributions, by_column
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.predictor import Rows, decode, encode


class Margin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of margin.json: what the trees' sum is added to."""

    start: float


@dataclass(frozen=True, eq=False)
class MarginPredictor:
    """The probability 1 / (1 + exp(-(start + trees))), the trees' sum as LightGBM gives it.

    LightGBM's text does not say how an objective of one's own becomes a probability, and where it
    started: the kind says the one, ``margin.json`` the other.
    """

    preprocessing: Preprocessing
    text: bytes
    start: float
    kind: str = "lightgbm_margin"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        return logistic(self.start + self.booster.predict(self.preprocessing.transform(rows), threads=threads))

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds: Shapley values of the trees (Lundberg et al. 2020)."""
        found = self.booster.contributions(self.preprocessing.transform(rows), threads=threads)
        base = self.start + (float(found[0, -1]) if len(found) else 0.0)  # of no rows the trees' is not told
        return by_column(self.preprocessing, found[:, :-1], base=base)

    @cached_property
    def booster(self) -> Booster:
        """The parsed text."""
        return Booster(self.text)

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing, the Booster text and the start."""
        own = {"preprocessing.json": self.preprocessing.to_json(), "model.txt": self.text}
        return own | {"margin.json": encode(Margin(self.start))}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "MarginPredictor":
        """Read what ``contents`` wrote, the text in a child process first; raises BundleError."""
        start = decode(files, "margin.json", Margin).start
        preprocessing, text = read_booster(files, probabilities=False)
        return cls(preprocessing, text, start)
