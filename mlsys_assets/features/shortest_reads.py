"""The shortest look back at each source: the feature that suffers first if the source is late."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column


def shortest_reads(features: Iterable[Feature], requests: Sequence[Column]) -> dict[str, tuple[str, timedelta]]:
    """Return by source the column that looks back the shortest time, and that time; none for what is read whole.

    Parameters
    ----------
    requests
        The columns of the request table.
    """
    found: dict[str, tuple[str, timedelta]] = {}
    for feature, outputs in each_with_outputs(features, requests):
        for source, back in feature.reads.items():
            name, window = outputs[0].name, back
            if isinstance(feature, Trailing):
                window = min(feature.over)
                name = outputs[feature.over.index(window) * len(feature.aggregates)].name
            if window is not None and (source not in found or window < found[source][1]):
                found[source] = name, window
    return found
