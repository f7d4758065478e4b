"""Which columns are other than they were: far, beyond chance, and beyond what is usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.multiplicity import benjamini_hochberg
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.drift.columns import Distances

LEVEL: Final = 0.001
"""The share of tables without any change in which chance alone may make an alarm."""
LEAST_ROWS: Final = 100
"""Fewer rows than this on a side, and their shape says nothing."""
FAR: Final = 0.25
"""The Wasserstein distance, in standard deviations before, that is far: between a small and a medium effect (Cohen
1988). Where few rows make up the mean, as of delays, it moves by half a deviation without a moderate change of the
deciles."""


@dataclass(frozen=True)
class ShiftLimits:
    """From where on a column counts as shifted.

    Parameters
    ----------
    psi
        The population stability index that is far: a moderate change by the rule of thumb of Siddiqi 2006.
    wasserstein
        The distance of numbers, in standard deviations before, that is far too.
    level
        The false discovery rate over the columns of a table; without any change, the share of tables with an alarm.
    least_rows
        The effective rows that each side must have.
    """

    psi: float = MODERATE
    wasserstein: float = FAR
    level: float = LEVEL
    least_rows: int = LEAST_ROWS

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range("shift limits: psi", self.psi, above=0),
            *out_of_range("shift limits: wasserstein", self.wasserstein, above=0),
            *out_of_range("shift limits: level", self.level, above=0, most=1),
            *out_of_range("shift limits: least_rows", self.least_rows, whole=True, least=1),
        ]


@dataclass(frozen=True)
class ShiftedColumns:
    """What was found in a table.

    Parameters
    ----------
    symptoms
        Each shifted column, the farthest first.
    untold
        Why a column could not be looked at, by name.
    """

    symptoms: tuple[Symptom, ...]
    untold: Mapping[str, str]


def shifted_columns(
    distances: Mapping[str, Distances],
    limits: ShiftLimits | None = None,
    *,
    usual: Mapping[str, float] | None = None,
) -> ShiftedColumns:
    """Return the columns that are far from what they were, beyond chance and beyond what is usual.

    How far is the stability index, or the normed Wasserstein distance; chance is a chi-square test of the index's
    counts, with the false discovery rate of the table controlled (Benjamini & Hochberg 1995). Of many rows any
    difference is significant, of few any is large: neither alone is a shift.

    Parameters
    ----------
    distances
        As ``Reference.distances`` found them.
    limits
        From where on a column is far, and what chance may do.
    usual
        The stability index that a column must exceed as well, by name: what the system's own quiet past had.
    """
    asked, ordinary = limits or ShiftLimits(), usual or {}
    untold = {name: why for name, told in distances.items() if (why := _untold(told, asked.least_rows))}
    told = {name: found for name, found in distances.items() if name not in untold}
    adjusted = benjamini_hochberg([found.chi_square_p for found in told.values()])
    symptoms = [
        _symptom(name, found, asked, usual=ordinary.get(name, 0.0), p=float(p))
        for (name, found), p in zip(told.items(), adjusted, strict=True)
        if p <= asked.level and _is_far(found, asked) and found.psi >= ordinary.get(name, 0.0)
    ]
    return ShiftedColumns(tuple(sorted(symptoms, key=lambda one: (-one.size / one.limit, one.where))), untold)


def _is_far(found: Distances, limits: ShiftLimits) -> bool:
    return found.psi >= limits.psi or found.wasserstein_normed >= limits.wasserstein


def _untold(found: Distances, least: int) -> str:
    """Return why a column has no verdict, if it has none."""
    if not np.isfinite(found.psi):
        return found.untold
    few = [
        f"{side.effective:.0f} {when}"
        for when, side in (("before", found.before), ("now", found.now))
        if side.effective < least
    ]
    return f"has {' and '.join(few)} of the {least} rows that a verdict needs" if few else ""


def _symptom(name: str, found: Distances, limits: ShiftLimits, *, usual: float, p: float) -> Symptom:
    limit = max(limits.psi, usual)
    test, size = "psi", found.psi
    if found.psi < limits.psi:
        test, size, limit = "wasserstein", found.wasserstein_normed, limits.wasserstein
    measures = {**found.measures, "adjusted_p": p, "rows": found.now.rows, "rows_before": found.before.rows}
    return Symptom(Cause.COVARIATE, test, name, _told(name, found, test, limit), size, limit, measures)


def _told(name: str, found: Distances, test: str, limit: float) -> str:
    """Return what is other in one column."""
    before, now = found.before, found.now
    far = {
        "psi": f"has a stability index of {found.psi:.2f}",
        "wasserstein": f"lies {found.wasserstein_normed:.2f} standard deviations away",
    }
    parts = [f"{name} {far[test]} ({limit:.2f} counts)"]
    if before.mean != now.mean and np.isfinite(before.mean - now.mean):
        parts.append(f"its mean went from {before.mean:.4g} to {now.mean:.4g}")
    if found.new_share > 0:
        parts.append(f"{found.new_share:.1%} of its categories are new")
    if before.missing_share != now.missing_share:
        parts.append(f"{before.missing_share:.1%} were missing, {now.missing_share:.1%} are")
    return "; ".join(parts)
