"""A regression as a probability: how likely the number it gives is to turn out above a cut."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.booster import Booster
from mlsys_assets.models.booster_predictor import read_booster
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode

LEVELS: Final = 41
"""Quantiles of a group's residuals that are kept."""
DIGITS: Final = 5
"""Of a quantile: so that a recipe stays within what MLflow holds of a parameter."""
MOST_GROUPS: Final = 10
"""Groups of similar numbers that have residuals of their own."""
LEAST_IN_GROUP: Final = 100
"""Fewer rows than this do not tell how residuals are distributed."""


class Residuals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much targets lay above the numbers that were given for them.

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
    def of(cls, residuals: NDArray[np.float64]) -> "Residuals":
        """Return the quantiles of (n,) residuals, each one that was seen, to five digits."""
        found = np.quantile(residuals, np.linspace(0, 1, LEVELS), method="inverted_cdf")
        return cls(tuple(float(f"{one:.{DIGITS}g}") for one in found), len(residuals))

    def above(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the probability of a residual above each distance.

        Beyond all residuals it is not 0 or 1, but what n of them leave open: 1 / (n + 1) on each side.
        """
        levels = np.linspace(1, self.rows, len(self.quantiles)) / (self.rows + 1)
        return 1.0 - np.interp(distance, self.quantiles, levels)


class ResidualsByNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Residuals of rows that were given similar numbers: a long delay is farther off than a short one.

    Parameters
    ----------
    edges
        (k - 1,) numbers in rising order, from each of which on the next group begins.
    groups
        (k,) the residuals of each group.
    """

    edges: tuple[float, ...]
    groups: tuple[Residuals, ...]

    @classmethod
    def of(cls, number: NDArray[np.float64], target: NDArray[np.float64]) -> "ResidualsByNumber":
        """Return the residuals of (n,) targets by (n,) numbers, in groups of equal size as far as rows suffice."""
        groups = int(np.clip(len(number) // LEAST_IN_GROUP, 1, MOST_GROUPS))
        cuts = np.unique(np.quantile(number, np.linspace(0, 1, groups + 1)[1:-1], method="inverted_cdf"))
        edges = cuts[cuts > number.min()]  # else the first group would be empty
        group = np.searchsorted(edges, number, side="right")
        off = target - number
        return cls(tuple(edges.tolist()), tuple(Residuals.of(off[group == one]) for one in range(len(edges) + 1)))

    def above(self, number: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
        """Return (n,) the probability that the target of each number lies above the cut."""
        group = np.searchsorted(self.edges, number, side="right")
        found = np.empty(len(number))
        for one in np.unique(group):
            mine = group == one
            found[mine] = self.groups[one].above(cut - number[mine])
        return found

    def mistakes(self) -> list[str]:
        """Return what no rows could have given."""
        found = [] if len(self.groups) == len(self.edges) + 1 else ["one group more than edges"]
        found += [] if (np.diff(self.edges) > 0).all() else ["edges in rising order"]
        sound = all(one.quantiles and one.rows > 0 and (np.diff(one.quantiles) >= 0).all() for one in self.groups)
        return found + ([] if sound else ["quantiles in rising order of at least one row"])


class Exceedance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of exceedance.json: the cut, and what makes a number a probability."""

    cut: float
    residuals: ResidualsByNumber


@dataclass(frozen=True, eq=False)
class ExceedancePredictor:
    """P(target > cut) = P(residual > cut - number), residuals distributed as those of rows with similar numbers.

    The cut is chosen after the fit: ``at`` gives the same model for another.
    """

    preprocessing: Preprocessing
    text: bytes
    cut: float
    residuals: ResidualsByNumber
    kind: str = "lightgbm_exceedance"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities that the target exceeds the cut."""
        return self.residuals.above(self.number(rows, threads=threads), self.cut)

    def number(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) what the regression gives, in the target's unit."""
        return self.booster.predict(self.preprocessing.transform(rows), threads=threads)

    def at(self, cut: float) -> "ExceedancePredictor":
        """Return the same regression for another cut: nothing is fitted."""
        return replace(self, cut=cut)

    def knowing(self, residuals: ResidualsByNumber) -> "ExceedancePredictor":
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
        if mistakes := read.residuals.mistakes():
            raise BundleError(f"exceedance.json is not what was written: it must have {', '.join(mistakes)}")
        preprocessing, text = read_booster(files, probabilities=False)
        return cls(preprocessing, text, read.cut, read.residuals)
