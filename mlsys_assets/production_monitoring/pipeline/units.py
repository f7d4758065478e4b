"""A unit that changed: a column is what it was, but for a known conversion.

Two ways tell it. A column whose values recur, such as whole degrees or tenths of a mile, holds values that it never
held, and nearly all of them are converted ones: that tells any conversion, of part of the rows too. A column of other
numbers has quantiles all of which are converted ones; that tells a conversion only where no shift and no wider season
could give the same: the whole column has left its place.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.conversions import CONVERSIONS, SIGN, Conversion
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_ROWS, Sides, quantiles

TEST: Final = "unit"
SIGN_TEST: Final = "sign"
SAME: Final = 1e-6
"""The relative difference below which a number is another: a feature has seven digits."""
SLOPES: Final = np.array([one.slope for one in CONVERSIONS])
OFFSETS: Final = np.array([one.offset for one in CONVERSIONS])
PROBES: Final = 128
"""Values looked for among those before."""
LEAST_NEW: Final = 0.01
"""The share of rows with values never held before from which on their values are looked at."""
LEAST_VALUES: Final = 5
"""Fewer new values than this may be converted ones by chance."""
CONVERTED: Final = 0.75
"""The share of values never held before that must be converted ones: a season brings others."""
CONTROLS: Final = (0.9987, 1.0013)
"""Factors that make a conversion none: what these give too, values that lie close give by chance."""
MOST_BY_CHANCE: Final = 0.25
"""The share of values that a control may give."""
LEVELS: Final = np.linspace(0.02, 0.98, 25)
"""The quantiles that are compared."""
LEAST_LEVELS: Final = 13
"""Quantiles that must differ from each other on both sides: of a column that is nearly always 0, none tell."""
FIT: Final = 0.1
"""How far quantiles may be from the converted ones in the mean, in standard deviations."""
LEFT: Final = 1.5
"""How many standard deviations, of the wider side, the median must have moved."""
LARGE_FACTOR: Final = 10.0
"""From this factor on no season makes a column as much wider."""
LOOSE_FIT: Final = 1.0
"""The same as ``FIT`` with such a factor, where the middle half now lies beyond all that was: a season came along."""
FAR_FIT: Final = 0.5
"""The same where it does not, but quantiles differ from those before by ``FAR``."""
FAR: Final = 10.0
"""So many standard deviations of the narrower side, in the mean."""
MOST_WIDER: Final = 2.0
"""By which factor the spread may then be another than the converted one."""
LEAST_FACTOR: Final = 1.5
"""Below this factor quantiles cannot tell a conversion from a season."""
TELLING: Final = np.array([one.factor >= LEAST_FACTOR for one in CONVERSIONS])
"""The conversions that quantiles can tell."""
ONE_SIDED: Final = 0.9
"""The share of numbers on one side of 0 that makes the sign mean something."""


def unit_change(sides: Sides) -> Symptom | None:
    """Return that a number column is in another unit now, if it is."""
    if not sides.told:
        return None
    return _by_values(sides) or _by_quantiles(sides)


def sign_flip(sides: Sides) -> Symptom | None:
    """Return that a number column has the other sign now, if it has: all of it, and nothing else changed.

    Only of a column nearly all of one sign; a shift by twice the mean looks the same where the column is symmetric.
    """
    if not sides.told:
        return None
    before, now = ((side > 0).mean() - (side < 0).mean() for side in (sides.rising_before, sides.rising_now))
    far = 2 * ONE_SIDED - 1
    off = float(_misfits(np.array([SIGN.slope]), np.zeros(1), sides)[0])
    if not (before * now < 0 and min(abs(before), abs(now)) >= far and off <= FIT):
        return None
    told = f"{sides.name} is of the other sign: but for that its quantiles are {off:.2f} SD from those before"
    return Symptom(Cause.PIPELINE, SIGN_TEST, sides.name, told, float(abs(now - before)), 2 * far, {"misfit": off})


def _by_values(sides: Sides) -> Symptom | None:
    now, before = sides.rising_now, sides.rising_before
    new = now[~_among(now, before)]
    if len(new) < max(LEAST_NEW * len(now), LEAST_ROWS):
        return None
    probes = new[np.linspace(0, len(new) - 1, min(PROBES, len(new))).astype(np.intp)]
    if len(np.unique(probes)) < LEAST_VALUES:
        return None
    found = _among((probes - OFFSETS[:, None]) / SLOPES[:, None], before).mean(axis=1)
    best = int(np.argmax(found))
    conversion, share = CONVERSIONS[best], float(found[best])
    if share < CONVERTED or _by_chance(conversion, probes, before) > MOST_BY_CHANCE:
        return None
    part = len(new) / len(now)
    told = (
        f"{sides.name}: {part:.1%} of its numbers were never held before, and {share:.0%} of these are "
        f"{conversion.formula} of one that was: {conversion.name}"
    )
    return Symptom(Cause.PIPELINE, TEST, sides.name, told, share, CONVERTED, conversion.measures | {"rows": part})


def _by_chance(conversion: Conversion, probes: Floats, before: Floats) -> float:
    return max(float(_among(conversion.inverse(probes) * factor, before).mean()) for factor in CONTROLS)


def _among(values: Floats, rising: Floats) -> NDArray[np.bool_]:
    """Return which values are among sorted ones, but for rounding."""
    reach = SAME * np.abs(values)
    after = np.searchsorted(rising, values - reach)
    return np.asarray(rising[np.minimum(after, len(rising) - 1)] <= values + reach) & (after < len(rising))


def _by_quantiles(sides: Sides) -> Symptom | None:
    both = (quantiles(side, LEVELS) for side in (sides.rising_before, sides.rising_now))
    if min(len(np.unique(side)) for side in both) < LEAST_LEVELS:
        return None
    misfits = _misfits(SLOPES, OFFSETS, sides)
    best = int(np.argmin(np.where(TELLING, misfits, np.inf)))
    conversion, off = CONVERSIONS[best], float(misfits[best])
    if not (off <= FIT and _left(conversion, sides)) and off > _loose_fit(conversion, sides):
        return None
    plain = float(_misfits(np.ones(1), np.zeros(1), sides)[0])
    near = [CONVERSIONS[i].name for i in np.flatnonzero(TELLING & (misfits <= max(FIT, off)))]
    nearly = "" if off <= FIT else "nearly "
    told = (
        f"{sides.name} is {nearly}{conversion.formula} of what it was ({' or '.join(near)}): its quantiles are "
        f"{off:.2f} SD from that, and {plain:.1f} SD from those before"
    )
    measures = conversion.measures | {"plain": plain, "misfit": off, "rows": 1.0}
    return Symptom(Cause.PIPELINE, TEST, sides.name, told, plain, LEFT, measures)


def _misfits(slopes: Floats, offsets: Floats, sides: Sides) -> Floats:
    """Return (k,) how far quantiles now are from converted ones in the mean, in deviations of these.

    It is infinite of a constant.
    """
    before, now = (quantiles(side, LEVELS) for side in (sides.rising_before, sides.rising_now))
    expected = np.sort(slopes[:, None] * before + offsets[:, None], axis=1)
    spread, off = np.abs(slopes) * before.std(), np.abs(now - expected).mean(axis=1)
    misfits: Floats = np.divide(off, spread, out=np.full(len(slopes), np.inf), where=spread > 0)
    return misfits


def _left(conversion: Conversion, sides: Sides) -> bool:
    """Whether the median moved as no season moves it."""
    if conversion.factor >= LARGE_FACTOR:
        return True
    before, now = (quantiles(side, LEVELS) for side in (sides.rising_before, sides.rising_now))
    middle = len(LEVELS) // 2
    return bool(abs(now[middle] - before[middle]) >= LEFT * max(before.std(), now.std()))


def _loose_fit(conversion: Conversion, sides: Sides) -> float:
    """Return how far quantiles may be from the converted ones where the factor is so large that nothing else has it."""
    before, now = (quantiles(side, LEVELS) for side in (sides.rising_before, sides.rising_now))
    spread, quarter = conversion.slope * before.std(), len(LEVELS) // 4
    if conversion.factor < LARGE_FACTOR or not spread / MOST_WIDER <= now.std() <= spread * MOST_WIDER:
        return 0.0
    if now[quarter] > before[-1] or now[-1 - quarter] < before[0]:
        return LOOSE_FIT
    return FAR_FIT if np.abs(now - before).mean() >= FAR * min(before.std(), now.std()) else 0.0
