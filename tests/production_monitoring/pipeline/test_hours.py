"""Times that moved by whole hours, and clocks that were changed."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.pipeline.hours import shifted_hours

NEW_YORK = ZoneInfo("America/New_York")


def hours(seed: int, rows: int = 3_000) -> np.ndarray:
    """Departures: none at night, many in the morning and the evening."""
    rng = np.random.default_rng(seed)
    return np.clip(np.where(rng.random(rows) < 0.5, rng.normal(8, 2, rows), rng.normal(17, 2, rows)), 5, 22.9)


def numbers(seed: int, *, by: float = 0) -> pa.Table:
    return pa.table({"hour": (hours(seed) + by) % 24})


@pytest.mark.parametrize("by", [1, -1, 4, -5, 12])
def test_a_zone_that_was_forgotten(by: int) -> None:
    (found,) = shifted_hours(numbers(0), numbers(1, by=by), columns=("hour",)).symptoms
    assert found.measures["hours"] == by
    assert f"{by:+d} h" in found.told


def test_the_same_hours_and_others() -> None:
    assert shifted_hours(numbers(0), numbers(1), columns=("hour",)).symptoms == ()
    even = pa.table({"hour": np.random.default_rng(2).uniform(0, 24, 3_000)})
    assert shifted_hours(numbers(0), even, columns=("hour",)).symptoms == ()  # another day, but no shift of this one
    assert shifted_hours(even, even, columns=("hour",)).symptoms == ()


def local(day: str, seed: int, *, by: int = 0) -> pa.Table:
    start = np.datetime64(day) + np.timedelta64(by, "h")
    seconds = np.random.default_rng(seed).integers(0, 5, 3_000) * 86_400 + (hours(seed) * 3_600).astype(int)
    naive = pa.array(start.astype("datetime64[us]") + seconds * np.timedelta64(1_000_000, "us"))
    import pyarrow.compute as pc

    return pa.table({"at": pc.assume_timezone(naive, "America/New_York").cast(pa.timestamp("us", "UTC"))})


def test_clocks_that_are_changed_are_no_bug() -> None:
    """On 10 March 2013: in UTC every flight leaves an hour earlier from then on."""
    winter, summer = local("2013-02-04", 0), local("2013-03-11", 1)
    assert shifted_hours(winter, summer, columns=("at",), zone=NEW_YORK).symptoms == ()
    (found,) = shifted_hours(winter, summer, columns=("at",), zone=ZoneInfo("UTC")).symptoms
    assert found.measures["hours"] == -1
    (found,) = shifted_hours(winter, local("2013-03-11", 1, by=5), columns=("at",), zone=NEW_YORK).symptoms
    assert found.measures["hours"] == timedelta(hours=5) // timedelta(hours=1)


def test_what_cannot_be_told_says_why() -> None:
    told = shifted_hours(local("2013-02-04", 0), local("2013-02-11", 1), columns=("at",))
    assert "no zone is declared" in told.untold["hours of at"]
    for odd in ([3.0], [99.0] * 500, ["a"] * 500, [None] * 500):
        found = shifted_hours(numbers(0), pa.table({"hour": odd}), columns=("hour", "absent"))
        assert found.symptoms == ()
        assert "hours of hour" in found.untold
