"""All looks together say what each says alone, on a sample."""

import numpy as np

from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.features.quality.column_quality import column_quality
from mlsys_assets.features.quality.missingness import missingness
from mlsys_assets.types import Severity


def test_each_fault_is_found_by_its_look_and_clean_columns_by_none(view_of, days_of) -> None:
    days, later = days_of(0), days_of(1, days=14)

    def columns(some, first: int) -> dict[str, object]:
        gap = some.random.random(some.n) < 0.25 + 0.2 * np.tanh(some.x)
        pdays = np.where(some.random.random(some.n) < 0.9, 999, some.random.integers(0, 28, some.n))
        told = {"gap": np.where(gap, np.nan, some.own), "pdays": pdays, "day": first + some.day, "id": [None] * some.n}
        return some.columns(**told)

    label = (days.x > 1).astype(float)
    train = view_of(columns(days, 1), label=label)
    validation = view_of(columns(later, 61), kind=Validation, start="2013-03-02", days=14)
    found = column_quality(train, validation, seed=0, required=("id",))
    by_name = {one.name: one for one in found.findings}
    assert {name: one.severity for name, one in by_name.items() if not one.passed} == {
        "columns_can_be_learned_from": Severity.ERROR,
        "no_number_stands_for_missing": Severity.WARN,
        "columns_carry_over": Severity.WARN,
    }
    assert by_name["columns_carry_over"].evidence["columns"] == "day"
    assert by_name["no_number_stands_for_missing"].evidence["columns"] == "pdays"
    assert found.deletion.columns == ("gap",)
    assert found.missing.table() == missingness(train, seed=0).table()


def test_no_rows_and_no_gaps_are_no_crash(view_of) -> None:
    for n in (0, 1, 50):
        view = view_of({"x": np.arange(n), "c": ["a", "b"] * (n // 2) + ["a"] * (n % 2)}, days=1)
        found = column_quality(view, view_of({"x": np.arange(n), "c": ["a"] * n}, kind=Validation, days=1), seed=0)
        assert found.deletion is None
        assert len(found.findings) == 6
        assert all(one.severity is Severity.WARN for one in found.findings)
