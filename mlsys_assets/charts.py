"""Small pictures as SVG text: for pages that must open in a moment, anywhere, and for metadata at every tick."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

WIDTH, ROW, LEFT = 640, 18, 230
HEIGHT, MARGIN = 260, 42
NEAR = (110, 11)
"""Names of points that lie nearer to each other than this, across and up, would cover each other."""
Points = Sequence[tuple[float, float]]
MOST_TICKS = 6
"""Numbers along an axis."""
COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
)  # fmt: skip
SIDE = 230
"""Pixels of a panel's side: three and their names are as wide as Dagster shows."""
DOTTED = 20
"""A curve through so few points shows each of them."""
STYLE = 'font-family="sans-serif" font-size="11"'


def bars(values: Mapping[str, float], *, title: str, marks: Mapping[str, float] | None = None) -> str:
    """Return one horizontal bar a value, in the order given; ``marks`` are named limits drawn across."""
    most = max([*values.values(), *(marks or {}).values(), 1e-9])
    room = WIDTH - LEFT - 60
    parts = [_text(LEFT, 14, title, weight="bold")]
    for n, (name, value) in enumerate(values.items()):
        y = 24 + n * ROW
        parts.append(_text(LEFT - 6, y + 12, name, anchor="end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{room * value / most:.1f}" height="{ROW - 5}" fill="{COLOURS[0]}"/>'
        )
        parts.append(_text(LEFT + room * value / most + 4, y + 11, f"{value:.3g}"))
    bottom = 26 + len(values) * ROW
    for name, value in (marks or {}).items():
        x = LEFT + room * value / most
        parts.append(f'<line x1="{x:.1f}" y1="20" x2="{x:.1f}" y2="{bottom}" stroke="#d62728" stroke-dasharray="3 3"/>')
        parts.append(_text(x, bottom + 12, name, anchor="middle"))
    return _svg(WIDTH, bottom + 20, parts)


def lines(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    unit: str = "",
    events: Mapping[int, str] | None = None,
    width: int = 900,
) -> str:
    """Return one line a series over equally spaced labels; None leaves a gap, ``events`` are marked."""
    known = [v for values in series.values() for v in values if v is not None]
    if not known:
        return _svg(width, 40, [_text(MARGIN, 20, f"{title}: insufficient data")])
    low, high = min(known), max(known)
    pad = (high - low or abs(high) or 1.0) * 0.08
    low, high = low - pad, high + pad
    step = (width - MARGIN - 130) / max(len(labels) - 1, 1)
    parts = [_text(MARGIN, 14, title + (f" [{unit}]" if unit else ""), weight="bold")]
    for share in (0.0, 0.5, 1.0):
        value, y = low + (high - low) * share, _y(low + (high - low) * share, low, high)
        parts.append(f'<line x1="{MARGIN}" y1="{y:.1f}" x2="{width - 130}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(MARGIN - 4, y + 4, f"{value:.3g}", anchor="end"))
    every = max(1, len(labels) // 9)
    parts += [
        _text(MARGIN + n * step, HEIGHT - 8, label, anchor="middle") for n, label in enumerate(labels) if n % every == 0
    ]
    for n, what in (events or {}).items():
        x = MARGIN + n * step
        parts.append(f'<line x1="{x:.1f}" y1="24" x2="{x:.1f}" y2="{HEIGHT - 24}" stroke="#aaa" stroke-dasharray="2 3">'
                     f"<title>{escape(printable(what))}</title></line>")  # fmt: skip
    for k, (name, values) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        parts += _drawn(values, colour, lambda n: MARGIN + n * step, lambda v: _y(v, low, high))
        parts.append(_text(width - 122, 34 + 16 * k, name, colour=colour))
    return _svg(width, HEIGHT, parts)


def forest(found: Mapping[str, Mapping[str, tuple[float, float, float]]], *, title: str, unit: str = "") -> str:
    """Return a row for each group and in it, by series, a value with its interval: (value, low, high)."""
    names = list(dict.fromkeys(name for series in found.values() for name in series))
    ends = [end for series in found.values() for interval in series.values() for end in interval]
    if not ends:
        return _svg(WIDTH, 40, [_text(10, 20, f"{title}: insufficient data")])
    low, high = min(ends), max(ends)
    pad = (high - low or abs(high) or 1.0) * 0.05
    low, room = low - pad, WIDTH - LEFT - 130
    scale = room / (high + pad - low)
    step, parts = 9 * len(names) + 9, [_text(LEFT, 14, title + (f" [{unit}]" if unit else ""), weight="bold")]
    for n, (group, series) in enumerate(found.items()):
        top = 26 + n * step
        parts.append(_text(LEFT - 6, top + step / 2, group, anchor="end"))
        parts.append(f'<line x1="{LEFT}" y1="{top - 4}" x2="{LEFT + room}" y2="{top - 4}" stroke="#eee"/>')
        for k, name in enumerate(names):
            if name in series:
                value, least, most = (LEFT + (v - low) * scale for v in series[name])
                y, colour = top + 5 + 9 * k, COLOURS[k % len(COLOURS)]
                parts.append(f'<line x1="{least:.1f}" y1="{y}" x2="{most:.1f}" y2="{y}" stroke="{colour}"/>')
                parts.append(f'<circle cx="{value:.1f}" cy="{y}" r="3" fill="{colour}"/>')
    bottom = 26 + len(found) * step
    parts += [
        _text(LEFT + room * share, bottom + 10, f"{low + room * share / scale:.3g}", anchor="middle")
        for share in (0.0, 0.5, 1.0)
    ]
    parts += [_text(WIDTH - 122, 34 + 16 * k, n, colour=COLOURS[k % len(COLOURS)]) for k, n in enumerate(names)]
    return _svg(WIDTH, max(bottom, 34 + 16 * len(names)) + 20, parts)


def grid(labels: Sequence[str], rows: Mapping[str, Sequence[str]], *, title: str, colours: Mapping[str, str]) -> str:
    """Return a cell for each row and label, coloured by what it says; a word without a colour stays empty."""
    step = (WIDTH - LEFT - 20) / max(len(labels), 1)
    parts = [_text(LEFT, 14, title, weight="bold")]
    for n, (name, said) in enumerate(rows.items()):
        y = 24 + n * ROW
        parts.append(_text(LEFT - 6, y + 12, name, anchor="end"))
        for k, (label, word) in enumerate(zip(labels, said, strict=True)):
            fill = colours.get(word, "none")
            parts.append(
                f'<rect x="{LEFT + k * step:.1f}" y="{y}" width="{max(step - 2, 1):.1f}" height="{ROW - 4}" '
                f'fill="{fill}" stroke="#ddd"><title>{escape(printable(f"{label}: {word}"))}</title></rect>'
            )
    bottom, every = 24 + len(rows) * ROW, max(1, len(labels) // 7)
    parts += [
        _text(LEFT + (k + 0.5) * step, bottom + 12, label, anchor="middle")
        for k, label in enumerate(labels)
        if k % every == 0
    ]
    for k, (word, colour) in enumerate(colours.items()):
        x = LEFT + k * (WIDTH - LEFT) / len(colours)
        parts.append(f'<rect x="{x:.1f}" y="{bottom + 22}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 14, bottom + 31, word))
    return _svg(WIDTH, bottom + 42, parts)


def scatter(
    groups: Mapping[str, Sequence[tuple[str, float, float]]],
    *,
    title: str,
    axes: tuple[str, str],
    cuts: tuple[float, float] | None = None,
) -> str:
    """Return a dot for each named point (name, x, y), coloured by its group; ``cuts`` are drawn across at x and y.

    Dots that lie apart from others have their name beside them; each tells it when it is pointed at.
    """
    points = [point for found in groups.values() for point in found]
    if not points:
        return _svg(WIDTH, 40, [_text(10, 20, f"{title}: insufficient data")])
    marked = [] if cuts is None else [cuts]
    across = _axis([x for _, x, _ in points] + [x for x, _ in marked])
    up = _axis([y for _, _, y in points] + [y for _, y in marked])
    width, height = WIDTH - MARGIN - 150, 2 * HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + width * (x - across[0]) / across[1], 24 + (height - 60) * (1 - (y - up[0]) / up[1])

    parts = [_text(MARGIN, 14, title, weight="bold"), _text(MARGIN + width / 2, height - 6, axes[0], anchor="middle")]
    parts.append(_text(MARGIN, 30, axes[1]))
    for share in (0.0, 0.5, 1.0):
        x, y = place(across[0] + share * across[1], up[0] + share * up[1])
        parts.append(_text(x, height - 20, f"{across[0] + share * across[1]:.3g}", anchor="middle"))
        parts.append(_text(MARGIN - 4, y + 4, f"{up[0] + share * up[1]:.3g}", anchor="end"))
    for x, y in (place(*cut) for cut in marked):
        for x1, y1, x2, y2 in ((x, 24, x, height - 36), (MARGIN, y, MARGIN + width, y)):
            parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#aaa" '
                         'stroke-dasharray="3 3"/>')  # fmt: skip
    named: list[tuple[float, float]] = []
    for k, (group, found) in enumerate(groups.items()):
        colour = COLOURS[k % len(COLOURS)]
        parts.append(_text(WIDTH - 142, 34 + 16 * k, group, colour=colour))
        for name, x, y in found:
            left, top = place(x, y)
            parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}">'
                         f"<title>{escape(printable(name))}</title></circle>")  # fmt: skip
            if all(abs(left - a) > NEAR[0] or abs(top - b) > NEAR[1] for a, b in named):
                named.append((left, top))
                parts.append(_text(left + 5, top + 4, name, colour=colour))
    return _svg(WIDTH, height, parts)


def trade_off(
    points: Mapping[str, tuple[float, float, float, float]],
    *,
    title: str,
    axes: tuple[str, str],
    front: Sequence[str] = (),
    marked: str = "",
) -> str:
    """Return a dot with its interval for each named point (x, y, low, high), and a line along the points of the front.

    The marked point has a ring, and its name in bold.
    """
    if not points:
        return _svg(WIDTH, 40, [_text(10, 20, f"{title}: insufficient data")])
    across = _axis([x for x, _, _, _ in points.values()])
    up = _axis([end for _, *ends in points.values() for end in ends])
    width, height = WIDTH - MARGIN - 150, 2 * HEIGHT - 100

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + width * (x - across[0]) / across[1], 40 + (height - 80) * (1 - (y - up[0]) / up[1])

    parts = [_text(MARGIN, 14, title, weight="bold"), _text(MARGIN + width / 2, height - 6, axes[0], anchor="middle")]
    parts.append(_text(MARGIN, 30, axes[1]))
    parts += [_text(place(x, up[0])[0], height - 22, f"{x:.6g}", anchor="middle") for x in round_ticks(*across)]
    for y, top in [(y, place(across[0], y)[1]) for y in round_ticks(*up)]:
        parts.append(_text(MARGIN - 4, top + 4, f"{y:.6g}", anchor="end"))
        parts.append(f'<line x1="{MARGIN}" y1="{top:.1f}" x2="{MARGIN + width}" y2="{top:.1f}" stroke="#eee"/>')
    along = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y, _, _ in sorted(points[name] for name in front))
    parts.append(f'<polyline points="{along}" fill="none" stroke="{COLOURS[2]}" stroke-width="1.6"/>' if along else "")
    named: list[tuple[float, float, str, int]] = []
    for name in sorted(points, key=lambda one: one != marked):  # its name goes first, where there is room for few
        x, y, low, high = points[name]
        (left, top), bottom, high_at = place(x, y), place(x, low)[1], place(x, high)[1]
        colour = COLOURS[1] if name == marked else COLOURS[2] if name in front else "#888"
        tip = f"<title>{escape(printable(f'{name}: {y:.4g} [{low:.4g}, {high:.4g}] at {x:,.4g}'))}</title>"
        parts.append(f'<line x1="{left:.1f}" y1="{bottom:.1f}" x2="{left:.1f}" y2="{high_at:.1f}" stroke="{colour}"/>')
        parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}">{tip}</circle>')
        if name == marked:
            parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="7" fill="none" stroke="{colour}"/>')
        near = [n for n, (a, b, _, _) in enumerate(named) if abs(left - a) <= NEAR[0] and abs(top - b) <= NEAR[1]]
        if near:
            a, b, other, more = named[near[0]]
            named[near[0]] = a, b, other, more + 1
        else:
            named.append((left, top, name, 0))
    parts += [_name(one, marked=one[2] == marked, on=one[2] in front) for one in named]
    return _svg(WIDTH, height, parts)


def panels(
    curves: Mapping[str, Mapping[str, Points]],
    *,
    title: str,
    axes: Mapping[str, tuple[str, str]],
    guides: Mapping[str, Points] | None = None,
) -> str:
    """Return panels side by side, each with its curves of x and y in [0, 1], by name.

    Parameters
    ----------
    axes
        By panel, what its x and its y are.
    guides
        By panel, a line to compare with: dotted.
    """
    names = list(dict.fromkeys(name for panel in curves.values() for name in panel))
    step, parts = SIDE + 2 * MARGIN, [_text(MARGIN, 14, title, weight="bold")]
    for p, (panel, found) in enumerate(curves.items()):
        left, (across, up) = MARGIN + p * step, axes[panel]

        def place(x: float, y: float, left: float = left) -> str:
            return f"{left + SIDE * x:.1f},{48 + SIDE * (1 - y):.1f}"

        parts.append(f'<rect x="{left}" y="48" width="{SIDE}" height="{SIDE}" fill="none" stroke="#ddd"/>')
        parts += [_text(left, 34, panel, weight="bold"), _text(left, 45, up)]
        parts += [_text(left + SIDE / 2, SIDE + 74, across, anchor="middle")]
        for share in (0.0, 0.5, 1.0):
            parts.append(_text(left + SIDE * share, SIDE + 61, f"{share:g}", anchor="middle"))
            parts.append(_text(left - 4, 52 + SIDE * (1 - share), f"{share:g}", anchor="end"))
        along = " ".join(place(x, y) for x, y in (guides or {}).get(panel, ()))
        parts.append(f'<polyline points="{along}" fill="none" stroke="#888" stroke-dasharray="2 3"/>' if along else "")
        for name, points in found.items():
            look = f'fill="none" stroke="{COLOURS[names.index(name) % len(COLOURS)]}" stroke-width="1.4"'
            at = [place(x, y) for x, y in points]
            parts.append(f'<polyline points="{" ".join(at)}" {look}/>')
            dots = [one.split(",") for one in at if len(at) <= DOTTED]
            parts += [f'<circle cx="{x}" cy="{y}" r="2.5" {look}/>' for x, y in dots]
    legend = MARGIN + len(curves) * step
    parts += [_text(legend - MARGIN + 8, 60 + 16 * k, n, colour=COLOURS[k % len(COLOURS)]) for k, n in enumerate(names)]
    return _svg(legend + 120, max(SIDE + 84, 66 + 16 * len(names)), parts)


def _name(of: tuple[float, float, str, int], *, marked: bool, on: bool) -> str:
    """Return the name beside a point, and of how many more that lie so near that theirs would cover it."""
    left, top, name, more = of
    colour = COLOURS[1] if marked else COLOURS[2] if on else "#888"
    told = f"{name} +{more}" if more else name
    return _text(left + 6, top - 8, told, colour=colour, weight="bold" if marked else "normal")


def round_ticks(low: float, length: float) -> list[float]:
    """Return round numbers within an axis, three to six of them.

    >>> round_ticks(-0.25, 5.5)
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    power = 10.0 ** math.floor(math.log10(length / MOST_TICKS))
    step = next(power * one for one in (1, 2, 5, 10) if length / (power * one) <= MOST_TICKS)
    first, last = math.ceil(low / step), math.floor((low + length) / step)
    return [n * step for n in range(first, last + 1)]


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Return where an axis begins and how long it is, a little longer than its values."""
    low, high = min(values), max(values)
    pad = (high - low or abs(high) or 1.0) * 0.05
    return low - pad, high - low + 2 * pad


def _drawn(
    values: Sequence[float | None], colour: str, x: Callable[[float], float], y: Callable[[float], float]
) -> list[str]:
    parts, run = [], list[str]()
    for n, value in enumerate([*values, None]):
        if value is not None:
            run.append(f"{x(n):.1f},{y(value):.1f}")
            parts.append(f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="2" fill="{colour}"/>')
        elif run:
            parts.append(f'<polyline points="{" ".join(run)}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            run = []
    return parts


def _y(value: float, low: float, high: float) -> float:
    return 24 + (HEIGHT - 48) * (1 - (value - low) / (high - low))


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}" {STYLE}>'
        f"{escape(printable(text))}</text>"
    )


def printable(text: str) -> str:
    r"""Return a text as XML can hold it: what people or their data call things may hold anything.

    >>> printable("a\x1fb")
    'a·b'
    """
    return "".join(c if c.isprintable() else "·" for c in text)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(parts)}</svg>'
    )
