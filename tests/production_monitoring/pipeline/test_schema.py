"""Columns that came, went, moved, or changed their name, type or content."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.pipeline.schema import schema_changes, swapped
from mlsys_assets.production_monitoring.pipeline.sides import number_sides


def table(seed: int, rows: int = 1_000) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({
        "temp": rng.normal(60, 9, rows),
        "wind": rng.gamma(2, 5, rows),
        "carrier": rng.choice(["AA", "UA", "B6"], rows, p=[0.5, 0.3, 0.2]),
        "origin": rng.choice(["EWR", "JFK"], rows),
    })  # fmt: skip


BEFORE, NOW = table(0), table(1)


def changes(now: pa.Table) -> dict[str, tuple[object, object]]:
    found = schema_changes(BEFORE, now).symptoms
    assert all(symptom.cause is Cause.SCHEMA for symptom in found)
    return {symptom.where: (symptom.measures["change"], symptom.measures["blocks"]) for symptom in found}


def test_the_same_columns_are_no_change() -> None:
    assert changes(NOW) == {}


def test_new_and_gone() -> None:
    assert changes(NOW.append_column("gust", pa.array(np.arange(1_000.0)))) == {"gust": ("new", False)}
    assert changes(NOW.drop_columns(["wind"])) == {"wind": ("gone", True)}


def test_a_renamed_column_is_found_by_its_content() -> None:
    assert changes(NOW.rename_columns(["t", "wind", "carrier", "origin"])) == {"temp": ("renamed", True)}
    assert changes(NOW.rename_columns(["temp", "wind", "airline", "airport"])) == {
        "carrier": ("renamed", True),
        "origin": ("renamed", True),
    }
    (told,) = [s.told for s in schema_changes(BEFORE, NOW.rename_columns(["t", "wind", "carrier", "origin"])).symptoms]
    assert "temp is called t now" in told


def test_other_content_is_another_column() -> None:
    other = NOW.set_column(0, "t", pa.array(np.random.default_rng(2).normal(0, 1, 1_000)))
    assert changes(other) == {"temp": ("gone", True), "t": ("new", False)}


def test_two_columns_of_one_content_are_not_told_apart() -> None:
    twins = BEFORE.append_column("temp_2", table(5)["temp"]), NOW.append_column("temp_2", table(6)["temp"])
    found = schema_changes(twins[0], twins[1].rename_columns(["a", "wind", "carrier", "origin", "b"])).symptoms
    assert {symptom.measures["change"] for symptom in found} == {"gone", "new"}


def test_types() -> None:
    assert changes(NOW.set_column(0, "temp", NOW["temp"].cast(pa.string()))) == {"temp": ("type", True)}
    assert changes(NOW.set_column(0, "temp", NOW["temp"].cast(pa.float32()))) == {"temp": ("type", False)}
    assert changes(NOW.set_column(2, "carrier", NOW["carrier"].dictionary_encode())) == {}
    assert changes(NOW.set_column(0, "temp", pa.nulls(1_000))) == {}


def test_another_order_is_told_and_blocks_nothing() -> None:
    assert changes(NOW.select(["wind", "temp", "carrier", "origin"])) == {"wind": ("reordered", False)}


def test_swapped_contents() -> None:
    crossed = NOW.rename_columns(["wind", "temp", "carrier", "origin"]).select(BEFORE.column_names)
    assert changes(crossed) == {}
    (found,) = swapped(number_sides(BEFORE, crossed))
    assert found.where == "temp, wind"
    assert not swapped(number_sides(BEFORE, NOW))
    moved = NOW.set_column(0, "temp", pa.array(NOW["temp"].to_numpy() - 50))
    assert not swapped(number_sides(BEFORE, moved))


def test_no_rows_and_no_columns() -> None:
    assert changes(NOW.slice(0, 0)) == {}
    assert {change for change, _ in changes(pa.table({})).values()} == {"gone"}
    assert {s.measures["change"] for s in schema_changes(pa.table({}), NOW).symptoms} == {"new"}
