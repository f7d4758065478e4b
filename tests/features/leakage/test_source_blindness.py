"""Sources of hourly readings at two places, with functions that look ahead and functions that do not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source import DELIVERED_AT, MALFORMED, Source
from mlsys_assets.features.leakage.source_blindness import CUTS, source_blindness
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, TIMESTAMP, Column
from mlsys_assets.types import Severity, TimeWindow, hours

HOURS = 400
WINDOW = TimeWindow.of("2013-03-02", "2013-03-12")
START = np.datetime64("2013-03-01T00:00", "us")
HEAT = Column("heat", "float64")


def _raw(window: TimeWindow) -> pa.Table:
    random = np.random.default_rng(0)
    began = np.repeat(START + np.arange(HOURS) * np.timedelta64(1, "h"), 2)
    heat = np.where(random.random(2 * HOURS) < 0.1, "NA", np.round(random.normal(60, 9, 2 * HOURS), 1).astype(str))
    table = pa.table({
        "place": pa.array(["A", "B"] * HOURS), "hour": pc.strftime(pa.array(began), format="%Y-%m-%dT%H:%M:%SZ"),
        "heat": pa.array(heat), DELIVERED_AT: pa.array(began, TIMESTAMP), SOURCE_FILE: pa.repeat("f", 2 * HOURS),
        SOURCE_LINE: pa.array(np.arange(2, 2 * HOURS + 2, dtype=np.int32)), MALFORMED: pa.nulls(2 * HOURS, pa.string()),
    })  # fmt: skip
    moment = table[DELIVERED_AT]
    return table.filter(pc.and_(pc.greater_equal(moment, window.start), pc.less(moment, window.end)))


def _observed(raw: pa.Table) -> pa.Table:
    known = pc.add(raw["hour"], pa.scalar(hours(1), pa.duration("us")))
    return raw.append_column(EVENT_TIME, raw["hour"]).append_column(KNOWN_AT, known)


READINGS = Source(
    "readings", read=_raw, derive=_observed, key=("place", "hour"), known_within=(hours(1), hours(1)),
    raw=(Column("place", "string", nullable=False), Column("hour", "timestamp", nullable=False), HEAT),
    columns=(Column("place", "string", nullable=False), Column("hour", "timestamp", nullable=False), HEAT),
)  # fmt: skip


def _heat(change: Callable[[pa.ChunkedArray], object]) -> Source:
    def derive(raw: pa.Table) -> pa.Table:
        return _observed(raw.set_column(2, "heat", pa.chunked_array([pa.array(change(raw["heat"]), from_pandas=True)])))

    return replace(READINGS, derive=derive)


def _interpolated(heat: pa.ChunkedArray) -> np.ndarray:
    values = heat.to_numpy()
    there = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), there, values[there])


def test_functions_that_make_each_row_of_its_own_record_are_clean():
    audit = source_blindness((READINGS, _heat(lambda heat: pc.multiply(heat, 1.8).combine_chunks())), WINDOW)
    assert audit.suspicions == ()
    assert audit.finding.passed
    assert audit.cuts == 2 * CUTS
    assert audit.rows > 2_000


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda heat: pc.fill_null_backward(heat).combine_chunks(), id="filled from the next record"),
        pytest.param(_interpolated, id="interpolated"),
        pytest.param(lambda heat: heat.to_numpy() - np.nanmean(heat.to_numpy()), id="centred on the whole table"),
        pytest.param(lambda heat: np.argsort(np.argsort(heat.to_numpy())) / len(heat), id="ranked"),
        pytest.param(lambda heat: np.append(heat.to_numpy()[2:], [0.0, 0.0]), id="the next hour's"),
    ],
)
def test_a_derive_that_looks_ahead_is_named_with_its_column(change):
    (suspicion,) = source_blindness((_heat(change),), WINDOW).suspicions
    assert suspicion.columns == ("readings.heat",)
    assert suspicion.severity is Severity.ERROR
    assert suspicion.evidence["function"] == "derive"
    assert "heat of the row of place" in suspicion.seen


def test_filling_from_the_record_before_reads_nothing_later():
    assert source_blindness((_heat(lambda heat: pc.fill_null_forward(heat).combine_chunks()),), WINDOW).finding.passed


def test_a_gap_is_cut_behind_even_where_there_are_few():
    """Two gaps in ten days: cuts at random would hardly fall behind one."""

    def read(window: TimeWindow) -> pa.Table:
        raw = _raw(window)
        heat = pc.if_else(pc.equal(raw["heat"], "NA"), "60.5", raw["heat"])
        rare = pc.starts_with(raw["hour"], "2013-03-05T07")
        return raw.set_column(2, "heat", pc.if_else(rare, "NA", heat))

    filling = replace(_heat(lambda heat: pc.fill_null_backward(heat).combine_chunks()), read=read)
    assert [s.columns for s in source_blindness((filling,), WINDOW).suspicions] == [("readings.heat",)]


def test_a_reader_that_joins_within_its_window_is_found():
    """The next hour's reading stands beside each: at the window's end there is none yet."""

    def read(window: TimeWindow) -> pa.Table:
        raw = _raw(window)
        ahead = pa.chunked_array([pa.concat_arrays([raw["heat"].combine_chunks()[2:], pa.array(["NA", "NA"])])])
        return raw.set_column(2, "heat", ahead)

    (suspicion,) = source_blindness((replace(READINGS, read=read),), WINDOW).suspicions
    assert suspicion.evidence["function"] == "read"
    assert suspicion.columns == ("readings.heat",)


def test_a_reader_that_joins_records_which_were_known_by_then_is_clean():
    """The same join, beyond the window's end, of rows that become known with the second reading."""

    def read(window: TimeWindow) -> pa.Table:
        raw = _raw(TimeWindow(window.start, window.end + hours(1)))
        ahead = pa.chunked_array([pa.concat_arrays([raw["heat"].combine_chunks()[2:], pa.array(["NA", "NA"])])])
        return raw.set_column(2, "heat", ahead).filter(pc.less(raw[DELIVERED_AT], window.end))

    def derive(raw: pa.Table) -> pa.Table:
        known = pc.add(raw["hour"], pa.scalar(hours(2), pa.duration("us")))
        return raw.append_column(EVENT_TIME, raw["hour"]).append_column(KNOWN_AT, known)

    later = replace(READINGS, read=read, derive=derive, known_within=(hours(2), hours(2)))
    assert source_blindness((later,), WINDOW).finding.passed


def test_a_snapshot_and_an_empty_window_say_nothing():
    snapshot = replace(READINGS, snapshot=True)
    empty = TimeWindow.of("2014-01-01", "2014-01-02")
    for audit in (source_blindness((snapshot,), WINDOW), source_blindness((READINGS,), empty)):
        assert audit.suspicions == ()
        assert audit.finding.evidence["sufficient"] is False
        assert "insufficient data" in audit.finding.summary
