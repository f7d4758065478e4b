"""What the graph shows of a diagnosis: tables and pictures."""

from typing import Any

import dagster as dg
import numpy as np

from mlsys_assets import dagster_adapter as adapter, thumbnails
from mlsys_assets.charts import bars, lines
from mlsys_assets.production_monitoring.diagnosing.expected import Expected
from mlsys_assets.production_monitoring.diagnosing.odd_requests import OddRequests
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.shown_list import ShownList
from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.production_monitoring.failures import Failure

SHOWN_COLUMNS = 20
TITLE = "stability index against the weeks before"


def of_diagnosis(found: Diagnosis) -> dict[str, Any]:
    """Return the cause with its symptoms, price and remedy, and what could not be looked at."""
    told = [(s.cause.value, s.test, s.where, s.told) for s in found.symptoms]
    shown = {"cause": found.cause.value, "remedy": found.remedy.value, "why": found.reason}
    shown |= {"costs": str(found.price)} if found.price is not None else {}
    if told:
        shown |= {"symptoms": adapter.markdown_table(("speaks for", "test", "where", "what was seen"), told)}
    if found.untold:
        shown |= {"could not look": adapter.markdown_table(("test", "why"), sorted(found.untold.items()))}
    return shown


def of_columns(making: Diagnosing) -> dict[str, Any]:
    """Draw the columns that moved most."""
    psi = {name: one.psi for name, one in making.distances.items() if np.isfinite(one.psi)}
    worst = dict(sorted(psi.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_COLUMNS])
    if not worst:
        return {}
    return adapter.pictures("moved most", thumbnails.bars(worst, title=TITLE), bars(worst, title=TITLE))


def of_expected(expected: Expected) -> dict[str, dg.MarkdownMetadataValue]:
    """Tell what metrics are expected to be before labels are known."""
    rows = expected.table
    return {"expected before labels": adapter.markdown_table(("metric", "expected"), rows)} if rows else {}


def of_list(shown: ShownList | None) -> dict[str, Any]:
    """Draw how diverse the list was, and tell its hit rates by popularity."""
    if shown is None:
        return {}
    title, series = "how much of the catalogue is shown, how evenly", shown.series
    ticks = [str(start)[5:10] for start in shown.by_tick]
    rates = [(name, str(rate)) for name, rate in shown.rates.items()]
    return {
        **adapter.pictures("shown list", thumbnails.lines(series, title=title), lines(ticks, series, title=title)),
        "hit rate by popularity": adapter.markdown_table(("shown before", "came true"), rates),
    }


def of_odd(odd: OddRequests | None) -> dict[str, dg.MarkdownMetadataValue]:
    """Count the requests by how odd they are and how much was lost on them."""
    if odd is None or not odd.table:
        return {}
    return {"edge cases": adapter.markdown_table(("quadrant", "requests", "some of them"), odd.table)}


def of_failures(failures: list[Failure]) -> dict[str, dg.MarkdownMetadataValue]:
    """Tell every failure with its kind."""
    rows = [(one.kind.told, one.where, one.told) for one in failures]
    return {"failures": adapter.markdown_table(("kind", "where", "what was seen"), rows)} if rows else {}
