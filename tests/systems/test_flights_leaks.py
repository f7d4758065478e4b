"""On flights: a clock time of arrival, minutes in the air, a flight's own delay, an encoding, a window and an id are
named as leaks; the 87 features as they are, on days drawn anew too, are not.
"""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LightGBM, MLSystem
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.features.leakage.ablation import ablations
from mlsys_assets.features.leakage.encodings import encodings
from mlsys_assets.features.leakage.identifiers import identifiers
from mlsys_assets.features.leakage.increments import increments
from mlsys_assets.features.leakage.pairs import column_pairs
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.features.leakage.pure_ends import pure_ends
from mlsys_assets.features.leakage.single import single_columns
from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.types import Severity

from .planted_leaks import (
    WINDOW,
    group_codes,
    keys,
    resampled,
    with_air_time,
    with_arr_time,
    with_column,
    with_dep_delay,
    with_ordered_id,
    with_own_window,
    with_target_encoding,
)

PROBE = LightGBM(rounds=30, leaves=15, column_share=0.5, more={"max_bin": 31})
SECONDS = 15.0
"""What all of the tests may take, of 6 on an idle machine."""

Planted = Callable[[LabelledRows, dict[str, pa.Table]], LabelledRows]


@pytest.fixture(scope="module")
def split_of(
    flights_system: MLSystem, flights_rows: LabelledRows, flights_tables: dict[str, pa.Table], flights_split: Split
) -> Callable[[Planted], Split]:
    """Return the rows with a leak in them, split as of October."""

    def made(planted: Planted) -> Split:
        return flights_system.time_split.split(planted(flights_rows, flights_tables), as_of=flights_split.as_of)

    return made


def probe(split: Split) -> Probe:
    return Probe.of(split.train, split.validation, PROBE, seed=0)


def errors(found: object) -> list[tuple[str, ...]]:
    return [one.columns for one in found.suspicions if one.severity is Severity.ERROR]


def all_said(split: Split, aircraft: pa.Table | None = None) -> list[Suspicion]:
    """Return what every test says."""
    small = probe(split)
    train, validation = split.train, split.validation
    found = (
        single_columns(small),
        column_pairs(train, small),
        ablations(small),
        encodings(train, validation, seed=0),
        increments(train, seed=0, keys=aircraft),
        pure_ends(train),
        identifiers(train, seed=0),
    )
    return [one for each in found for one in each.suspicions]


def test_nothing_is_said_against_the_features_as_they_are_in_little_time(flights_split, flights_tables):
    begun = time.process_time()
    said = all_said(flights_split, keys(flights_split.train, flights_tables, "tailnum", "flight"))
    assert said == []
    assert time.process_time() - begun < SECONDS


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 110))
def test_nor_on_days_drawn_anew(split_of, seed):
    assert not [s for s in all_said(split_of(lambda rows, _: resampled(rows, seed))) if s.severity is Severity.ERROR]


def test_the_time_of_arrival_is_found_beside_the_planned_one(split_of):
    """Alone it has an AUC of 0.7, as a late hour means a late flight; with the planned hour it has 0.97."""
    split = split_of(with_arr_time)
    small = probe(split)
    assert not errors(single_columns(small))
    found = column_pairs(split.train, small)
    assert [set(columns) for columns in errors(found)] == [{"arr_time", "sched_arr_hour"}]
    assert found.pairs[0].joint > 0.95
    assert small.fall(("arr_time",)).low > 0.02


def test_the_minutes_in_the_air_are_found_beside_the_distance(split_of):
    split = split_of(with_air_time)
    small = probe(split)
    alone = next(one for one in single_columns(small).columns if one.column == "air_time")
    assert alone.best < 0.56
    (pair,) = errors(column_pairs(split.train, small))
    assert "air_time" in pair


def test_the_flights_own_departure_delay_outdoes_all_other_columns(split_of):
    split = split_of(with_dep_delay)
    small = probe(split)
    found = single_columns(small)
    assert errors(found) == [("dep_delay",)]
    assert found.columns[0].best == pytest.approx(0.89, abs=0.02)
    fallen = ablations(small)
    assert max(fallen.single, key=lambda one: one.fall.value).dropped == ("dep_delay",)
    assert errors(fallen) == [("dep_delay",)]


@pytest.mark.prove
def test_twins_of_it_do_not_hide_each_other(split_of):
    def twins(rows, tables):
        found = with_dep_delay(rows, tables)
        return with_column(found, "hours_late", np.round(found.features["dep_delay"].to_numpy() / 60, 2))

    assert [set(columns) for columns in errors(ablations(probe(split_of(twins))))] == [{"dep_delay", "hours_late"}]


@pytest.mark.parametrize(("by", "of"), [(("tailnum",), "training"), (("carrier", "flight"), "all rows")])
def test_an_encoding_with_the_rows_own_label_agrees_too_well(split_of, flights_split, by, of):
    def planted(rows, tables):
        known = rows.at <= flights_split.train.at.max() if of == "training" else None
        return with_target_encoding(rows, tables, by=by, known=known)

    split = split_of(planted)
    found = encodings(split.train, split.validation, seed=0)
    assert errors(found) == [("_".join(by) + "_mean_label",)]


@pytest.mark.parametrize("by", [("carrier", "dest"), ("tailnum",)], ids=" ".join)
def test_a_window_with_the_row_itself_steps_by_its_label(split_of, flights_tables, by):
    split = split_of(lambda rows, tables: with_own_window(rows, tables, by=by))
    name = "_".join(by) + "_late_28d_own"
    found = increments(split.train, seed=0, keys=keys(split.train, flights_tables, "tailnum"))
    assert errors(found) == [(name,)]
    assert errors(pure_ends(split.train)) == [(name,)]


def test_an_id_in_the_order_of_the_label_is_named(split_of):
    split = split_of(with_ordered_id)
    assert errors(single_columns(probe(split))) == [("row_number",)]
    assert errors(identifiers(split.train, seed=0)) == [("row_number",)]


def test_the_planted_window_is_what_it_says(flights_rows, flights_tables):
    """By plain search, for some rows."""
    rows, code = flights_rows, group_codes(flights_rows, flights_tables, "tailnum")
    found = with_own_window(rows, flights_tables, by=("tailnum",)).features["tailnum_late_28d_own"].to_numpy()
    place = np.empty(len(rows), dtype=int)
    place[np.lexsort((rows.at, code))] = np.arange(len(rows))
    for i in np.random.default_rng(0).integers(len(rows), size=40):
        near = (code == code[i]) & (rows.at > rows.at[i] - WINDOW) & (place <= place[i]) & ~np.isnan(rows.label)
        assert found[i] == pytest.approx(rows.label[near].mean() if near.any() else 0.0)


def test_days_drawn_anew_are_whole_and_keep_their_order(flights_rows):
    drawn = resampled(flights_rows, 100)
    assert len(set(drawn.ids.to_pylist())) == len(drawn)
    assert (np.diff(drawn.at) >= np.timedelta64(0)).all()
    days, counts = np.unique(drawn.at.astype("datetime64[D]"), return_counts=True)
    of_all = dict(zip(*np.unique(flights_rows.at.astype("datetime64[D]"), return_counts=True), strict=True))
    assert all(count % of_all[day] == 0 for day, count in zip(days, counts, strict=True))
    assert 0.55 < len(days) / len(of_all) < 0.7
