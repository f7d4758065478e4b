"""Columns that are swapped, renamed, added, retyped, empty or infinite: the same scores, or a reason by name."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.models.blend import Blend
from mlsys_assets.prediction.unseen import known_categories, unseen
from mlsys_assets.types import Severity, TimeWindow

WEEK = TimeWindow.of("2013-01-07", "2013-01-14")


@pytest.fixture(scope="module")
def rows(flights_split) -> pa.Table:
    return flights_split.validation.features.slice(0, 500)


@pytest.fixture(scope="module", params=["lightgbm", "blend"])
def predictor(request, flights_fitted):
    """A fitted model, and a blend of one with itself: what stands within is read by name too."""
    model = flights_fitted["lightgbm"]
    return model if request.param == "lightgbm" else Blend({"lightgbm": 1}).of({"lightgbm": model})


def replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_swapped_and_added_columns_change_no_score(predictor, rows) -> None:
    expected = predictor.predict(rows)
    names = rows.schema.names
    for order in (names[::-1], [*names[40:], *names[:40]], ["origin_temp", *(n for n in names if n != "origin_temp")]):
        assert np.array_equal(predictor.predict(rows.select(order)), expected)
    assert np.array_equal(predictor.predict(rows.append_column("more", pa.array(np.arange(500)))), expected)
    two = {"origin_temp": "origin_dewp", "origin_dewp": "origin_temp"}  # in place, with their names
    swapped = rows.select([two.get(name, name) for name in names])
    assert np.array_equal(predictor.predict(swapped), expected)
    misnamed = rows.rename_columns([two.get(name, name) for name in names])
    assert not np.array_equal(predictor.predict(misnamed), expected)  # the names are what is read


def test_a_renamed_or_dropped_column_is_named(predictor, rows) -> None:
    renamed = rows.rename_columns(["miles" if name == "distance" else name for name in rows.schema.names])
    for table in (renamed, rows.drop_columns(["distance"])):
        with pytest.raises(ColumnError, match=r"missing column\(s\) \['distance'\].*were they renamed\?"):
            predictor.predict(table)


def test_a_column_of_another_type_is_named(predictor, rows) -> None:
    with pytest.raises(ColumnError, match="'distance' must hold numbers, got string"):
        predictor.predict(replaced(rows, "distance", rows["distance"].cast(pa.string())))
    with pytest.raises(ColumnError, match="'carrier' must hold text, got"):
        predictor.predict(replaced(rows, "carrier", pa.array(np.arange(500))))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, 1e308, -1e308])
def test_an_infinite_number_is_rejected_by_column_and_rule(predictor, rows, bad) -> None:
    request = {**rows.slice(0, 1).to_pylist()[0], "distance": bad}
    with pytest.raises(ColumnError, match=r"numbers beyond ±1e\+12 \(rows by column\): \{'distance': 1\}"):
        predictor.predict(request)
    missing, none = ({**request, "distance": value} for value in (math.nan, None))
    assert predictor.predict(missing) == predictor.predict(none)


def test_an_unseen_category_scores_as_a_missing_one_where_codes_are_read_and_is_counted(flights_fitted, rows) -> None:
    model = flights_fitted["lightgbm"]
    new = replaced(rows, "dest", pa.array(["NEW"] * 500))
    missing = replaced(rows, "dest", pa.nulls(500, pa.string()))
    assert np.array_equal(model.predict(new), model.predict(missing))
    assert unseen(new, model)["dest"] == 500
    assert unseen(missing, model)["dest"] == 0
    few = replaced(rows, "dest", pa.array(["NEW"] * 10 + rows["dest"].to_pylist()[10:]))
    known = unseen(rows, model)["dest"]
    assert unseen(few, model)["dest"] - known == pytest.approx(10, abs=known)
    assert not known_categories([unseen(new, model)], rows=500).passed
    assert known_categories([unseen(few, model)], rows=500).passed


def test_the_order_of_categories_changes_no_score(predictor, rows) -> None:
    expected = predictor.predict(rows)
    for name in ("carrier", "origin", "dest"):
        values = rows[name].combine_chunks()
        for order in (sorted(set(values.to_pylist())), sorted(set(values.to_pylist()), reverse=True)):
            place = pc.index_in(values, value_set=pa.array(order))
            coded = pa.DictionaryArray.from_arrays(place, pa.array(["not there", *order]).slice(1))
            assert np.array_equal(predictor.predict(replaced(rows, name, coded)), expected)


@pytest.fixture(scope="module")
def observed(flights) -> pa.Table:
    return flights.weather.read(WEEK)


@pytest.mark.parametrize("text", ["inf", "-inf", "1e308", "nan", "9999"])
def test_an_impossible_observation_is_kept_out_with_column_and_rule(flights, observed, text) -> None:
    clean = ingest(flights.weather, observed, window=WEEK, known={})
    temp = pc.if_else(pa.array(np.arange(len(observed)) == clean_row(observed)), text, observed["temp"])
    found = ingest(flights.weather, replaced(observed, "temp", temp), window=WEEK, known={})
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"]) == ("range", "temp")
    assert float(kept["value"]) == pytest.approx(float(text), nan_ok=True)
    assert found.accepted.num_rows == clean.accepted.num_rows - 1


def clean_row(observed: pa.Table) -> int:
    """Return the place of a record that became known within the week."""
    return next(i for i, at in enumerate(observed["time_hour"].to_pylist()) if at.startswith("2013-01-09"))


def test_an_empty_column_is_met_by_whether_it_is_required(flights, observed) -> None:
    nothing = pa.array(["NA"] * len(observed))
    found = ingest(flights.weather, replaced(observed, "temp", nothing), window=WEEK, known={})
    assert found.quarantined.num_rows == 0
    assert found.accepted["temp"].null_count == found.accepted.num_rows > 0
    with pytest.raises(SourceChanged, match=r"rows are broken.* required in origin"):
        ingest(flights.weather, replaced(observed, "origin", nothing), window=WEEK, known={})


def test_a_renamed_column_of_a_file_is_named_and_an_added_one_told(flights, observed) -> None:
    renamed = observed.rename_columns(["temperature" if name == "temp" else name for name in observed.schema.names])
    with pytest.raises(SourceChanged, match=r"column\(s\) temp missing from the raw records, which have .*temperature"):
        ingest(flights.weather, renamed, window=WEEK, known={})
    plain = ingest(flights.weather, observed, window=WEEK, known={}).accepted
    turned = observed.select(observed.schema.names[::-1])
    assert ingest(flights.weather, turned, window=WEEK, known={}).accepted.equals(plain)
    schedule = flights.schedule
    legs = schedule.read(WEEK)
    known = {s.name: ingest(s, s.read(WEEK), window=WEEK, known={}).accepted for s in flights.all() if s.snapshot}
    more = ingest(schedule, legs.append_column("gate", legs["origin"]), window=WEEK, known=known)
    (told,) = [f for f in more.findings if f.name == "no_undeclared_columns"]
    assert not told.passed
    assert told.severity is Severity.WARN
    assert "gate" in told.summary


def test_text_where_a_number_was_blocks_the_tick(flights, observed) -> None:
    with pytest.raises(SourceChanged, match=r"rows are broken.*not float64 in temp, e\.g\. 'mild'"):
        ingest(flights.weather, replaced(observed, "temp", pa.array(["mild"] * len(observed))), window=WEEK, known={})
