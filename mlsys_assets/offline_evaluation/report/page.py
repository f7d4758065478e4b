"""The report on a challenger as one self-contained page: opens anywhere, fetches nothing, runs nothing."""

from collections.abc import Sequence
from html import escape

from mlsys_assets.offline_evaluation.report.exhibit import Exhibit

STYLE = """
body { font-family: sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222; line-height: 1.45 }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0; display: block; overflow-x: auto }
th, td { padding: 3px 9px; border-bottom: 1px solid #ddd; text-align: left } th { background: #f4f4f4 }
tr.pale td { color: #999 } svg, img { max-width: 100%; height: auto; display: block; margin: 1em 0 }
dl.answers { display: grid; grid-template-columns: max-content 1fr; gap: .5em 1.2em; background: #f4f7fb; padding: 1em }
dl.answers dt { font-weight: bold } dl.answers dd { margin: 0 } .verdict { font-size: 1.25em }
.pass { color: #17692f } .fail { color: #b3261e } .waits { color: #8a5a00 } code { font-size: 12px }
"""
VERDICTS = {"pass": ("pass", "may become champion"), "fail": ("fail", "does not become champion")}
WAITS = ("waits", "cannot be judged yet")


def evaluation_page(title: str, *, verdict: str, reason: str, exhibits: Sequence[Exhibit], record: str) -> str:
    """Return the page: the verdict, every question with its answer, then what shows it.

    Parameters
    ----------
    title
        Which challenger, as of when.
    verdict, reason
        What the gate said.
    exhibits
        In the order of reading.
    record
        What it was made from, in a line.
    """
    kind, words = VERDICTS.get(verdict, WAITS)
    answers = "".join(
        f'<dt><a href="#e{n}">{escape(e.question)}</a></dt><dd>{escape(e.answer)}</dd>' for n, e in enumerate(exhibits)
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {kind}">The challenger {words}.</p><p>{escape(reason)}</p>',
        f'<dl class="answers">{answers}</dl>',
        *(_section(n, exhibit) for n, exhibit in enumerate(exhibits)),
        f"<hr><p><code>{escape(record)}</code></p>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _section(n: int, exhibit: Exhibit) -> str:
    body = "".join(exhibit.parts)
    return f'<h2 id="e{n}">{escape(exhibit.question)}</h2><p>{escape(exhibit.answer)}</p>{body}'
