"""The marks of a weekly page: texts escaped, numbers with their exact value for machines, sections, tables, figures."""

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Final

from mlsys_assets.charts import printable

WHOLE: Final = 100.0
"""From here on a number is told by its whole part."""


def text(said: str) -> str:
    """Return anybody's text as a page can hold it."""
    return escape(printable(said))


def number(value: float, digits: int | None = None) -> str:
    """Return a number as people read it, with its exact value for machines.

    >>> number(1234.5)
    '<data value="1234.5">1,234</data>'
    """
    if not math.isfinite(value):
        return "—"
    exact = value if isinstance(value, int) else float(value)
    places = (0 if abs(value) >= WHOLE else 2) if digits is None else digits
    shown = f"{value:,.{places}f}"
    shown = shown.lstrip("-") if not float(shown.replace(",", "")) else shown
    return f'<data value="{exact!r}">{shown.replace("-", "−")}</data>'


def percent(share: float | None) -> str:
    """Return a share as people read it.

    >>> percent(0.123), percent(None)
    ('<data value="0.123">12.3%</data>', '—')
    """
    told = share is not None and math.isfinite(share)
    return f'<data value="{float(share)!r}">{share:.1%}</data>' if share is not None and told else "—"


def day(moment: datetime) -> str:
    """Return a day as people read it."""
    return f'<time datetime="{moment.isoformat()}">{moment.day} {moment:%B %Y}</time>'


def number_or_dash(value: float | None, digits: int) -> str:
    """Return a number, or a dash where there is none."""
    return "—" if value is None else number(value, digits)


def section(title: str, *parts: str) -> str:
    """Return a part of the page; its title is marked up already."""
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def figure(picture: str, caption: str) -> str:
    """Return a picture with its caption, which is what a screen reader reads: the table below has the numbers."""
    return f'<figure><div role="img" aria-label="{caption}">{picture}</div><figcaption>{caption}</figcaption></figure>'


def table(head: Iterable[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """Return a table of cells that are marked up already; the first ``left`` columns hold words."""

    def cells(tag: str, row: Iterable[str]) -> str:
        sides = (' class="l"' if n < left else "" for n in itertools.count())
        return "".join(f"<{tag}{side}>{cell}</{tag}>" for side, cell in zip(sides, row, strict=False))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = cells("th", map(text, head))
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def plain(name: str) -> str:
    """Return a name of a program's as people read it.

    >>> plain("group_rate")
    'group rate'
    """
    return name.replace("_", " ").strip() or name
