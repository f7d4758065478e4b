"""The feature catalogue as one self-contained page: opens anywhere, fetches nothing, runs nothing."""

from collections.abc import Iterable, Sequence
from html import escape

from mlsys_assets.data_ingestion.freshness import Lag
from mlsys_assets.feature_report import Catalogue, SourceTold, shown
from mlsys_assets.features.catalogue import Entry
from mlsys_assets.history_page import STYLE

OWN_STYLE = """
body { max-width: 1500px; padding: 0 2em } td, th { text-align: left; white-space: normal; vertical-align: top }
td.number { text-align: right; white-space: nowrap } .index { column-width: 15em; font-size: 13px }
.index a { display: block } tr:target td { background: #fff6d6 }
"""
HEAD = (
    "feature", "type", "unit", "owner", "what it is", "read from", "when it can be known", "used by", "µs a row",
)  # fmt: skip
SOURCE_HEAD = (
    "source", "owner", "kind", "licence", "features", "late rows of the tick", "median [h]", "p95 [h]", "max [h]",
)  # fmt: skip


def feature_page(catalogue: Catalogue) -> str:
    """Return the page of a catalogue: sources, an index, and the features of each source, sorted by name."""
    system, groups = catalogue.system, shown(catalogue)
    name, home = escape(system.name), system.reuses
    parts = [
        f"<h1>Features of {name}</h1>",
        f"<p>{len(catalogue.entries)} columns for each request of {escape(system.requests.source.name)}. ",
        f"Sources and features are those of {escape(home.name)}, which writes them. </p>" if home else "</p>",
        f"<p>{_measured(catalogue)}</p>",
        "<h2>Sources</h2>",
        _table(SOURCE_HEAD, [_source(told, len(groups.get(told.source.name, ()))) for told in catalogue.sources]),
        "<h2>Index</h2>",
        f'<div class="index">{"".join(_link(e.name) for e in sorted(catalogue.entries, key=lambda e: e.name))}</div>',
    ]
    for source, entries in groups.items():
        parts.append(f'<h2 id="source-{escape(source)}">{escape(source)}</h2>')
        parts.append(_table(HEAD, [_entry(entry) for entry in entries], ids=[entry.name for entry in entries]))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>features of {name}</title>'
        f"<style>{STYLE}{OWN_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _measured(catalogue: Catalogue) -> str:
    if catalogue.window is None:
        return "No tick was brought in yet, so that no lag and no cost is known."
    return (
        f"Lags are of what became known in {escape(str(catalogue.window))}, 0 for rows known before they happened;"
        f" costs are of {catalogue.requests:,} of its requests, each declaration computed alone, by request and column."
    )


def _entry(entry: Entry) -> list[str]:
    what = escape(entry.definition) + (f"<br><small>{escape(entry.description)}</small>" if entry.description else "")
    origins = "<br>".join(f"{escape(table)}.{escape(column)}" for table, column in entry.origins)
    cost = "—" if entry.cost is None else f"{entry.cost:.3g}"
    used = "<br>".join(map(escape, entry.consumers))
    told = [f"<code>{escape(entry.name)}</code>", *map(escape, (entry.type, entry.unit, entry.owner))]
    return [*map(_text, (*told, what, origins, escape(entry.availability), used)), _number(cost)]


def _source(told: SourceTold, features: int) -> list[str]:
    source, name = told.source, escape(told.source.name)
    link = f'<a href="#source-{name}">{name}</a>' if features else name
    words = [link, *map(escape, (told.owner, source.kind.value, source.licence)), str(features)]
    return [*map(_text, words), *map(_number, _lag(told.lag))]


def _lag(lag: Lag | None) -> list[str]:
    if lag is None:
        return ["—"] * 4
    numbers = [f"{hours:.3g}" if lag.rows else "—" for hours in (lag.median, lag.p95, lag.longest)]
    return [f"{lag.rows:,} of {lag.of:,}", *numbers]


def _link(name: str) -> str:
    return f'<a href="#{escape(name)}">{escape(name)}</a>'


def _text(cell: str) -> str:
    return f"<td>{cell}</td>"


def _number(cell: str) -> str:
    return f'<td class="number">{cell}</td>'


def _table(head: Iterable[str], rows: Sequence[Sequence[str]], *, ids: Sequence[str] = ()) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    named = [f' id="{escape(name)}"' for name in ids] or [""] * len(rows)
    body = "".join(f"<tr{name}>{''.join(cells)}</tr>" for name, cells in zip(named, rows, strict=True))
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
