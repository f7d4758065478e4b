"""A table of thirty columns: quiet on chance, one symptom a column, and nothing odd stops it."""

from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests, pipeline_bugs

TESTS = PipelineTests(hour_columns=("hour",))


def table(rng: np.random.Generator, rows: int) -> pa.Table:
    """Thirty columns of most kinds there are."""
    found: dict[str, np.ndarray] = {"hour": rng.integers(0, 24, rows).astype(float), "zero": np.zeros(rows)}
    for i in range(6):
        found[f"normal_{i}"] = rng.normal(3 * i, 1 + i, rows)
    for i in range(4):
        found[f"waits_{i}"] = rng.exponential(1 + i, rows)
        found[f"tenths_{i}"] = np.round(rng.lognormal(1, 1, rows), 1)
        found[f"counts_{i}"] = rng.poisson(3 * i + 1, rows).astype(float)
    for i in range(3):
        found[f"missing_{i}"] = np.where(rng.random(rows) < 0.1 * (i + 1), np.nan, rng.normal(50, 9, rows))
    found["rare"] = (rng.random(rows) < 0.01).astype(float)
    found["rain"] = np.where(rng.random(rows) < 0.97, 0, rng.exponential(1, rows))
    for i in range(5):
        found[f"category_{i}"] = rng.choice([f"v{j}" for j in range(3 + 20 * i)], rows)
    return pa.table(found)


def alarms(tables: int, rows: int) -> int:
    rng = np.random.default_rng(rows)
    pairs = ((table(rng, rows), table(rng, rows)) for _ in range(tables))
    return sum(bool(pipeline_bugs(before, now, tests=TESTS).symptoms) for before, now in pairs)


def test_tables_of_one_distribution_are_quiet() -> None:
    assert alarms(60, 1_000) == 0
    assert alarms(5, 10_000) == 0


@pytest.mark.prove
@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_a_thousand_tables_of_one_distribution_give_at_most_one_alarm(rows: int) -> None:
    assert alarms(1_000, rows) <= 1


def put(now: pa.Table, **columns: np.ndarray) -> pa.Table:
    for name, values in columns.items():
        now = now.set_column(now.column_names.index(name), name, pa.array(values))
    return now


BEFORE, NOW = table(np.random.default_rng(0), 3_000), table(np.random.default_rng(1), 1_500)


def test_a_storm_of_nan_and_a_unit_are_bugs_of_the_pipeline() -> None:
    """Whatever drift says of the same columns."""
    tenths = NOW["tenths_0"].to_numpy()
    gone = np.where(np.arange(1_500) % 3 == 0, np.nan, NOW["normal_1"].to_numpy())
    found = pipeline_bugs(BEFORE, put(NOW, tenths_0=tenths * 1.8 + 32, normal_1=gone), tests=TESTS).symptoms
    assert {(s.cause, s.test, s.where) for s in found} == {
        (Cause.PIPELINE, "unit", "tenths_0"),
        (Cause.PIPELINE, "missing values", "normal_1"),
    }


@pytest.mark.parametrize("deviations", [0.25, 0.5, 1, 3])
def test_a_shift_is_none(deviations: float) -> None:
    names = ("normal_1", "waits_0", "tenths_0", "counts_3")
    moved = {name: NOW[name].to_numpy() + deviations * NOW[name].to_numpy().std() for name in names}
    assert pipeline_bugs(BEFORE, put(NOW, **moved), tests=TESTS).symptoms == ()


def test_a_column_has_one_symptom() -> None:
    now = put(NOW, hour=(NOW["hour"].to_numpy() // 2 + 5) % 24, tenths_1=np.full(1_500, -999.0))
    found = pipeline_bugs(BEFORE, now, tests=TESTS).symptoms
    assert [(s.test, s.where) for s in found if s.where == "tenths_1"] == [("constant", "tenths_1")]


def test_swapped_columns_are_that_and_nothing_else() -> None:
    high, low = NOW["normal_5"].to_numpy() * 60, NOW["normal_5"].to_numpy()
    before = put(BEFORE, normal_4=BEFORE["normal_5"].to_numpy() * 60)
    found = pipeline_bugs(before, put(NOW, normal_4=low, normal_5=high), tests=TESTS).symptoms
    assert [(s.cause, s.where) for s in found] == [(Cause.SCHEMA, "normal_4, normal_5")]


def test_columns_that_may_jump_are_left_alone() -> None:
    now = put(NOW, normal_1=np.full(1_500, np.nan))
    assert pipeline_bugs(BEFORE, now, tests=PipelineTests(may_jump=("normal_1",))).symptoms == ()


@pytest.mark.parametrize("before", [BEFORE, BEFORE.slice(0, 0), BEFORE.slice(0, 1), pa.table({})])
@pytest.mark.parametrize("now", [NOW.slice(0, 0), NOW.slice(0, 1), NOW.slice(0, 29), pa.table({})])
def test_too_few_rows_say_so(before: pa.Table, now: pa.Table) -> None:
    found = pipeline_bugs(before, now, tests=TESTS)
    assert all(symptom.cause is Cause.SCHEMA for symptom in found.symptoms)
    assert "pipeline" in found.untold


def test_nothing_but_null_and_nothing_but_one_value() -> None:
    null = pa.table({name: pa.nulls(1_500, NOW[name].type) for name in NOW.column_names})
    found = pipeline_bugs(BEFORE, null, tests=TESTS).symptoms
    assert {s.test for s in found} == {"missing values", "repeated rows"}
    assert pipeline_bugs(null, null, tests=TESTS).symptoms == ()
    same = NOW.take(pa.array(np.zeros(1_500, dtype=int)))
    assert {s.test for s in pipeline_bugs(BEFORE, same, tests=TESTS).symptoms} >= {"constant", "repeated rows"}
    assert pipeline_bugs(same, same, tests=TESTS).symptoms == ()


def test_declarations_are_checked() -> None:
    assert PipelineTests(hour_columns=("hour",), zone=ZoneInfo("UTC")).mistakes(NOW.column_names) == []
    wrong = PipelineTests(hour_columns=("hours",), zone="UTC", may_jump="hour").mistakes(NOW.column_names)  # type: ignore[arg-type]
    assert len(wrong) == 3
    assert "Did you mean 'hour'?" in wrong[1]


def test_categories_and_columns_of_no_type_that_go_missing_are_a_storm_too() -> None:
    for column, gone in (("category_1", pa.string()), ("category_1", pa.null()), ("waits_0", pa.null())):
        now = NOW.set_column(NOW.column_names.index(column), column, pa.nulls(NOW.num_rows, gone))
        (found,) = pipeline_bugs(BEFORE, now, tests=TESTS).symptoms
        assert (found.cause, found.test, found.where) == (Cause.PIPELINE, "missing values", column)
        assert pipeline_bugs(now, now, tests=TESTS).symptoms == ()
    few = pa.array([None if i % 50 == 0 else v for i, v in enumerate(NOW["category_1"].to_pylist())])
    assert pipeline_bugs(BEFORE, put(NOW, category_1=few), tests=TESTS).symptoms == ()


def test_columns_of_lists_are_not_compared_and_stop_nothing() -> None:
    both = [table.append_column("list", pa.array([[1.0]] * table.num_rows)) for table in (BEFORE, NOW)]
    twice = pa.concat_tables([both[1], both[1]])
    assert pipeline_bugs(*both, tests=TESTS).symptoms == ()
    assert [s.test for s in pipeline_bugs(both[0], twice, tests=TESTS).symptoms] == ["repeated rows"]
