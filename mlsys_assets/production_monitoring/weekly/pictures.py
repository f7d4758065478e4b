"""The small pictures of a weekly page, as SVG: readable in grey, on paper, and aloud by their titles."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from mlsys_assets.charts import printable
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis
from mlsys_assets.production_monitoring.weekly.facts import Moved
from mlsys_assets.production_monitoring.weekly.marks import INK, NOW, SOFT, THEN, svg, written
from mlsys_assets.production_monitoring.weekly.words import STRIP

WIDTH: Final = 860
CELL, GAP, COST = 26, 3, 46
"""Height of a week's cell, space between two, height of the highest bar of costs."""
LEAST_CELLS: Final = 26
"""Weeks that fill the width of a strip: of fewer, cells would be bricks."""


LEAST_MISSING: Final = 0.005
"""The share of missing values from which on they are drawn."""
MOST_NAMED, LONGEST_NAME = 4, 24
"""Bins that all have their name beneath them, and characters of one: of more, the first and the last have."""


def year_strip(diagnoses: Sequence[Diagnosis], *, unit: str | None, this: datetime) -> str:
    """Return a cell for each week, with the letter of its cause, and beneath it what the week cost beyond doubt.

    Weeks of which nothing is known to cost anything have no bar.
    """
    step = WIDTH / max(len(diagnoses), LEAST_CELLS)
    costs = [surely_cost(one) for one in diagnoses]
    most, top = max([*costs, 1e-9]), 24 + CELL
    parts = []
    for n, (one, lost) in enumerate(zip(diagnoses, costs, strict=True)):
        name, letter, colour = STRIP[one.cause]
        x, here = n * step, one.window.start == this
        edge = f'stroke="{INK}" stroke-width="2"' if here else 'stroke="#fff" stroke-width="0"'
        said = f"Week of {one.window.start:%Y-%m-%d}: {name}" + (f", {lost:,.0f} {unit}" if lost else "")
        parts.append(
            f'<g><title>{escape(printable(said))}</title><rect x="{x + 1:.1f}" y="21" width="{step - GAP:.1f}" '
            f'height="{CELL}" rx="2" fill="{colour}" {edge}/>'
            + written(x + step / 2 - 0.5, 21 + CELL / 2 + 4, letter, anchor="middle")
            + "</g>"
        )
        if lost:
            high = max(lost / most * COST, 1.0)
            parts.append(f'<rect x="{x + 2:.1f}" y="{top}" width="{step - GAP - 2:.1f}" height="{high:.1f}" '
                         f'fill="{NOW}"/>')  # fmt: skip
        if one.window.start.day <= 7:  # noqa: PLR2004 - the first of its month
            parts.append(written(x + 1, 14, f"{one.window.start:%b}", colour=SOFT))
    if any(costs):
        at = costs.index(max(costs)) * step
        side = "end" if at > WIDTH / 2 else "start"
        x = at - 4 if side == "end" else at + step + 4
        parts.append(written(x, top + COST, f"{max(costs):,.0f} {unit}", anchor=side, colour=SOFT))
    return svg(WIDTH, top + (COST if any(costs) else 0) + 8, parts, "cause and cost of each week of the year")


def then_now(one: Moved) -> str:
    """Return the shares of a column's values at training and now, side by side."""
    bins = [b for b in one.bins[:-1] if b.then or b.now]
    bins += [b for b in one.bins[-1:] if max(b.then, b.now) >= LEAST_MISSING]
    if not bins:
        return ""
    most = max(max(b.then, b.now) for b in bins)
    step, base = 400 / len(bins), 92
    parts = [f'<line x1="0" y1="{base}" x2="400" y2="{base}" stroke="{THEN}"/>']
    for n, b in enumerate(bins):
        half = (step - 4) / 2
        said = f"{b.name}: {b.then:.1%} in training, {b.now:.1%} now"
        bars = "".join(
            f'<rect x="{n * step + 2 + k * half:.1f}" y="{base - 80 * share / most:.1f}" width="{half:.1f}" '
            f'height="{80 * share / most:.1f}" fill="{colour}"/>'
            for k, (share, colour) in enumerate(((b.then, THEN), (b.now, NOW)))
        )
        parts.append(f"<g><title>{escape(printable(said))}</title>{bars}</g>")
    shown = range(len(bins)) if len(bins) <= MOST_NAMED else (0, len(bins) - 1)
    for n in shown:
        anchor = "start" if n == 0 else "end" if n == len(bins) - 1 else "middle"
        x = {"start": 0.0, "end": 400.0, "middle": (n + 0.5) * step}[anchor]
        parts.append(written(x, base + 14, bins[n].name[:LONGEST_NAME], anchor=anchor, colour=SOFT))
    return svg(400, base + 20, parts, f"{one.column}: shares of values in training and now")


def lamp(colour: str, name: str) -> str:
    """Return a traffic light with one lamp on; ``name`` says which, for those who see no colours."""
    order = ("red", "amber", "green")
    tones = {"red": "#c5372c", "amber": "#e09a1f", "green": "#3a8f4d", "grey": "#9aa3ac"}
    parts = ['<rect x="1" y="1" width="42" height="112" rx="12" fill="#f2f4f6" stroke="#c9d0d7"/>']
    for n, tone in enumerate(order):
        on = tone == colour
        fill = tones[tone] if on else "#dde2e7"
        parts.append(f'<circle cx="22" cy="{23 + 34 * n}" r="12" fill="{fill}"/>')
        if on:
            parts.append(f'<circle cx="22" cy="{23 + 34 * n}" r="14.5" fill="none" stroke="{tones[tone]}"/>')
    return svg(44, 114, parts, name)


def surely_cost(one: Diagnosis) -> float:
    """Return what a week's change cost, 0 where that is not beyond doubt."""
    money = None if one.price is None else one.price.money
    if money is None or one.price is None or not money.sufficient or money.low <= 0 or one.cause is Cause.NOTHING:
        return 0.0
    return money.value * one.price.requests
