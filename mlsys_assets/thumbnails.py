"""Pictures so small that they are seen at once: the Dagster UI shows Markdown inline below a thousand characters.

Each is an SVG image in Markdown. What does not fit is left out from its end: give what matters first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from urllib.parse import quote

from mlsys_assets.charts import printable

LIMIT = 1000
"""Characters of Markdown from which on the Dagster UI (1.13) shows a link instead."""
WIDTH, HEIGHT, ROW, LEFT = 440, 110, 14, 150
SAFE = " !'()*,-./:;=?@_&|~$+"
"""What stands for itself in an image's address between < and >."""
WHOLE = 1000
"""From here on a number is told by its whole part."""
COLOURS = ("#17b", "#d22", "#292", "#96b", "#e80")

Span = tuple[float, float, float]
Points = Sequence[tuple[float, float]]


def lines(series: Mapping[str, Sequence[float | None]], *, title: str) -> str:
    """Return one line a series over equally spaced places; None leaves a gap. The scale's ends are told."""
    known = [v for values in series.values() for v in values if v is not None]
    if not known:
        return f"{title}: insufficient data"
    low, high = min(known), max(known)
    length = max(len(values) for values in series.values())

    def draw(last: int, names: int) -> str:
        step, scale = (WIDTH - 120) / max(last - 1, 1), (HEIGHT - 30) / (high - low or 1)
        parts = [_text(0, 20, f"{high:.3g}"), _text(0, HEIGHT - 8, f"{low:.3g}")]
        for k, (name, values) in enumerate(list(series.items())[:names]):
            path = _path([None if v is None else (36 + n * step, HEIGHT - 12 - (v - low) * scale)
                          for n, v in enumerate(values[-last:])])  # fmt: skip
            parts += [
                _stroke(path, COLOURS[k % len(COLOURS)]),
                _text(WIDTH - 80, 20 + ROW * k, name, COLOURS[k % len(COLOURS)]),
            ]
        return _image(parts, title, HEIGHT)

    return _fitting(draw, [(last, n) for n in range(len(series), 0, -1) for last in (length, 13)])


def bars(values: Mapping[str, float], *, title: str) -> str:
    """Return one bar a value, none below 0, with its number."""
    if not values:
        return f"{title}: insufficient data"
    scale = (WIDTH - LEFT - 50) / max([*values.values(), 1e-9])

    def draw(n: int) -> str:
        shown = list(values.items())[:n]
        path = "".join(f"M{LEFT} {10 + ROW * k}h{max(v * scale, 1):.0f}" for k, (_, v) in enumerate(shown))
        parts = [_stroke(path, COLOURS[0], width=9)]
        for k, (name, value) in enumerate(shown):
            parts.append(_text(0, 14 + ROW * k, name))
            parts.append(_text(LEFT + value * scale + 4, 14 + ROW * k, number(value)))
        return _image(parts, title, 6 + ROW * len(shown))

    return _fitting(draw, [(n,) for n in range(len(values), 0, -1)])


def spans(values: Mapping[str, Span], *, title: str) -> str:
    """Return a value with its interval in each row: (value, low, high)."""
    if not values:
        return f"{title}: insufficient data"

    def draw(n: int) -> str:
        shown = list(values.items())[:n]
        low, high = min(v[1] for _, v in shown), max(v[2] for _, v in shown)
        scale = (WIDTH - LEFT - 50) / (high - low or 1)
        at = [[LEFT + (v - low) * scale for v in span] for _, span in shown]
        path = "".join(f"M{a:.0f} {10 + ROW * k}h{b - a:.0f}M{v:.0f} {6 + ROW * k}v8" for k, (v, a, b) in enumerate(at))
        parts = [_stroke(path, COLOURS[0], width=2)]
        for k, (name, (value, _, _)) in enumerate(shown):
            parts += [_text(0, 14 + ROW * k, name), _text(WIDTH - 44, 14 + ROW * k, f"{value:.3g}")]
        return _image(parts, title, 6 + ROW * len(shown))

    return _fitting(draw, [(n,) for n in range(len(values), 0, -1)])


def marks(rows: Mapping[str, Sequence[str]], *, title: str, colours: Mapping[str, str]) -> str:
    """Return a mark wherever a row says one of the coloured words, the last place at the right."""
    length = max((len(said) for said in rows.values()), default=0)

    def draw(last: int) -> str:
        step = (WIDTH - LEFT) / max(last, 1)
        parts = [_text(0, 14 + ROW * k, name) for k, name in enumerate(rows)]
        for word, colour in colours.items():
            path = "".join(
                f"M{LEFT + first * step:.0f} {10 + ROW * k}h{length * step - 2:.0f}"
                for k, said in enumerate(rows.values())
                for first, length in _runs(said[-last:], word)
            )
            parts += [_stroke(path, colour, width=9)] if path else []
        parts.append(_stroke(f"M{LEFT} {6 + ROW * len(rows)}h{WIDTH - LEFT}", "#ccc"))
        return _image(parts, title, 10 + ROW * len(rows))

    return _fitting(draw, [(last,) for last in (length, length * 2 // 3, length // 2, 4, 2)])


def panels(curves: Mapping[str, Mapping[str, Points]], *, title: str) -> str:
    """Return panels side by side, each with its curves of x and y in [0, 1], by name."""
    names = list(dict.fromkeys(name for panel in curves.values() for name in panel))

    def draw(points: int, drawn: int) -> str:
        parts = [_text(WIDTH - 90, 14 + ROW * k, name, COLOURS[k]) for k, name in enumerate(names[:drawn])]
        for p, (panel, found) in enumerate(curves.items()):
            parts.append(_text(p * 110, 10, panel))
            for k, name in enumerate(names[:drawn]):
                thin = _thinned(found.get(name, ()), points)
                parts.append(_stroke(_path([(p * 110 + 90 * x, 104 - 88 * y) for x, y in thin]), COLOURS[k]))
        return _image(parts, title, HEIGHT)

    return _fitting(draw, [(points, n) for n in (min(len(names), 2), 1) for points in (16, 12, 9)])


def scatter(groups: Mapping[str, Points], *, title: str, cuts: tuple[float, float] | None = None) -> str:
    """Return a dot for each point (x, y) in the colour of its group, by name; ``cuts`` are drawn across at x and y.

    Where there are too many, the last of each group are left out. The ends of the scales are told, and that of x begins
    at the smallest.
    """
    known = [*([cuts] if cuts else []), *(point for found in groups.values() for point in found)]
    if not any(groups.values()):
        return f"{title}: insufficient data"
    (x0, x1), (y0, y1) = ((min(axis), max(axis)) for axis in zip(*known, strict=True))

    def draw(most: int, names: int) -> str:
        width, high = (WIDTH - 180) / (x1 - x0 or 1), (HEIGHT - 34) / (y1 - y0 or 1)
        at = [(36 + (x - x0) * width, HEIGHT - 20 - (y - y0) * high) for x, y in known[:1]] if cuts else []
        parts = [_text(0, 20, f"{y1:.2g}"), _text(0, HEIGHT - 16, f"{y0:.2g}")]
        parts.append(_text(WIDTH - 150, HEIGHT - 2, f"{x1:.2g}"))
        parts += [_stroke(f"M{x:.0f} 14v{HEIGHT - 34}M36 {y:.0f}h{WIDTH - 180}", "#ccc") for x, y in at]
        for k, (name, points) in enumerate(groups.items()):
            dots = "".join(
                f"M{36 + (x - x0) * width:.0f} {HEIGHT - 20 - (y - y0) * high:.0f}h3" for x, y in points[:most]
            )
            parts += [_stroke(dots, COLOURS[k % len(COLOURS)], width=3)] if dots else []
            parts += [_text(WIDTH - 130, 20 + ROW * k, name, COLOURS[k % len(COLOURS)])] if k < names else []
        return _image(parts, title, HEIGHT)

    most = max(map(len, groups.values()))
    sizes = [most, *(n for n in (60, 40, 30, 24, 18, 12, 8, 4, 2) if n < most)]
    return _fitting(draw, [(n, names) for names in (len(groups), 0) for n in sizes])


def number(value: float) -> str:
    """Return a number as short as it can be told: three digits, or its whole part.

    >>> number(572280.0), number(0.12345)
    ('572,280', '0.123')
    """
    return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:.3g}"


def _runs(said: Sequence[str], word: str) -> list[tuple[int, int]]:
    """Return where a word begins to be said without a break, and how often."""
    firsts = [n for n, one in enumerate(said) if one == word and (n == 0 or said[n - 1] != word)]
    return [(n, next((m for m, one in enumerate(said[n:]) if one != word), len(said) - n)) for n in firsts]


def _thinned(points: Points, most: int) -> Points:
    if len(points) <= most:
        return points
    return [points[round(k * (len(points) - 1) / (most - 1))] for k in range(most)]


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return the path through points, from each to the next by how far it is; None begins anew."""
    parts, before = [], None
    for point in points:
        here = None if point is None else (round(point[0]), round(point[1]))
        if here is not None and before is None:
            parts.append(f"M{here[0]} {here[1]}h0")
        elif here is not None and before is not None:
            parts.append(f"l{here[0] - before[0]} {here[1] - before[1]}".replace(" -", "-"))
        before = here
    return "".join(parts)


def _stroke(path: str, colour: str, *, width: int = 1) -> str:
    return f"<path d='{path}' stroke='{colour}'{f' stroke-width={chr(39)}{width}{chr(39)}' if width > 1 else ''}/>"


def _text(x: float, y: float, text: str, colour: str = "") -> str:
    fill = f" fill='{colour}'" if colour else ""
    return f"<text x='{x:.0f}' y='{y:.0f}'{fill}>{escape(printable(text), quote=False)}</text>"


def _image(parts: Sequence[str], title: str, height: int) -> str:
    texts = "".join(part for part in parts if part.startswith("<text"))
    paths = "".join(part for part in parts if not part.startswith("<text"))
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}'>"
        f"<g font-family='Arial' font-size='11'>{texts}</g><g fill='none'>{paths}</g></svg>"
    )
    return f"![{title}](<data:image/svg+xml,{quote(svg, safe=SAFE)}>)"


def _fitting(draw: Callable[..., str], attempts: Iterable[tuple[int, ...]]) -> str:
    """Return the first drawing that is shown inline, or else the last."""
    found = ""
    for attempt in attempts:
        found = draw(*attempt)
        if len(found) < LIMIT:
            break
    return found
