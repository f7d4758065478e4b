"""Why values are missing: completely at random, explained by what is observed, or perhaps by the value itself.

Rubin's types (1976): missing completely at random (MCAR), at random given what is observed (MAR), not at random
(MNAR). The first can be refuted by data. The other two cannot be told apart by data, since what would tell is what is
missing; where there are hints, they are named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.quality.explained import aucs, explain_missing
from mlsys_assets.features.quality.mcar import Mcar, little
from mlsys_assets.features.quality.observed import Observed
from mlsys_assets.features.quality.shifts import Shifts
from mlsys_assets.measures.intervals import Estimate, bootstrap
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.types import Finding, Scalar, Severity

LEVEL: Final = 0.05
"""Of tables whose values are all missing completely at random, so many have a column that is said not to be."""
LABEL_SHIFT: Final = 0.1
"""So much of a label's spread it must differ by, beyond what observed columns explain, before a value is suspect."""
VALUE_SHIFT: Final = 0.2
"""So many standard deviations the values before and after must differ by, beyond what observed columns explain."""
DETERMINED: Final = 0.95
"""Where observed columns tell so surely (AUC) which rows are missing, there are no alike rows left to compare."""
TOLD: Final = 3
"""How many observed columns are named."""
NAMED: Final = 5
"""How many columns a summary names."""
FINDING: Final = "missing_values_are_explained"


class Mechanism(StrEnum):
    """What can be said of how values came to be missing."""

    MCAR_NOT_REFUTED = "MCAR is not refuted"
    NOT_MCAR = "not missing completely at random: explained by observed columns (MAR is possible)"
    UNTOLD = "insufficient data"


@dataclass(frozen=True)
class MissingColumn:
    """What is known of the missing values of a column, or of several that are missing in the same rows.

    Parameters
    ----------
    columns
        Which they are.
    share
        Of the rows, that have no value.
    mechanism
        The verdict.
    test
        Little's test.
    p_value
        Its p-value, adjusted for all columns of the table (Holm 1979).
    auc
        How well the other columns foretell, on other days, where it is missing.
    differs
        The observed columns whose means differ most, in standard deviations: missing minus present.
    label
        The mean label where it is missing and where it is present: of labels 0 and 1, rates.
    label_difference
        The first minus the second, with its interval by day.
    label_beyond
        What is left of that difference given the observed columns.
    neighbours
        How far the values before and after lie from those of present rows, given the observed columns [sd].
    label_spread
        The labels' standard deviation.
    """

    columns: tuple[str, ...]
    share: float
    mechanism: Mechanism
    test: Mcar
    p_value: float
    auc: float
    differs: tuple[tuple[str, float], ...]
    label: tuple[float, float]
    label_difference: Estimate
    label_beyond: Estimate
    neighbours: Estimate
    label_spread: float

    @property
    def hints(self) -> tuple[str, ...]:
        """What speaks for values that are missing because of what they are (MNAR), or because of the outcome."""
        if self.mechanism is Mechanism.UNTOLD or not self.auc < DETERMINED:
            return ()
        found = []
        if _surely_beyond(self.label_beyond, LABEL_SHIFT * self.label_spread):
            found.append(f"given the observed columns, the label still differs by {self.label_beyond}")
        if _surely_beyond(self.neighbours, VALUE_SHIFT):
            found.append(f"given the observed columns, the values before and after differ by {self.neighbours} sd")
        return tuple(found)

    def __str__(self) -> str:
        names = " and ".join(self.columns[:TOLD]) + (" and more" if len(self.columns) > TOLD else "")
        if self.mechanism is Mechanism.UNTOLD:
            return f"{names}: {self.share:.1%} missing, {self.mechanism} ({self.test.days:.0f} days)"
        there = ", ".join(f"{name} {sd:+.2f} sd" for name, sd in self.differs)
        told = f"mean label {self.label[0]:.3f} where missing, {self.label[1]:.3f} where present; most differ: {there}"
        suspect = f". MNAR cannot be told from data; it is suspect: {'; '.join(self.hints)}" if self.hints else ""
        return f"{names}: {self.share:.1%} missing, {self.mechanism}; {told}{suspect}"


@dataclass(frozen=True)
class Missingness:
    """Every column with missing values, those missing in the same rows as one; the most missing first."""

    columns: tuple[MissingColumn, ...]
    rows: int

    def of(self, column: str) -> MissingColumn:
        """Return what is known of a column; raises KeyError if none of its values, or all, are missing."""
        for one in self.columns:
            if column in one.columns:
                return one
        raise KeyError(f"{column!r} has no missing values, or none but those; with some: {self._names(self.columns)}")

    @property
    def finding(self) -> Finding:
        """Whether the columns explain what is missing: an honest missing value may still tell of the label."""
        suspects = [one for one in self.columns if one.hints]
        refuted = [one for one in self.columns if one.mechanism is Mechanism.NOT_MCAR]
        evidence: Mapping[str, Scalar] = {
            "columns_with_missing_values": sum(len(one.columns) for one in self.columns),
            "not_mcar": self._names(refuted),
            "mnar_suspect": self._names(suspects),
            "rows": self.rows,
        }
        if suspects:
            more = f". And {len(suspects) - NAMED} more" if len(suspects) > NAMED else ""
            told = ". ".join(map(str, suspects[:NAMED])) + more
            advice = ". Ask what makes a value missing, keep its indicator, and drop no rows for it"
            return Finding(FINDING, False, told + advice, Severity.WARN, evidence)
        told = f"of {len(self.columns)} ways to be missing, {len(refuted)} are not completely at random"
        most = "".join(f". {one}" for one in refuted[:1])
        return Finding(FINDING, True, f"{told}; nothing says that a value is missing for what it is{most}",
                       Severity.WARN, evidence)  # fmt: skip

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each column."""
        return [
            {
                "columns": ", ".join(one.columns), "missing": one.share, "verdict": str(one.mechanism),
                "d2": one.test.d2, "p_value": one.p_value, "auc": one.auc,
                "differs": ", ".join(f"{name} {sd:+.2f} sd" for name, sd in one.differs),
                "label_missing": one.label[0], "label_present": one.label[1],
                "label_difference": str(one.label_difference), "mnar_hints": "; ".join(one.hints),
            }
            for one in self.columns
        ]  # fmt: skip

    def thumbnail(self) -> str:
        """How far the label differs where a value is missing, as Markdown that is seen at once."""
        return thumbnails.spans(self._spans(), title="mean label, missing minus present")

    def plot(self) -> str:
        """Draw how far the label differs where a value is missing, by itself and given the observed columns."""
        told = {name: {"alone": span} for name, span in self._spans().items()}
        for one in self.columns:
            if one.columns[0] in told and (e := one.label_beyond).sufficient:
                told[one.columns[0]]["given the others"] = (e.value, e.low, e.high)
        return forest(told, title="mean label, missing minus present, with 95% intervals by day")

    def _spans(self) -> dict[str, tuple[float, float, float]]:
        told = [one for one in self.columns if one.label_difference.sufficient]
        ranked = sorted(told, key=lambda one: -abs(one.label_difference.value))
        return {one.columns[0]: (e.value, e.low, e.high) for one in ranked for e in [one.label_difference]}

    @staticmethod
    def _names(columns: Iterable[MissingColumn]) -> str:
        return ", ".join(name for one in columns for name in one.columns)


def missingness(rows: Train | Validation, *, seed: int) -> Missingness:
    """Return what can be said of why values are missing.

    Parameters
    ----------
    rows
        (n, d) rows with labels 0 and 1, or numbers: give a sample (``evenly``) of many.
    seed
        Of the days drawn for the intervals.
    """
    if not len(rows):
        return Missingness((), 0)
    observed = Observed.of(rows)
    tests, expected = little(observed), explain_missing(observed)
    adjusted, areas, gaps = holm([one.p_value for one in tests]), aucs(observed, expected), _gaps(observed)
    shifts = Shifts(observed, expected, bootstrap(observed.block, seed=seed))
    found = [
        MissingColumn(
            names, float(observed.missing[:, j].mean()), _mechanism(adjusted[j]), tests[j], float(adjusted[j]),
            float(areas[j]), _largest(observed.names, gaps[j]), shifts.means(j), shifts.alone(j), shifts.beyond(j),
            shifts.neighbours(j), float(observed.label.std()),
        )
        for j, names in enumerate(observed.alike)
    ]  # fmt: skip
    return Missingness(tuple(sorted(found, key=lambda one: -one.share)), len(rows))


def _mechanism(p_value: float) -> Mechanism:
    if np.isnan(p_value):
        return Mechanism.UNTOLD
    return Mechanism.NOT_MCAR if p_value <= LEVEL else Mechanism.MCAR_NOT_REFUTED


def _surely_beyond(found: Estimate, limit: float) -> bool:
    return found.sufficient and (found.low > limit or found.high < -limit)


def _gaps(observed: Observed) -> Floats:
    """Return (q, p) each observed column's mean where another is missing minus that where it is present."""
    missing = observed.missing.astype(np.float64)
    there, total = missing.T @ observed.values, observed.values.sum(axis=0)
    absent = missing.sum(axis=0)[:, None]
    gaps: Floats = there / absent - (total - there) / (len(missing) - absent)
    return gaps


def _largest(names: tuple[str, ...], gaps: Floats) -> tuple[tuple[str, float], ...]:
    return tuple((names[k], float(gaps[k])) for k in np.argsort(-np.abs(gaps), kind="stable")[:TOLD])
