"""An exhibit of a report: a question, its answer in a sentence, and what shows it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.types import Finding

BETTER, WORSE, SURE = "Is it better?", "Where is it worse?", "How sure is it?"
WHY, BEHAVES, MORE = "Why does it say so?", "How does it behave?", "Would more data help?"
COSTS = "What does it cost?"


@dataclass(frozen=True)
class Exhibit:
    """One part of a report.

    Parameters
    ----------
    question
        What it is about, as a person asks.
    answer
        One or two sentences.
    parts
        Tables and pictures, as HTML.
    findings
        The checks it rests on.
    thumbnails
        Pictures by name, as Markdown that is seen at once.
    """

    question: str
    answer: str
    parts: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    thumbnails: dict[str, str] = field(default_factory=dict)


def table(head: Iterable[str], rows: Iterable[Sequence[object]], *, grey: Iterable[int] = ()) -> str:
    """Return an HTML table, the first cell of each row its name; rows numbered in ``grey`` are pale."""
    pale = set(grey)
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr{' class=pale' if n in pale else ''}>{''.join(f'<td>{escape(_cell(v))}</td>' for v in row)}</tr>"
        for n, row in enumerate(rows)
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def findings_table(findings: Iterable[Finding]) -> str:
    """Return checks as a table: what was asked, whether it holds, and what was seen."""
    return table(
        ("check", "", "what was seen"),
        [(f.name.replace("_", " "), "holds" if f.passed else "look at this", f.summary) for f in findings],
    )


def sentence(words: str) -> str:
    """Return words as a sentence: a capital first, a full stop last."""
    return words[:1].upper() + words[1:].rstrip(".") + "."


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, Estimate):
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
