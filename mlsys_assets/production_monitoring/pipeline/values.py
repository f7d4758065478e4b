"""Values of a number column that bugs leave: none at all, the same everywhere, or one that stands for nothing."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_ROWS, Sides, quantiles

MISSING_TEST: Final = "missing values"
CONSTANT_TEST: Final = "constant"
SPIKE_TEST: Final = "spike"
STORM: Final = 0.5
"""Cohen's h (1988, ch. 6: medium) by which the share of missing values differs, of all before and of any stretch of it:
none to 6 of 100, half to 74."""
SURE_STORM: Final = 0.8
"""The same (large) of a column that was missing now and then, where fewer stretches tell what is usual."""
LEAST_STRETCHES: Final = 3
SELDOM: Final = 0.01
"""A share of missing values up to which a column is hardly ever missing."""
DEVIATIONS: Final = 6.0
"""Standard errors by which two shares must differ: by chance once in a billion questions."""
PIECES: Final = 7
"""Pieces in which a window is looked at: what happens to last a day is no constant of the week."""
BY_CHANCE: Final = 1e-6
"""What comes by chance as rarely is no chance."""
LEAST_SPIKE: Final = 0.2
"""The share of rows with one value never held before that is a spike: rain that falls for a day makes 15 of 100."""
LEAST_STAND_IN: Final = 0.05
"""The same of a value that is written where there is none, or lies far beyond all that was."""
LEAST_SENTINEL: Final = 0.005
"""The same of a value that is written where there is none, and lies beyond all that was and apart from all others."""
LEAST_SENTINELS: Final = 10
"""Rows that must have it."""
ENDS: Final = np.array([0.01, 0.99])
"""The quantiles from which on numbers are an end of a column, as far beyond which others will come."""
LEAST_GAP: Final = 0.1
"""The share of the width of all that was that lies empty between a sentinel and the nearest number at least."""
FAR_WIDTHS: Final = 5.0
"""So many widths of all that was, beyond it, is far."""
RARE: Final = 0.001
"""The share of rows before up to which a value counts as never held."""
TIMES_USUAL: Final = 3.0
"""How many times the largest share that a new value came to have within the time before a spike must have."""
SENTINELS: Final = np.array(
    [
        0.0,
        -1.0,
        -9.0,
        *(sign * (10.0**k - 1) for k in range(2, 10) for sign in (-1, 1)),
        -(2.0**31),
        2.0**31 - 1,
        2.0**15 - 1,
    ]
)
"""Numbers that are written where there is none."""


def missing_storm(sides: Sides) -> Symptom | None:
    """Return that values are missing that were there, or there that were missing: far more than in any stretch before.

    What is infinite is missing too.
    """
    before, now = ~np.isfinite(sides.before), ~np.isfinite(sides.now)
    if min(len(before), len(now)) < LEAST_ROWS:
        return None
    stretches = [float((~np.isfinite(part)).mean()) for part in sides.stretches(len(now))]
    was, share = float(before.mean()), float(now.mean())
    size = min((abs(_angle(share) - _angle(usual)) for usual in (was, *stretches)), default=0.0)
    limit = STORM if len(stretches) >= LEAST_STRETCHES or was <= SELDOM else SURE_STORM
    if size < limit or size / np.sqrt(1 / len(before) + 1 / len(now)) < DEVIATIONS:
        return None
    most = max((was, *stretches))
    told = f"{sides.name} is missing in {share:.1%} of rows, {was:.1%} before and {most:.1%} at most (h {size:.2f})"
    measures = {"share": share, "before": was, "most": most, "infinite": float(np.isinf(sides.now).mean())}
    return Symptom(Cause.PIPELINE, MISSING_TEST, sides.name, told, size, limit, measures)


def _angle(share: float) -> float:
    return float(2 * np.arcsin(np.sqrt(share)))


def gone_constant(sides: Sides) -> Symptom | None:
    """Return that all rows hold one value, though the column varied before within a piece of such a length."""
    now = sides.rising_now
    if not sides.told or now[0] != now[-1] or sides.rising_before[0] == sides.rising_before[-1]:
        return None
    pieces = list(sides.stretches(max(len(sides.now) // PIECES, 2)))
    still = sum(_is_constant(piece) for piece in pieces)
    share = float((sides.rising_before == now[0]).mean())
    chance = max(((still + 1) / (len(pieces) + 2)) ** PIECES, share ** len(now))
    if chance > BY_CHANCE:
        return None
    told = f"{sides.name} is {now[0]:g} in every row, as {share:.1%} were before"
    return Symptom(
        Cause.PIPELINE, CONSTANT_TEST, sides.name, told, 1.0, share, {"value": float(now[0]), "chance": chance}
    )


def _is_constant(piece: Floats) -> bool:
    there = piece[np.isfinite(piece)]
    return len(there) == 0 or bool((there == there[0]).all())


def spike(sides: Sides) -> Symptom | None:
    """Return the value that many rows hold and none did before, if there is one: a stand-in for what is missing."""
    if not sides.told:
        return None
    now, before = sides.rising_now, sides.rising_before
    first = np.flatnonzero(np.append(True, now[1:] != now[:-1]))
    values, counts = now[first], np.diff(first, append=len(now))
    many = counts >= max(LEAST_SENTINEL * len(sides.now), LEAST_SENTINELS)
    if len(values) == 1 or not many.any():
        return None
    values, counts = values[many], counts[many]
    held = (np.searchsorted(before, values, "right") - np.searchsorted(before, values)) / len(before)
    share, least = counts / len(sides.now), _least_share(values, sides)
    suspect = (held <= np.minimum(RARE, share / TIMES_USUAL)) & (share >= least)
    if not suspect.any():
        return None
    worst = int(np.argmax(np.where(suspect, share, 0.0)))
    limit = float(least[worst]) if least[worst] < LEAST_SPIKE else max(LEAST_SPIKE, TIMES_USUAL * _newest(sides))
    if share[worst] < limit:
        return None
    told = (
        f"{share[worst]:.1%} of rows hold {values[worst]:g} in {sides.name}, {held[worst]:.2%} before, when all "
        f"lay from {before[0]:g} to {before[-1]:g}"
    )
    measures = {"value": float(values[worst]), "before": float(held[worst])}
    return Symptom(Cause.PIPELINE, SPIKE_TEST, sides.name, told, float(share[worst]), limit, measures)


def _least_share(values: Floats, sides: Sides) -> Floats:
    """Return (k,) the share from which on each value is a spike."""
    before = sides.rising_before
    written = np.isin(values, SENTINELS)
    beyond = np.maximum(before[0] - values, values - before[-1])
    far = beyond > FAR_WIDTHS * (before[-1] - before[0])
    found = np.where(written | far, LEAST_STAND_IN, LEAST_SPIKE)
    return np.where(written & (beyond > 0) & _apart(values, sides), LEAST_SENTINEL, found)


def _apart(values: Floats, sides: Sides) -> NDArray[np.bool_]:
    """Return which of (k,) values beyond the numbers before lie farther from every other number than ends reach.

    Those that lie nearer are the weather's: fog makes the least visibility 0 that was an eighth of a mile. A value
    below 0 where none was is apart, however little.
    below 0 where none was need not leave a wide gap.
    """
    now, before = sides.rising_now, sides.rising_before
    first, last = quantiles(before, ENDS)
    after, up_to = np.searchsorted(now, values, "right"), np.searchsorted(now, values)
    above = np.append(now, np.inf)[after]  # the next number of the window
    below = np.append(-np.inf, now)[up_to]
    under = values < before[0]
    gap = np.where(under, np.minimum(above, before[0]) - values, values - np.maximum(below, before[-1]))
    wide = (gap >= LEAST_GAP * (before[-1] - before[0])) | ((values < 0) & (before[0] >= 0))
    return np.asarray(wide & (gap > np.where(under, first - before[0], before[-1] - last)))


def _newest(sides: Sides) -> float:
    """Return the largest share of a stretch before that one value has which no earlier stretch held."""
    length = min(len(sides.now), len(sides.before) // 2)
    stretches = [part[np.isfinite(part)] for part in sides.stretches(length)]
    largest = 0.0
    for i in range(1, len(stretches)):
        values, counts = np.unique(stretches[i], return_counts=True)
        new = ~np.isin(values, np.concatenate(stretches[:i]))
        if new.any():
            largest = max(largest, float(counts[new].max()) / len(stretches[i]))
    return largest
