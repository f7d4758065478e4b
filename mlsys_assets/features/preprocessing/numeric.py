"""How a column of numbers is prepared: what stands for a missing value, its mark, its logarithm, its scale."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.imputation import Constant, Imputation, Leave, Median
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.scaling import Scaler, Standard
from mlsys_assets.mistakes import not_one


@dataclass(frozen=True)
class Numeric:
    """How a column of numbers is prepared.

    Parameters
    ----------
    missing
        What stands for a missing value, in the column's unit: `Leave`, `Mean`, `Median`, `Mode`, `Constant`.
    indicator
        Whether a further output says that it was missing, where any was in training. All but a constant
        that is never observed pass for a value, so that without it a model cannot tell.
    scale
        `Standard`, `MinMax`, `Robust`, or None. No scaled number leaves ±1e6.
    log
        Whether log(1 + value) is taken first. In training a negative value is an error, later one is
        beyond the limit: rejected, clipped to 0 or taken for missing, by the declared rule.

    >>> Numeric(missing=Constant(-1.0), log=True).mistakes("columns['seats']")
    ["columns['seats']: missing is Constant(-1), of which no logarithm is taken; fill with 0 or more, or leave out log"]
    """

    missing: Imputation = Median()
    indicator: bool = True
    scale: Scaler | None = Standard()
    log: bool = False

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one(f"{what}: missing", self.missing, Imputation) or self.missing.mistakes(f"{what}: missing")
        if self.scale is not None:
            found += not_one(f"{what}: scale", self.scale, Scaler) or self.scale.mistakes(f"{what}: scale")
        found += not_one(f"{what}: indicator", self.indicator, bool) + not_one(f"{what}: log", self.log, bool)
        if not found and self.log and isinstance(self.missing, Constant) and self.missing.value < 0:
            found.append(
                f"{what}: missing is Constant({self.missing.value:g}), of which no logarithm is taken; fill with 0 or "
                "more, or leave out log"
            )
        return found

    def fit(self, name: str, values: NDArray[np.float32]) -> tuple[Number, tuple[str, ...]]:
        """Return what (n,) training values, NaN where missing, make of a column, and what had to be made do with.

        Raises ColumnError for negative values whose logarithm is asked for, and for what cannot stand for missing.
        """
        lowest, highest = (np.fmin.reduce(values), np.fmax.reduce(values)) if len(values) else (np.nan, np.nan)
        if self.log and lowest < 0:
            raise ColumnError(
                f"column {name!r} is declared with log=True, and training holds {lowest:g}; a logarithm is taken of "
                "what is never negative"
            )
        notes = _notes(name, lowest, highest) if len(values) else ()
        if isinstance(self.missing, Leave) and self.scale is None:  # nothing is learned
            return Number(name, indicator=self.indicator and bool(np.isnan(values).any()), log=self.log), notes
        absent = np.isnan(values)
        there = values[~absent].astype(np.float64)
        fill = self.missing.fill(name, there)
        filled = there if fill is None else np.where(absent, np.float64(fill), values)
        if self.log:
            filled = np.log1p(filled)
        number = Number(name, fill, indicator=self.indicator and bool(absent.any()), log=self.log)
        if len(filled) and self.scale is not None:
            center, scale, bounds = self.scale.scaling(filled)
            number = replace(number, center=center, scale=scale, bounds=bounds)
        return (number if len(there) or not len(values) else _without_values(number)), notes


def _notes(name: str, lowest: float, highest: float) -> tuple[str, ...]:
    """Return a note on a column that tells nothing."""
    if np.isnan(lowest):
        return (f"{name!r} has no value in training: its output is always the same",)
    return (f"{name!r} is {lowest:g} wherever it is known in training",) if lowest == highest else ()


def _without_values(number: Number) -> Number:
    """Return a number whose output is that of a missing value whatever comes: nothing was learned of any other."""
    if number.fill is None:
        return number
    filled = np.log1p(number.fill) if number.log else number.fill
    always = float(np.clip((filled - number.center) / number.scale, *number.range))
    return replace(number, bounds=(always, always))


AS_THEY_ARE = Numeric(missing=Leave(), indicator=False, scale=None)
"""Numbers as they are, for models that take missing values and any scale."""
