"""Distances are read back by tick as they were measured, whatever the order of the rows."""

import numpy as np
import pyarrow as pa
from diagnosing_worlds import normal, pair

from mlsys_assets.production_monitoring.diagnosing.history import ALL, PAST, RECENT_DRIFT_SCHEMA, past_of, recent_rows
from mlsys_assets.production_monitoring.diagnosing.together import apart
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest
from mlsys_assets.types import days, utc

START = utc("2013-01-07")


def test_distances_are_rows_with_one_for_all_columns_together() -> None:
    features = pair(normal(0, 2_000, columns=2), normal(1, 500, columns=2))
    distances, together = Reference.of(features.before).distances(features.now), apart(KernelTest(), features, seed=0)
    rows = recent_rows(distances, together)
    assert rows.schema == RECENT_DRIFT_SCHEMA
    told = {row["column"]: row for row in rows.to_pylist()}
    assert list(told) == ["x0", "x1", ALL]
    assert told["x0"]["psi"] == distances["x0"].psi
    assert (told["x0"]["together"], told[ALL]["psi"]) == (None, None)
    assert told[ALL]["together"] == together.distance
    assert (told[ALL]["rows_before"], told[ALL]["rows"]) == (2_000, 500)
    assert ALL not in recent_rows(distances)["column"].to_pylist()
    assert recent_rows({}, together).num_rows == 0


def test_the_past_is_read_by_tick_with_gaps_where_nothing_was_measured() -> None:
    rows = [
        (2, "temp", 0.3, None), (0, "temp", 0.1, None), (1, "temp", None, None), (2, "wind", 0.7, None),
        (2, ALL, None, 0.05), (0, ALL, None, 0.02),
    ]  # fmt: skip
    table = pa.Table.from_pylist(
        [dict(zip(PAST.names, (START + days(7 * week), *more), strict=True)) for week, *more in rows], schema=PAST
    )
    found, together = past_of(table)
    assert found.keys() == {"temp", "wind"}
    np.testing.assert_array_equal(found["temp"], [0.1, np.nan, 0.3])
    np.testing.assert_array_equal(found["wind"], [np.nan, np.nan, 0.7])
    np.testing.assert_array_equal(together, [0.02, np.nan, 0.05])
    assert past_of(PAST.empty_table())[0] == {}
