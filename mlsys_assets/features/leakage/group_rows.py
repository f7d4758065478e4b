"""Which rows a grouping is measured with: those that are scored, two halves to fit on, and the groups' past."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import day_blocks

TRAINED_ON: Final = 6_000
"""Rows that each probe is fitted on, at most."""
MEMBERS: Final = 8
"""Where groups are many, so many rows of each are drawn: a few groups that are known, not a row of every one."""
PAST: Final = 20_000
"""Rows of the groups asked for that are scored too, at most: what was missed in them is the groups' past."""
EVERY: Final = 5
"""Of so many training days one is scored, and nothing learned of it: it does not divide a week, so every weekday is.

Validation alone may hold two weeks, whose intervals are as wide as what is looked for.
"""
SCORED: Final = 4_000
"""Rows of validation that are scored, and of those training days, at most."""
DEALT: Final = np.array([0, 1, 1, 0])
"""Groups in order of their size go to the halves in this turn, so that both get as many rows."""

Codes = NDArray[np.intp]
Moments = NDArray[np.datetime64]


def asked_days(at: Moments) -> NDArray[np.bool_]:
    """Return which training rows lie on days that are scored: whole ones, evenly spaced."""
    return np.asarray(day_blocks(at) % EVERY == EVERY // 2)


def scored_rows(code: Codes, known: NDArray[np.bool_], random: np.random.Generator) -> Codes:
    """Return rows of ``known`` groups, drawn evenly."""
    return np.sort(random.permutation(np.flatnonzero((code >= 0) & known[code]))[:SCORED])


def past_rows(codes: tuple[Codes, Codes], at: tuple[Moments, Moments], random: np.random.Generator) -> Codes:
    """Return training rows of the scored rows' groups, drawn evenly; none of a day on which its group is asked for."""
    (code, own), days = codes, day_blocks(np.concatenate(at))
    asked = np.zeros(code.max(initial=-1) + 1, dtype=bool)
    asked[own] = True
    rows = np.flatnonzero((code >= 0) & asked[code])
    width = int(days.max()) + 1
    same_day = np.isin(code[rows] * width + days[rows], own * width + days[len(code) :])
    return np.sort(random.permutation(rows[~same_day])[:PAST])


def drawn_rows(code: Codes, groups: NDArray[np.bool_], later: NDArray[np.bool_], random: np.random.Generator) -> Codes:
    """Return rows of some groups: any, or where groups are many a few of each, first those with ``later`` rows."""
    rows = random.permutation(np.flatnonzero((code >= 0) & groups[code]))
    if groups.sum() * MEMBERS < TRAINED_ON:
        return rows[:TRAINED_ON]
    turn = np.argsort(np.argsort(random.random(len(groups)) - later))
    rows = rows[np.argsort(turn[code[rows]], kind="stable")]
    own = code[rows]
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff([*starts, len(rows)]))
    return rows[place < MEMBERS][:TRAINED_ON]


def halves(size: Codes) -> Codes:
    """Return (g,) 0 or 1 for each group: halves with about as many rows."""
    half = np.empty(len(size), dtype=np.intp)
    half[np.argsort(-size, kind="stable")] = np.resize(DEALT, len(size))
    return half
