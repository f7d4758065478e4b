"""A stretch of time as it is lived online: events and requests in the order in which they come."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mlsys_assets.features.online.engine import OnlineFeatures, records
from mlsys_assets.tables import KNOWN_AT, PREDICT_AT


def serve(
    online: OnlineFeatures,
    events: Mapping[str, pa.Table],
    requests: pa.Table,
    *,
    key: str,
    schema: pa.Schema,
    predict_at: str = PREDICT_AT,
) -> pa.Table:
    """Return the features that each request is served, while events update the state one by one.

    An event that becomes known at a request's very moment comes before it.

    Parameters
    ----------
    events
        Rows by source; those of sources that no feature reads are passed over.
    requests
        (n, _) with ``key`` and ``predict_at``.
    schema
        Of the result: ``key``, ``predict_at`` and the features' columns.

    Returns
    -------
    (n, 2 + d) table in the order of the requests.
    """
    stream: list[tuple[int, int, Any, Any]] = []
    for name in online.sources:
        if name in events:
            rows = records(events[name], online.columns_read(name))
            stream += [(row[KNOWN_AT], 0, name, row) for row in rows]
    asked = records(requests, requests.column_names)
    stream += [(row[predict_at], 1, place, row) for place, row in enumerate(asked)]
    stream.sort(key=_moment)
    found: list[Any] = [None] * requests.num_rows
    with np.errstate(divide="ignore", invalid="ignore"):
        for at, asks, what, row in stream:
            if asks:
                found[what] = online.read(row, at)
            else:
                online.update(what, row)
    values = list(zip(*found, strict=True)) if found else [()] * len(online.names)
    columns = [_column(column, schema.field(name)) for name, column in zip(online.names, values, strict=True)]
    return pa.table([requests[key], requests[predict_at], *columns], names=[key, PREDICT_AT, *online.names]).cast(
        schema
    )


def _moment(one: tuple[int, int, Any, Any]) -> tuple[int, int]:
    return one[:2]


def _column(values: Any, field: pa.Field) -> pa.Array:
    if pa.types.is_string(field.type):
        return pa.array(values, field.type)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return pa.array(numbers.astype(np.float32), from_pandas=True)
