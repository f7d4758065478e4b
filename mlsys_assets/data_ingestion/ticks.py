"""Which tick a row belongs to."""

import numpy as np
import pyarrow as pa

from mlsys_assets.tables import TICK, TIMESTAMP
from mlsys_assets.types import Calendar


def with_tick(rows: pa.Table, calendar: Calendar, by: str) -> pa.Table:
    """Return the rows with the start of the tick that holds their ``by`` time, as column ``tick``."""
    moments = rows[by].cast(pa.timestamp("us")).to_numpy()
    start = np.datetime64(calendar.start.replace(tzinfo=None), "us")
    step = np.timedelta64(calendar.step).astype("timedelta64[us]")
    ticks = start + (moments - start) // step * step
    return rows.append_column(TICK, pa.array(ticks, pa.timestamp("us")).cast(TIMESTAMP))
