"""Cases written by hand by those who know the subject: what a model must say of each (Ribeiro et al. 2020)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.mistakes import misnamed, not_one, out_of_range
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import (
    LEAST_PROBED,
    BehaviorResult,
    Probe,
    insufficient,
    judged,
    unknown_columns,
)
from mlsys_assets.types import Scalar


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``, both included."""

    low: float = 0.0
    high: float = 1.0

    def mistakes(self, what: str) -> list[str]:
        """Return that no number lies between."""
        found = out_of_range(f"{what}: low", self.low) + out_of_range(f"{what}: high", self.high)
        return found or ([] if self.low <= self.high else [f"{what}: low {self.low} is above high {self.high}"])

    def holds(self, score: float, base: float) -> bool:
        """Return whether a case's score is within."""
        return self.low <= score <= self.high

    def __str__(self) -> str:
        return f"within {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Higher:
    """A score above that of the typical row by more than ``by``."""

    by: float = 0.0

    def mistakes(self, what: str) -> list[str]:
        """Return a distance that is none."""
        return out_of_range(f"{what}: by", self.by, least=0, most=1)

    def holds(self, score: float, base: float) -> bool:
        """Return whether a case's score is higher."""
        return score > base + self.by

    def __str__(self) -> str:
        return f"more than {self.by:g} above that of the typical row"


@dataclass(frozen=True)
class Lower:
    """A score below that of the typical row by more than ``by``."""

    by: float = 0.0

    def mistakes(self, what: str) -> list[str]:
        """Return a distance that is none."""
        return out_of_range(f"{what}: by", self.by, least=0, most=1)

    def holds(self, score: float, base: float) -> bool:
        """Return whether a case's score is lower."""
        return score < base - self.by

    def __str__(self) -> str:
        return f"more than {self.by:g} below that of the typical row"


@runtime_checkable
class Expectation(Protocol):
    """What a case's score must be."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration, which ``what`` names."""
        ...

    def holds(self, score: float, base: float) -> bool:
        """Return whether the score of a case is as expected, given that of the typical row."""
        ...


@dataclass(frozen=True)
class EdgeCase:
    """A case written by hand: the typical row with some values changed, and what its score must be.

    The typical row has each number's median and each category's most frequent value.

    Parameters
    ----------
    case
        What the case is called.
    changes
        By feature column, the value it has; None: missing.
    expects
        What the score must be.
    """

    case: str
    changes: Mapping[str, Scalar]
    expects: Expectation

    @property
    def name(self) -> str:
        """What the check is called."""
        return f"case_{self.case}"

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        what = f"the case {self.case!r}"
        found = not_one(f"{what}: changes", self.changes, Mapping) or unknown_columns(what, list(self.changes), columns)
        found += not_one(f"{what}: expects", self.expects, Expectation) or self.expects.mistakes(what)
        return found + misnamed(what, self.name)

    def run(self, probe: Probe) -> BehaviorResult:
        """Return whether the score is as expected; raises TypeError for a value that its column cannot hold."""
        if len(probe.rows) < LEAST_PROBED:
            return insufficient(self.name, len(probe.rows))
        self._require_types(probe.rows.features.schema)
        typical = typical_row(probe.rows.features)
        changed = {**typical, **self.changes}
        both = pa.Table.from_pylist([typical, changed], schema=probe.rows.features.schema)
        base, score = probe.score(both).tolist()
        held = self.expects.holds(score, base)
        told = f"{self.case} scores {score:.3f}, the typical row {base:.3f}; expected: {self.expects}"
        return BehaviorResult(self.name, judged(held), told, {"score": score, "typical": base})

    def _require_types(self, schema: pa.Schema) -> None:
        for column, value in self.changes.items():
            kind = schema.field(column).type
            try:
                pa.array([value], kind)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise TypeError(
                    f"the case {self.case!r}: {column!r} holds {kind}, which {value!r} is not; give it one, or None"
                ) from error


def typical_row(rows: pa.Table) -> dict[str, Scalar]:
    """Return each number's median and each category's most frequent value, the first by name of equals.

    NaN is as missing as null is.
    """
    found: dict[str, Scalar] = {}
    for column in rows.schema:
        there = rows[column.name].drop_null()
        if len(there) == 0:
            found[column.name] = None
        elif is_category(column.type):
            counts = pc.value_counts(there.cast(pa.string())).to_pylist()
            found[column.name] = min(counts, key=lambda c: (-c["counts"], c["values"]))["values"]
        else:
            numbers, kind = read_numbers(pa.table({column.name: there}), [column.name])[0], column.type
            if np.isnan(numbers).all():
                found[column.name] = None
                continue
            number = np.nanmedian(numbers)
            plain = bool(number >= 1) if pa.types.is_boolean(kind) else float(number)
            found[column.name] = int(number) if pa.types.is_integer(kind) else plain
    return found
