"""Twelve leaks planted in flights: each cannot be written, or is an ERROR that names its columns; clean days are none.

Thresholds were set on clean flights until August and on the first eight; the last four were looked at afterwards.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import LogisticRegression, MLSystem, Preprocessor, TargetRate, days, oversample
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.leakage.detective import Surroundings
from mlsys_assets.tables import KNOWN_AT
from mlsys_assets.training_report import CHECKS, TrainingReport, training_report
from mlsys_assets.types import Severity, TimeWindow

from . import planted_leaks, planted_weather

COPIED = 500
LEAKS: dict[str, tuple[Callable[..., LabelledRows], set[str]]] = {
    "1 arr_time": (planted_leaks.with_arr_time, {"arr_time"}),
    "2 air_time in a pair": (planted_leaks.with_air_time, {"air_time"}),
    "3 dep_delay": (planted_leaks.with_dep_delay, {"dep_delay"}),
    "5 in-fold target encoding": (planted_leaks.with_target_encoding, {"tailnum_mean_label"}),
    "8 weather of the arrival hour": (
        lambda rows, tables: planted_weather.arrival_hour(rows, tables, ("temp", "wind_speed")),
        {"arrival_temp", "arrival_wind_speed"},
    ),
    "9 back-filled weather": (
        lambda rows, tables: planted_weather.back_filled(rows, tables, ("wind_gust", "pressure")),
        {"filled_wind_gust", "filled_pressure"},
    ),
    "10 a trailing window that includes the row": (planted_leaks.with_own_window, {"carrier_dest_late_28d_own"}),
    "11 an id ordered by the label": (planted_leaks.with_ordered_id, {"row_number"}),
    "12 a group leak": (planted_leaks.with_crew, {"crew"}),
}
"""What is planted, and the columns that must be named. The others of the twelve are no columns."""

Reported = Callable[..., TrainingReport]


@pytest.fixture(scope="module")
def reported(flights_system: MLSystem, flights_tables: Mapping[str, pa.Table], flights_split: Split) -> Reported:
    """Report on a training set as of October, with what was known by then."""
    system, as_of = flights_system, flights_split.as_of
    known = pa.scalar(moment(as_of)).cast(pa.timestamp("us", tz="UTC"))
    tables = {
        source.name: table if source.snapshot else table.filter(pc.less(table[KNOWN_AT], known))
        for source in system.sources
        for table in [flights_tables[source.name]]
    }

    def report(rows: LabelledRows, split: Split, *, system: MLSystem = flights_system) -> TrainingReport:
        around = Surroundings(
            system.requests.source, system.requests.key, system.sources, system.features, system.label, tables,
            TimeWindow(as_of - days(14), as_of),
        )  # fmt: skip
        return training_report(system, rows, split, around=lambda: around)

    return report


def accused(report: TrainingReport) -> set[str]:
    """Return the columns named at ERROR."""
    found = {c for f in report.errors for c in str(f.evidence.get("columns", "")).split(", ")}
    return found - {""}


def test_a_scaler_cannot_be_fitted_on_everything(flights_rows, flights_split) -> None:
    """The fourth: a `TypeError`, and to mypy an error (`data_sampling/test_types.py`)."""
    for other in (flights_rows, flights_split.validation, flights_split.recent_test, flights_rows.features):
        with pytest.raises(TypeError, match="Train view only"):
            Preprocessor().fit(other)
        with pytest.raises(TypeError, match="Train view only"):
            LogisticRegression().fit(other, flights_split.validation, seed=0, threads=1)


def test_a_target_encoding_never_holds_its_own_row(flights_split) -> None:
    """The fifth, where it is declared: flipping a day's labels changes nothing that the day's own rows are given."""
    few = flights_split.train.take(np.arange(0, len(flights_split.train), 40))
    declared = Preprocessor(columns={"dest": TargetRate()})
    before = declared.fit(few)
    day = few.at.astype("datetime64[D]") == few.at[1000].astype("datetime64[D]")
    after = declared.fit(replace(few, label=np.where(day, 1 - few.label, few.label)))
    at = before.preprocessing.names.index("dest")
    np.testing.assert_array_equal(before.matrix[day, at], after.matrix[day, at])
    assert (before.matrix[~day, at] != after.matrix[~day, at]).mean() > 0.5


def test_rows_cannot_be_oversampled_before_they_are_split(flights_rows, flights_split) -> None:
    """The seventh: nothing but a Train is drawn from, and no Train is split."""
    for other in (flights_rows, flights_split.validation, flights_split.recent_test):
        with pytest.raises(TypeError, match="Train view only"):
            oversample(other, share=0.5, seed=0)


def test_the_clean_training_set_has_no_error(reported, flights_rows, flights_split) -> None:
    report = reported(flights_rows, flights_split)
    assert [f.name for f in report.findings] == list(CHECKS)
    assert [f.summary for f in report.errors] == []
    assert report.verdict == "adequate"
    suspected = [f for f in report.findings if not f.passed]
    assert {f.severity for f in suspected} == {Severity.WARN}
    assert {"columns_are_mostly_there", "coverage_is_even"} == {f.name for f in suspected}, "gusts and planes"


@pytest.mark.prove
@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_an_error_that_names_its_columns(
    reported, flights_system, flights_rows, flights_tables, flights_split, leak
) -> None:
    plant, columns = LEAKS[leak]
    rows = plant(flights_rows, flights_tables)
    report = reported(rows, flights_system.time_split.split(rows, as_of=flights_split.as_of))
    assert report.verdict == "leaks"
    assert columns <= accused(report), [f.summary for f in report.findings if not f.passed]
    assert all(column in report.reason for column in columns)
    honest = {c for f in report.errors for c in str(f.evidence.get("columns", "")).split(", ")} - columns
    assert honest <= {"distance", "sched_arr_hour", "planned_hours", "sched_hour"}, "partners in a pair"


@pytest.mark.prove
@pytest.mark.parametrize("drawn", ["copies", "oversampled"])
def test_copies_across_the_split_are_an_error(reported, flights_rows, flights_split, drawn) -> None:
    """The sixth, and what the seventh leaves behind: copies of training rows among later ones."""
    random, train, later = np.random.default_rng(0), flights_split.train, flights_split.validation
    pool = np.flatnonzero(train.label > 0) if drawn == "oversampled" else np.arange(len(train))
    copied = train.take(np.sort(random.choice(pool, COPIED, replace=False)))
    mixed = Validation(
        pa.concat_arrays([later.ids, pa.array([f"copy {n}" for n in range(COPIED)])]),
        np.concatenate([later.at, random.choice(later.at, COPIED)]),
        pa.concat_tables([later.features, copied.features]),
        np.concatenate([later.label, copied.label]),
        later.window,
    )
    report = reported(flights_rows, replace(flights_split, validation=mixed))
    (error,) = [f for f in report.errors if f.name == "no_copy_in_an_earlier_part"]
    assert f"train & validation {COPIED}" in error.summary
    assert report.verdict == "leaks"


@pytest.mark.prove
def test_a_report_says_the_same_on_any_number_of_threads(reported, flights_system, flights_rows, flights_split) -> None:
    one, two = (
        reported(flights_rows, flights_split, system=replace(flights_system, threads=threads)) for threads in (1, 2)
    )
    assert one.findings == two.findings
    assert one.examinations == two.examinations


@pytest.mark.prove
def test_of_twenty_resamples_of_clean_days_at_most_one_has_one_error(reported, flights_rows, flights_split) -> None:
    """Days of train and of validation drawn anew, seeds 0–19: the budget of false alarms of all checks together."""
    errors = []
    for seed in range(20):
        train: Train = planted_leaks.resampled(flights_split.train, seed)
        validation: Validation = planted_leaks.resampled(flights_split.validation, seed)
        report = reported(flights_rows, replace(flights_split, train=train, validation=validation))
        errors += [(seed, f.name, f.summary) for f in report.errors]
    print(f"{len(errors)} errors in 20 resamples: {errors}")
    assert len(errors) <= 1, errors


@pytest.mark.prove
def test_the_report_takes_at_most_twice_a_training(reported, flights_system, flights_rows, flights_split) -> None:
    """Against fitting the candidates and refitting the best, without evaluation and storage; processor seconds."""
    own = {"seed": 0, "threads": 1}
    began = time.process_time()
    for candidate in flights_system.candidates:
        fitted = candidate.fit(flights_split.train, flights_split.validation, **own)
    whole = flights_system.time_split.refit_view(flights_rows, as_of=flights_split.as_of)
    flights_system.candidates[-1].refit(whole, recipe=fitted.recipe, **own)
    training = time.process_time() - began
    began = time.process_time()
    reported(flights_rows, flights_split)
    spent = time.process_time() - began
    print(f"report {spent:.1f} s, training {training:.1f} s: {spent / training:.2f}")
    assert spent <= 2 * training
