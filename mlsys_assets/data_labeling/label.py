"""What a label table holds: a value, or the reason why there is none, each with its known time."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, LABEL, PREDICT_AT, STATE, TIMESTAMP

LABELLED = "labelled"
NOT_KNOWN_YET = "not known yet"
"""Asked for, still within the time that a label may take."""
NEVER_KNOWN = "never known"
"""Asked for, and nothing came within the time that a label may take."""


def label_schema(key: str) -> pa.Schema:
    """Return the schema of a label table whose entities are named by ``key``."""
    return pa.schema(
        [
            pa.field(key, pa.string(), nullable=False),
            pa.field(LABEL, pa.float64()),
            pa.field(STATE, pa.string(), nullable=False),
            pa.field(EVENT_TIME, TIMESTAMP, nullable=False),
            pa.field(KNOWN_AT, TIMESTAMP, nullable=False),
        ]
    )


def settled(labels: pa.Table, *, key: str, corrections: bool) -> pa.Table:
    """Return the label table with each entity once: what became known of it first stands, in whatever order it came.

    With ``corrections``, what became known last stands. Two sources may tell of one entity, such as a flight that is
    called cancelled and has arrived. Of rows known at one moment, the first by state and label stands.

    Parameters
    ----------
    labels
        (n, ≥ 4) ``key``, ``label``, ``state`` and ``known_at``.
    """
    if len(labels) == pc.count_distinct(labels[key]).as_py():
        return labels
    known = (KNOWN_AT, "descending" if corrections else "ascending")
    ordered = labels.sort_by([known, *((name, "ascending") for name in (STATE, LABEL))])
    keys = ordered[key].combine_chunks()
    return ordered.take(pc.unique(pc.index_in(keys, value_set=keys)))  # where each key stands first


def states(requests: pa.Table, labels: pa.Table, *, key: str, as_of: datetime, window: timedelta) -> pa.Array:
    """Return each request's label state as it was known at ``as_of``.

    Parameters
    ----------
    requests
        (n, ≥ 2) with the key and ``predict_at``.
    labels
        A label table; rows known after ``as_of`` are not looked at.
    window
        How long after the prediction a label may still come.

    Returns
    -------
    (n,) strings: a state of the label table, ``not known yet`` or ``never known``.
    """
    known = labels.filter(pc.less_equal(labels[KNOWN_AT], pa.scalar(as_of, TIMESTAMP)))
    position = pc.index_in(requests[key], value_set=known[key].combine_chunks())
    return pc.coalesce(known[STATE].take(position), waiting(requests[PREDICT_AT], as_of=as_of, window=window))


def waiting(predict_at: pa.Array | pa.ChunkedArray, *, as_of: datetime, window: timedelta) -> pa.Array:
    """Return the state of requests of which nothing is known: still waited for at ``as_of``, or given up."""
    given_up = pc.less(predict_at, pa.scalar(as_of - window, TIMESTAMP))
    return pc.if_else(given_up, NEVER_KNOWN, NOT_KNOWN_YET)
