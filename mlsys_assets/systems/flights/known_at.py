"""When a row happened and when it became known, from a moment that it tells."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import EVENT_TIME, KNOWN_AT


def known(rows: pa.Table, moment: str, lag: timedelta, *, event: str = "") -> pa.Table:
    """Append the two times: known ``lag`` after ``moment``, and happened then too, unless ``event`` is given."""
    when = pc.add(rows[moment], pa.scalar(lag, pa.duration("us")))
    return rows.append_column(EVENT_TIME, rows[event] if event else when).append_column(KNOWN_AT, when)
