"""Which rows of its key a request looks at: as a window over sorted rows, or as a condition on pairs.

A request stands among the source's rows at its prediction time t. All times are whole microseconds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

KNOWN = "known"
"""The column of when a row became known; of a request, its prediction time."""
EVENT = "event"
"""The column of when a row happened."""


@dataclass(frozen=True)
class Trail:
    """Rows known in (t - back, t]; since ever, where ``back`` is None."""

    back: int | None

    def bounds(self) -> dict[str, Any]:
        """Return the window's bounds, both closed."""
        return {"preceding": None if self.back is None else self.back - 1, "following": 0}

    def holds(self, pairs: "ir.Table") -> "ir.BooleanValue | None":
        """Return whether a pair's row, known by t, is looked at; None where all are."""
        return None if self.back is None else pairs[row_side(KNOWN)] > pairs[KNOWN] - self.back


@dataclass(frozen=True)
class Around:
    """Rows known in (t - back, t] that happen in [s - width, s + width], s the request's column ``own``."""

    own: str
    width: int
    back: int | None

    def holds(self, pairs: "ir.Table") -> "ir.BooleanValue":
        """Return whether a pair's row, known by t, is looked at."""
        near = pairs[row_side(EVENT)].between(pairs[self.own] - self.width, pairs[self.own] + self.width)
        known = Trail(self.back).holds(pairs)
        return near if known is None else near & known


@dataclass(frozen=True)
class Upto:
    """Rows whose ``order`` is at most ``shift`` after the request's, however long before: a beginning of the rows."""

    order: str
    shift: int

    def end(self, asked: "ir.Table") -> "ir.Value":
        """Return where it ends for each request, closed."""
        return asked[self.order] + self.shift


Frame = Trail | Around | Upto


def row_side(column: str) -> str:
    """Return what a column of the source's row is called in a pair of a request and a row."""
    return f"row_{column}"
