"""The feature catalogue: what each feature column is, whose, read from what, and when it can be known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.data_ingestion.freshness import Lag
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.definition import definitions
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.features.lineage import Origin, lineage
from mlsys_assets.features.mistakes import window_name
from mlsys_assets.features.request import Request
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column

WITH_REQUEST = "with the request"

Reads = Mapping[str, timedelta | None]


@dataclass(frozen=True)
class Entry:
    """What is told of one feature column.

    Parameters
    ----------
    declaration
        The position of its declaration among the system's.
    description
        What the request's own column was declared to mean; all others are told by their definition.
    sources
        The tables that it reads besides the request; none for what the request tells of itself.
    consumers
        The systems that declare or reuse it, and which champion was trained on it, in words.
    cost
        Microseconds for each row; None where it was not measured.
    """

    name: str
    type: str
    unit: str
    description: str
    definition: str
    declaration: int
    owner: str
    origins: tuple[Origin, ...]
    sources: tuple[str, ...]
    availability: str
    consumers: tuple[str, ...] = ()
    cost: float | None = None


def catalogue(
    features: Sequence[Feature],
    requests: Source,
    *,
    sources: Sequence[Source],
    owner: str,
    lags: Mapping[str, Lag] | None = None,
) -> tuple[Entry, ...]:
    """Return what can be told of each feature column, in declared order.

    Parameters
    ----------
    requests
        Whose rows are predicted for.
    sources
        The tables that features may read.
    owner
        Whose a feature is that is read from nobody's source.
    lags
        How late rows of a source became known, by name, where that was measured.
    """
    origins, found = lineage(features, requests), list[Entry]()
    before: list[Column] = []
    reads: dict[str, Reads] = {}
    named = {source.name: source for source in sources}
    for position, (feature, outputs) in enumerate(each_with_outputs(features, requests.columns)):
        declared = feature.columns if isinstance(feature, Request) else ()
        told = definitions(feature, outputs, requests, before=before)
        for i, column in enumerate(outputs):
            reads[column.name] = read = _reads(feature, i, before, reads)
            owners = [named[name].owner for name in read if name in named] or [requests.owner]
            found.append(
                Entry(
                    name=column.name,
                    type=column.type,
                    unit=column.unit,
                    description=column.description if column.name in declared else "",
                    definition=told[i],
                    declaration=position,
                    owner=", ".join(dict.fromkeys(one or owner for one in owners)),
                    origins=origins[column.name],
                    sources=tuple(read),
                    availability="; ".join(_available(*item, lags or {}) for item in read.items()) or WITH_REQUEST,
                )
            )
        before += outputs
    return tuple(found)


def _reads(feature: Feature, output: int, before: Sequence[Column], reads: Mapping[str, Reads]) -> Reads:
    """Return how far back an output reads each source; of a feature of features, as far as those that it is made of."""
    if isinstance(feature, Derived):
        inputs: Sequence[str] = columns_read(feature.computed[output][1], as_read(before))
    elif isinstance(feature, Backoff):
        inputs = [name for choice in feature.choices for name in choice]
    elif isinstance(feature, Trailing):
        return {feature.source.name: feature.over[output // len(feature.aggregates)]}
    else:
        return feature.reads
    found: dict[str, timedelta | None] = {}
    for name in inputs:
        for source, back in reads[name].items():
            known = found.get(source, timedelta(0))
            found[source] = None if back is None or known is None else max(back, known)
    return found


def _available(source: str, back: timedelta | None, lags: Mapping[str, Lag]) -> str:
    reach = "read whole" if back is None else f"of the last {window_name(back)}"
    late = lags.get(source)
    return f"{source}, {reach}" + (f", {late}" if late is not None else "")
