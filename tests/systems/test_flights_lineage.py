"""A feature's lineage names what it is read from: whatever else changes leaves it as it was."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.lineage import lineage
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT

DAYS = TimeWindow.of("2013-06-27", "2013-07-01")
FOUND = lineage(flights.features, flights.requests.source)


@pytest.fixture(scope="module")
def few_days() -> tuple[pa.Table, dict[str, pa.Table]]:
    """Requests of four days, and all that became known in them."""
    tables: dict[str, pa.Table] = {}
    for source in flights.sources:
        tables[source.name] = ingest(source, source.read(DAYS), window=DAYS, known=tables).accepted
    asked = tables["schedule"]
    return asked.take(np.arange(0, len(asked), 4)), tables


def test_every_feature_has_one_and_it_names_columns_that_there_are() -> None:
    assert list(FOUND) == [column.name for column in flights.feature_columns]
    there = {source.name: {*source.column_names} for source in flights.sources}
    for name, origins in FOUND.items():
        assert origins, name
        assert all(column in there[table] for table, column in origins), name


@pytest.mark.parametrize(
    ("feature", "origins"),
    [
        ("distance", {("schedule", "distance")}),
        ("planned_hours", {("schedule", "sched_arr_hour"), ("schedule", "sched_hour")}),
        ("origin_temp", {("weather", "temp"), ("weather", "origin"), ("schedule", "origin")}),
        ("all_departed_1h", {("departures", "known_at")}),
        (
            "origin_lost_3h",
            {("arrivals", "arr_delay"), ("arrivals", "dep_delay"), ("arrivals", "origin"), ("schedule", "origin")},
        ),
        ("origin_planned_around_1h", {("schedule", "origin")}),
    ],
)  # fmt: skip
def test_it_is_what_a_reader_of_the_declaration_would_say(feature: str, origins: set[tuple[str, str]]) -> None:
    assert set(FOUND[feature]) == origins


def test_what_a_lineage_does_not_name_changes_nothing(few_days) -> None:
    """An oracle: each column of each source is shuffled in turn, and only features that name it may move."""
    asked, tables = few_days
    before = _features(asked, tables)
    moved = 0
    for table, rows in tables.items():
        for column in [name for name in rows.schema.names if name not in (EVENT_TIME, KNOWN_AT)]:
            after = _features(asked, tables | {table: _shuffled(rows, column)})
            for name, origins in FOUND.items():
                if (table, column) not in origins:
                    assert after[name].equals(before[name]), (name, table, column)
                moved += not after[name].equals(before[name])
    assert moved > len(FOUND) / 2  # else the shuffling shows nothing


def _features(asked: pa.Table, tables: dict[str, pa.Table]) -> pa.Table:
    return compute(flights.features, asked, tables, key="flight_id", predict_at="predict_at")


def _shuffled(rows: pa.Table, column: str) -> pa.Table:
    order = np.random.default_rng(0).permutation(len(rows))
    return rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), rows[column].take(order))
