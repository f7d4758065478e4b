"""An examination: what one test says of a training set, with what shows it, whatever the test."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.types import Finding, Scalar, Severity

Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[object]]]
"""Header and rows."""


@dataclass(frozen=True)
class Accepted:
    """A column that may tell what it tells, and why: what is said against it is told, and stops nothing.

    >>> Accepted("planned_refund", because="it is typed in by the clerk before the flight is booked")
    Accepted(column='planned_refund', because='it is typed in by the clerk before the flight is booked')
    """

    column: str
    because: str


@dataclass(frozen=True)
class Examination:
    """What a test found.

    Parameters
    ----------
    name
        The check's.
    suspicions
        What it says against columns, in order of weight.
    clean
        What it says where it suspects none.
    evidence
        The numbers that it rests on.
    thumbnail, plot
        What shows it, as Markdown and as SVG; empty where there is no picture.
    table
        Header and rows; empty where there is none.
    """

    name: str
    suspicions: tuple[Suspicion, ...]
    clean: str
    evidence: Mapping[str, Scalar] = field(default_factory=dict)
    thumbnail: str = ""
    plot: str = ""
    table: Table = ((), ())

    @property
    def finding(self) -> Finding:
        """The check's outcome."""
        return finding_of(self.name, self.suspicions, clean=self.clean, evidence=self.evidence)

    def accepting(self, accepted: Collection[Accepted]) -> "Examination":
        """Return the examination in which no suspicion of accepted columns alone stops anything."""
        why = {one.column: one.because for one in accepted}
        return replace(self, suspicions=tuple(_accepted(one, why) for one in self.suspicions))


def _accepted(one: Suspicion, why: Mapping[str, str]) -> Suspicion:
    if not all(column in why for column in one.columns):
        return one
    told = "; ".join(dict.fromkeys(why[column] for column in one.columns))
    return replace(one, severity=Severity.WARN, remedy=f"Accepted: {told}.")
