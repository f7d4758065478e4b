"""Lines over weeks, as SVG: round numbers at the side, and each line's name at its end."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from mlsys_assets.production_monitoring.weekly.marks import NOW, SOFT, THEN, svg, written

WIDTH, HEIGHT = 860, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 150, 26, 24
"""Room about the lines: for numbers, names, the title and dates."""
TONES: Final = (NOW, "#8a6d1f", "#66717c")
"""Of the lines, the first of which is the one that matters: it is thicker as well."""
THICK, THIN = 2.5, 1.5
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)
"""What two marks at the side may lie apart, times a power of ten."""
MOST_MARKS: Final = 5
SAME: Final = 1e-6
"""The relative reach below which all that is drawn is one number."""
NAMED_APART: Final = 15
"""Pixels that two names lie apart at least."""
DATES: Final = 9
Place = Callable[[float], float]
Band = Sequence[tuple[float, float] | None]
Series = Mapping[str, Sequence[float | None]]


def curve(weeks: Sequence[datetime], series: Series, *, title: str, unit: str = "", band: Band = ()) -> str:
    """Return a line a series, the first the one that matters; None leaves a gap.

    Parameters
    ----------
    band
        A range for each week, drawn behind the lines; None leaves a gap.
    """
    known = [v for values in series.values() for v in values if v is not None]
    known += [end for found in band if found is not None for end in found]
    head = written(0, 13, title + (f" [{unit}]" if unit else ""), weight="600")
    if not known:
        return svg(WIDTH, 40, [written(0, 20, f"{title}: nothing is known yet")])
    marks = ticks(min(known), max(known))
    low, high = min(marks[0], *known), max(marks[-1], *known)

    def x(n: float) -> float:
        return LEFT + n * (WIDTH - LEFT - RIGHT) / max(len(weeks) - 1, 1)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [head, *_axes(weeks, marks, x, y)]
    for run in runs(band):
        there = [(n, found) for n in run if (found := band[n]) is not None]
        around = [(x(n), y(found[1])) for n, found in there] + [(x(n), y(found[0])) for n, found in reversed(there)]
        parts.append(f'<polygon points="{_points(around)}" fill="{THEN}" fill-opacity=".45" stroke="{THEN}"/>')
    for k, values in reversed(list(enumerate(series.values()))):
        tone, thick = TONES[min(k, len(TONES) - 1)], THIN if k else THICK
        for run in runs(values):
            at = [(x(n), y(value)) for n in run if (value := values[n]) is not None]
            parts.append(
                f'<polyline points="{_points(at)}" fill="none" stroke="{tone}" stroke-width="{thick}" '
                'stroke-linejoin="round" stroke-linecap="round"/>'
                if len(at) > 1
                else f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="{thick + 0.5}" fill="{tone}"/>'
            )
    ends = {name: y(last) for name, values in series.items() if (last := _last(values)) is not None}
    tones = {name: TONES[min(k, len(TONES) - 1)] for k, name in enumerate(series)}
    for name, height in apart(ends).items():
        parts.append(written(WIDTH - RIGHT + 10, height + 4, name, colour=tones[name], weight="600"))
    return svg(WIDTH, HEIGHT, parts)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers that reach from below the least to above the largest of what is drawn.

    >>> ticks(7.3, 35.1), ticks(0.234, 0.781)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [0.2, 0.4, 0.6, 0.8])
    """
    reach = high - low if high - low > SAME * max(abs(low), abs(high), 1.0) else max(abs(high), 1.0)
    power = 10.0 ** math.floor(math.log10(reach / MOST_MARKS))
    for step in (power * one for one in STEPS):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < MOST_MARKS:
            break
    return [round(n * step, 12) for n in range(first, max(last, first + 1) + 1)]


def apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Return where names stand so that none covers another, and those that are close lie about where they belong.

    >>> apart({"a": 10.0, "b": 12.0, "c": 90.0})
    {'a': 3.5, 'b': 18.5, 'c': 90.0}
    """
    groups: list[list[tuple[str, float]]] = []
    for one in sorted(wanted.items(), key=lambda item: (item[1], item[0])):
        groups.append([one])
        while len(groups) > 1 and _top(groups[-1]) - _top(groups[-2]) < NAMED_APART * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return {name: _top(group) + NAMED_APART * n for group in groups for n, (name, _) in enumerate(group)}


def _top(group: Sequence[tuple[str, float]]) -> float:
    """Return where the first of names in a column stands, when their middle is where they are wanted in the mean."""
    return sum(at for _, at in group) / len(group) - NAMED_APART * (len(group) - 1) / 2


def runs(values: Sequence[object | None]) -> Iterator[list[int]]:
    """Yield the places of values that follow each other without a gap."""
    for there, group in groupby(range(len(values)), key=lambda n: values[n] is not None):
        if there:
            yield list(group)


def _axes(weeks: Sequence[datetime], marks: Sequence[float], x: Place, y: Place) -> Iterator[str]:
    digits = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
    for mark in marks:
        yield f'<line x1="{LEFT}" y1="{y(mark):.1f}" x2="{WIDTH - RIGHT}" y2="{y(mark):.1f}" stroke="#e1e6ea"/>'
        yield written(LEFT - 8, y(mark) + 4, f"{mark:,.{digits}f}".replace("-", "−"), anchor="end", colour=SOFT)
    every = math.ceil(len(weeks) / DATES)
    for n, week in enumerate(weeks):
        if (len(weeks) - 1 - n) % every == 0:  # the last week has its date
            yield written(x(n), HEIGHT - 6, f"{week.day} {week:%b}", anchor="middle", colour=SOFT)


def _points(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in at)


def _last(values: Sequence[float | None]) -> float | None:
    return next((v for v in reversed(values) if v is not None), None)
