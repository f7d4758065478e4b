"""Which columns Evidently calls drifted, read from the values of its report."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

DRIFT: Final = re.compile(r"ValueDrift\(column=(?P<column>.*),method=\w+,threshold=(?P<limit>[\d.e-]+)\)", re.DOTALL)
"""How Evidently names a column's distance, with the limit from which on it calls the column drifted."""


def drifted(metrics: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the columns that Evidently calls drifted, each with its distance, the farthest first.

    Parameters
    ----------
    metrics
        Of a report's values: each with ``metric`` and ``value``.

    >>> drifted([{"metric": "ValueDrift(column=temp,method=wasserstein,threshold=0.1)", "value": 0.4}])
    {'temp': 0.4}
    """
    told = ((DRIFT.fullmatch(str(one["metric"])), one["value"]) for one in metrics)
    found = {m["column"]: float(v) for m, v in told if m and isinstance(v, int | float) and v >= float(m["limit"])}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
