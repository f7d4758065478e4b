"""A study of policies as one self-contained page: opens anywhere, fetches nothing, runs nothing."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from mlsys_assets.charts import printable
from mlsys_assets.retraining.policy_replay.fidelity import in_words
from mlsys_assets.retraining.policy_replay.policy_study import PolicyStudy
from mlsys_assets.retraining.policy_replay.study_pictures import picture, timeline
from mlsys_assets.retraining.policy_replay.study_table import basis, computing, header, rows
from mlsys_assets.types import Finding, TimeWindow

STYLE: Final = """
body { font-family: sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em; color: #222; line-height: 1.4 }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0 }
th, td { padding: 3px 9px; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left } th { background: #f4f4f4 }
tr.taken td { background: #eef5ff; font-weight: bold } p.told { font-size: 1.15em }
p.doubted { color: #b00020 }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0 }
p { max-width: 1000px }
div.pair { display: flex; flex-wrap: wrap } div.pair svg { flex: 1 1 480px } div.wide { overflow-x: auto }
table.words td { text-align: left; white-space: normal }
"""
NOTES: Final = (
    "Intervals are of 95%, by drawing days with replacement; in each draw all policies are judged on the same days.",
    "A policy is on the front if none that costs as little is better; beside it, in which share of the draws it is.",
    "The best of many looks better than it is on the requests that it was chosen on: later ones are the fairer judge.",
)


def study_page(
    system: str,
    found: PolicyStudy,
    *,
    words: Mapping[str, str],
    ticks: Sequence[TimeWindow],
    unit: str = "",
    believed: Finding | None = None,
) -> str:
    """Return the page of a study.

    Parameters
    ----------
    system
        Whose policies these are.
    found
        The study.
    words
        By policy, what it does.
    ticks
        Those that were lived through, in order.
    unit
        What costs are counted in.
    believed
        Whether the replay is; None: nothing is said of it.
    """
    name, taken = _text(system), found.recommendation.policy
    head = "".join(f"<th>{_text(cell)}</th>" for cell in header(found, unit=unit))
    body = "".join(
        f'<tr class="{"taken" if line[0] == taken else ""}">{"".join(f"<td>{_text(cell)}</td>" for cell in line)}</tr>'
        for line in rows(found)
    )
    meant = "".join(f"<tr><td>{_text(one)}</td><td>{_text(said)}</td></tr>" for one, said in words.items())
    parts = [
        f"<h1>{name}: what if it had been trained otherwise</h1>",
        f'<p class="told">{_text(str(found.recommendation))}</p>',
        f"<p>{_begun(basis(found))}; {_text(computing(found))}.</p>",
        "" if believed is None else f'<p class="{_trust(believed)}">{_begun(in_words(believed))}.</p>',
        f'<div class="pair">{picture(found, "trainings")}{picture(found, "cpu_s")}</div>',
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        "".join(f"<p>{note}</p>" for note in NOTES),
        timeline(found, ticks),
        "<h2>What the policies do</h2>",
        f'<table class="words"><tbody>{meant}</tbody></table>',
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}: policies</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _trust(believed: Finding) -> str:
    return "believed" if believed.passed else "doubted"


def _begun(said: str) -> str:
    return _text(said[:1].upper() + said[1:])


def _text(said: str) -> str:
    return escape(printable(said))
