import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.aggregate import count, mean
from mlsys_assets.features.derived import Derived
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.declared_availability import declared_availability
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import TimeWindow, days, hours, minutes

TIME = pa.timestamp("us", tz="UTC")
TRIP, PLACE, HEAT = Column("trip", "string"), Column("place", "string"), Column("heat", "float64")


def _source(name: str, *columns: Column) -> Source:
    return Source(name, read=lambda window: pa.table({}), raw=(), columns=columns, derive=lambda t: t, key=("trip",))


PLAN, READINGS = _source("plan", TRIP, PLACE), _source("readings", PLACE, HEAT)
FEATURES = (
    Request("place"),
    Lookup(READINGS, by="place", columns=("heat",), max_age=hours(6)),
    Trailing(READINGS, by=(), over=(hours(3), days(1)), n=count(), heat=mean("heat")),
    Derived(warmer=lambda f: f["place_heat"] - f["all_heat_1d"]),
)


def test_each_column_tells_its_sources_its_reach_and_the_age_of_the_newest_row():
    """Requests at noon of ten days; A is read at ten, B at half past eleven, C never."""
    noon = np.datetime64("2013-03-01T12:00", "us") + np.arange(10) * np.timedelta64(1, "D")
    n, at = 30, np.repeat(noon, 3)
    plan = pa.table({"trip": [f"t{i}" for i in range(n)], "place": ["A", "B", "C"] * 10,
                     "known_at": pa.array(at - np.timedelta64(20, "h"), TIME)})  # fmt: skip
    read = np.concatenate([noon - np.timedelta64(120, "m"), noon - np.timedelta64(30, "m")])
    readings = pa.table({"place": ["A"] * 10 + ["B"] * 10, "heat": np.ones(20), "known_at": pa.array(read, TIME)})
    rows = Train(plan["trip"].combine_chunks(), at, pa.table({"x": np.ones(n)}), np.zeros(n),
                 TimeWindow.of("2013-03-01", "2013-04-01"))  # fmt: skip
    sample = DaySample.of(rows, plan, key="trip", seed=0)
    told = {row.feature: row for row in declared_availability(FEATURES, PLAN, sample, {"readings": readings})}
    assert (told["place"].within, told["place"].newest) == (None, hours(20))
    assert told["place"].read_from == (("plan", "place"),)
    assert (told["place_heat"].within, told["place_heat"].newest) == (hours(6), minutes(75))  # of A 120, of B 30
    assert (told["all_heat_3h"].within, told["all_heat_3h"].newest) == (hours(3), minutes(30))
    assert (told["all_n_1d"].within, told["all_n_1d"].newest) == (days(1), minutes(30))
    assert (told["warmer"].within, told["warmer"].newest) == (days(1), minutes(30))
    assert ("readings", "heat") in told["warmer"].read_from
    silent = declared_availability(FEATURES[1:2], PLAN, sample, {})
    assert silent[0].newest is None
