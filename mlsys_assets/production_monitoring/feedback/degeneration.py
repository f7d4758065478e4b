"""Whether a list comes to show ever less of what there is, and has stopped to learn of the rest.

Both must hold. A list that settles on what is best, and still tries the rest with known chances, learns of all of it;
one whose outcomes come whatever is shown is no loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.feedback.diversity import Diversity
from mlsys_assets.types import Finding, Scalar, Severity

NAME = "shown_items_stay_diverse"
LEAST_WINDOWS = 8
"""Of fewer windows a third is one, and does not say how much they vary."""
LARGEST_CHANCE = 1e-3
"""How likely chance alone may give as clear a trend."""
LEAST_FALL = 0.5
"""The fall of the effective items, as a share, from which on it matters: half of what was shown is gone."""
LEAST_REACHED = 0.5
"""The share of the catalogue that must be learned of: below it, most of what is known is as old as the loop."""
ROUNDING = 1e-12
"""Logarithms nearer to each other than this are alike."""
PARTS = 3
"""The first and the last of so many parts of the history are held against each other."""


@dataclass(frozen=True)
class Degeneration:
    """From where on a narrowing list is called degenerate.

    Parameters
    ----------
    fall
        The least fall of the effective items, from the first third of the windows to the last.
    chance
        The largest p-value of that fall, one-sided.
    reached
        The share of the catalogue that must still be learned of.
    windows
        The least windows in which something was shown.
    """

    fall: float = LEAST_FALL
    chance: float = LARGEST_CHANCE
    reached: float = LEAST_REACHED
    windows: int = LEAST_WINDOWS

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range("degeneration: fall", self.fall, above=0, most=1),
            *out_of_range("degeneration: chance", self.chance, above=0, most=1),
            *out_of_range("degeneration: reached", self.reached, least=0, most=1),
            *out_of_range("degeneration: windows", self.windows, whole=True, least=LEAST_WINDOWS),
        ]


@dataclass(frozen=True)
class Trend:
    """How a list narrowed over its windows.

    Parameters
    ----------
    fall
        The share of effective items lost from the first third of the windows to the last, medians; below 0 if it
        widened. As far as the catalogue shrank, its items are not missed.
    p
        How likely chance alone gives as clear a fall between the two parts, one-sided.
    reached
        The share of the catalogue that is learned of, in the last third; NaN while outcomes are waited for.
    measures
        Further numbers, for the record.
    """

    fall: float
    p: float
    reached: float
    measures: dict[str, Scalar] = field(default_factory=dict)


def trend(windows: Sequence[Diversity]) -> Trend | None:
    """Return how a list narrowed over windows in order of time; None if fewer than two of them can be compared."""
    told = [w for w in windows if np.isfinite(w.effective)]
    if len(told) < 2:  # noqa: PLR2004 - two make a trend
        return None
    offered = np.array([w.catalogue for w in told], dtype=np.float64)
    shrunk = np.minimum(offered / offered[0], 1.0)
    effective = np.array([w.effective for w in told]) / shrunk
    third = max(len(told) // PARTS, 1)
    parts = effective[:third], effective[-third:]
    first, last = (float(np.median(part)) for part in parts)
    return Trend(
        fall=1 - last / first,
        p=falling(*parts),
        reached=_known_mean((np.array([w.reached for w in told]) / offered)[-third:]),
        measures={
            "windows": len(told),
            "effective before": first,
            "effective now": last,
            "gini before": float(np.median([w.gini for w in told[:third]])),
            "gini now": float(np.median([w.gini for w in told[-third:]])),
            "aggregate before": float(np.median([w.aggregate for w in told[:third]])),
            "aggregate now": float(np.median([w.aggregate for w in told[-third:]])),
            "catalogue now": told[-1].catalogue,
        },
    )


def falling(first: Floats, last: Floats) -> float:
    """Return how likely chance alone takes the last values as far below the first: Student's t of their logarithms.

    The two parts do not meet, so that it matters little when between them they fell, nor whether at once. One-sided.
    """
    from scipy.special import stdtr

    early, late = np.log(first), np.log(last)
    freedom = len(first) + len(last) - 2
    gap = float(early.mean() - late.mean())
    squares = float(np.square(early - early.mean()).sum() + np.square(late - late.mean()).sum())
    error = np.sqrt(squares / max(freedom, 1) * (1 / len(first) + 1 / len(last)))
    if freedom < 1 or error <= ROUNDING:
        return float(freedom < 1 or gap <= ROUNDING)
    return float(stdtr(freedom, -gap / error))


def degenerate(windows: Sequence[Diversity], *, asked: Degeneration | None = None) -> Finding:
    """Return whether what a list shows narrows and leaves the rest unknown, given its windows in order of time."""
    limits = asked or Degeneration()
    found = trend(windows)
    if found is None or int(found.measures["windows"] or 0) < limits.windows:
        n = 0 if found is None else found.measures["windows"]
        told = f"insufficient data: {n} windows showed items on two days or more; {limits.windows} are needed"
        return Finding(NAME, True, told, Severity.WARN, {"windows": n})
    evidence = {
        "fall": found.fall,
        "p": found.p,
        "reached": found.reached if np.isfinite(found.reached) else None,
        **found.measures,
    }
    narrower = found.fall >= limits.fall and found.p <= limits.chance
    told = (
        f"as if {found.measures['effective now']:.3g} items were shown alike, {found.measures['effective before']:.3g} "
        f"in the first windows (fell by {found.fall:.0%}, {limits.fall:.0%} counts; p = {found.p:.1g})"
    )
    if not narrower:
        return Finding(NAME, True, told, Severity.WARN, evidence)
    if np.isnan(found.reached):
        told += "; no outcome came yet, so that it is not known whether it learns of the rest: wait for labels"
        return Finding(NAME, True, told, Severity.WARN, evidence)
    if found.reached >= limits.reached:
        told += f"; of {found.reached:.0%} of the catalogue it is still learned, so that the rest can come back"
        return Finding(NAME, True, told, Severity.WARN, evidence)
    advice = (
        f"; of {found.reached:.0%} of the catalogue it is known to be learned, {limits.reached:.0%} are needed: show "
        "some of the rest at random, and log how likely each item was to be shown"
    )
    return Finding(NAME, False, told + advice, Severity.WARN, evidence)


def _known_mean(shares: Floats) -> float:
    known = shares[np.isfinite(shares)]
    return float(min(known.mean(), 1.0)) if len(known) else np.nan
