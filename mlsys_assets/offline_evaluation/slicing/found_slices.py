"""What a search for bad slices found."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlsys_assets.types import Finding, Scalar, Severity

FINDING = "no_slice_is_worse_than_foretold"


@dataclass(frozen=True)
class FoundSlice:
    """A conjunction of column values whose rows lost more than foretold, the slices found before it allowed for.

    Parameters
    ----------
    values
        Column to value, as text.
    excess, low, high
        Mean loss a row beyond what was foretold, with an interval that holds for all slices at once.
    rows, days
        What it rests on.
    p_value
        Corrected for all the slices that were looked at.
    """

    values: Mapping[str, str]
    excess: float
    low: float
    high: float
    rows: int
    days: int
    p_value: float

    @property
    def name(self) -> str:
        """The values, as ``carrier=EV & origin=LGA``."""
        return " & ".join(f"{column}={text}" for column, text in self.values.items())

    def __str__(self) -> str:
        told = f"{self.excess:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"
        return f"{self.name}: {told} on {self.rows:,} rows of {self.days} days, p {self.p_value:.2g}"


@dataclass(frozen=True)
class SliceSearch:
    """What was found, the plainest first, among how many slices; none looked at means insufficient data."""

    found: tuple[FoundSlice, ...]
    looked_at: int
    rows: int
    alpha: float

    def finding(self) -> Finding:
        """Return the search as the outcome of a check."""
        evidence: dict[str, Scalar] = {"slices looked at": self.looked_at, "rows": self.rows}
        evidence |= {f"{n}. {one.name}": one.excess for n, one in enumerate(self.found, start=1)}
        if not self.looked_at:
            told = f"insufficient data: none of the slices of {self.rows:,} rows has rows and days enough"
        elif self.found:
            told = f"{len(self.found)} of {self.looked_at:,} slices lose more than foretold: {self.found[0]}"
            told += "; look at their labels and features, or add a feature that tells them apart"
        else:
            told = f"none of {self.looked_at:,} slices loses more than foretold (all at once at {self.alpha:g})"
        return Finding(FINDING, not self.found, told, Severity.WARN, evidence)
