"""A regression as a probability: how likely the number it gives is to turn out above a cut."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.booster import Booster
from mlsys_assets.models.booster_predictor import read_booster
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode


class Residuals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much targets lay above what was given for them.

    Parameters
    ----------
    quantiles
        (m,) of the residuals, at levels evenly spaced from 0 to 1.
    rows
        How many residuals they are of.
    """

    quantiles: tuple[float, ...]
    rows: int

    @classmethod
    def of(cls, residuals: NDArray[np.float64], *, levels: int) -> "Residuals":
        """Return the quantiles of (n,) residuals, each one that was seen."""
        found = np.quantile(residuals, np.linspace(0, 1, levels), method="inverted_cdf")
        return cls(tuple(found.tolist()), len(residuals))

    def above(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the probability of a residual above each distance.

        Beyond all residuals it is not 0 or 1, but what n of them leave open: 1 / (n + 1) on each side.
        """
        levels = np.linspace(1, self.rows, len(self.quantiles)) / (self.rows + 1)
        return 1.0 - np.interp(distance, self.quantiles, levels)


class Exceedance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of exceedance.json: the cut, and what makes a number a probability."""

    cut: float
    residuals: Residuals


@dataclass(frozen=True, eq=False)
class ExceedancePredictor:
    """P(target > cut) = P(residual > cut - number), residuals distributed for every row as on validation rows.

    That rows differ only in the number and not in how far off it may be is an assumption: calibration
    shows what it costs. The cut is chosen after the fit: ``at`` gives the same model for another.
    """

    preprocessing: Preprocessing
    text: bytes
    cut: float
    residuals: Residuals
    kind: str = "lightgbm_exceedance"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities that the target exceeds the cut."""
        return self.residuals.above(self.cut - self.number(rows, threads=threads))

    def number(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) what the regression gives, in the target's unit."""
        return self.booster.predict(self.preprocessing.transform(rows), threads=threads)

    def at(self, cut: float) -> "ExceedancePredictor":
        """Return the same regression for another cut: nothing is fitted."""
        return replace(self, cut=cut)

    def knowing(self, residuals: Residuals) -> "ExceedancePredictor":
        """Return the same regression with other residuals."""
        return replace(self, residuals=residuals)

    @cached_property
    def booster(self) -> Booster:
        """The parsed text."""
        return Booster(self.text)

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing, the Booster text, the cut and the residuals' quantiles."""
        own = {"preprocessing.json": self.preprocessing.to_json(), "model.txt": self.text}
        return own | {"exceedance.json": encode(Exceedance(self.cut, self.residuals))}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "ExceedancePredictor":
        """Read what ``contents`` wrote, the text in a child process first; raises BundleError."""
        read = decode(files, "exceedance.json", Exceedance)
        quantiles = read.residuals.quantiles
        if not quantiles or read.residuals.rows < 1 or any(np.diff(quantiles) < 0):
            raise BundleError("exceedance.json must hold residuals' quantiles in rising order, of at least one row")
        preprocessing, text = read_booster(files, probabilities=False)
        return cls(preprocessing, text, read.cut, read.residuals)
