"""What the pictures of a weekly page are made of: their tones, texts and frames, as SVG."""

from collections.abc import Sequence
from html import escape
from typing import Final

from mlsys_assets.charts import printable

INK, SOFT, THEN, NOW = "#27313b", "#66717c", "#b9c4cf", "#2f6f9f"
"""Of words, of what matters less, of what was, and of what is."""
FONT: Final = 'font-family="system-ui,sans-serif" font-size="11"'


def written(x: float, y: float, said: str, *, anchor: str = "start", colour: str = INK, weight: str = "400") -> str:
    """Return a text at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}" {FONT}>'
        f"{escape(printable(said))}</text>"
    )


def svg(width: float, height: float, parts: Sequence[str], title: str = "") -> str:
    """Return a picture; one with a title is read aloud by it, one without has a caption beside it."""
    said = escape(printable(title))
    named = f'role="img" aria-label="{said}"' if title else 'aria-hidden="true"'
    inner = f"<title>{said}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" {named}>{inner}{"".join(parts)}</svg>'
    )
