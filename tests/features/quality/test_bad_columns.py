"""Columns that nothing can be learned from are named, with what becomes of each: which is what does become of it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Preprocessor
from mlsys_assets.features.quality.bad_columns import Fault, bad_columns
from mlsys_assets.features.quality.groups import ByRange
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import Severity

N = 400
COLUMNS: dict[str, tuple[object, Fault | None]] = {
    "empty": (np.full(N, np.nan), Fault.EMPTY),
    "empty text": ([None] * N, Fault.EMPTY),
    "constant": (np.full(N, 3.0), Fault.CONSTANT),
    "one category": (["a"] * N, Fault.ONE_CATEGORY),
    "named": ([f"row {i}" for i in range(N)], Fault.NEARLY_UNIQUE),
    "infinite": (np.where(np.arange(N) < 4, -np.inf, np.arange(N)), Fault.INFINITE),
    "amount": (np.arange(N), None),
    "place": (["a", "b"] * (N // 2), None),
    "there or not": (np.where(np.arange(N) < 9, np.nan, 1.0), None),
    "place or none": (["a", None] * (N // 2), None),
    "many places": ([f"place {i % 150}" for i in range(N)], None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_each_fault_is_named(view_of, name) -> None:
    values, fault = COLUMNS[name]
    found = bad_columns(view_of({name: values, "fine": np.arange(N)}))
    assert [(one.column, one.fault) for one in found.columns] == ([] if fault is None else [(name, fault)])
    assert found.finding.passed == (fault is None)
    assert found.finding.severity is Severity.WARN
    assert fault is None or f"{name} {fault}" in found.finding.summary


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_however_texts_are_stored_they_are_the_same(view_of, kind) -> None:
    view = view_of({name: values for name, (values, _) in COLUMNS.items() if not isinstance(values, np.ndarray)})
    stored = pa.table(
        {name: column.cast(kind) for name, column in zip(view.features.schema.names, view.features, strict=True)}
    )
    assert bad_columns(replace(view, features=stored)) == bad_columns(view)


def test_a_required_column_without_values_is_an_error_told_first(view_of) -> None:
    view = view_of({"named": COLUMNS["named"][0], "id": [None] * N, "x": np.full(N, np.nan)})
    found = bad_columns(view, required={"id"})
    assert found.finding.severity is Severity.ERROR
    assert found.finding.summary.startswith("id has no value")
    assert "and must not be missing" in found.finding.summary
    assert bad_columns(view).finding.severity is Severity.WARN
    with pytest.raises(ValueError, match=r"required columns \['nobody'\] are not among the features"):
        bad_columns(view, required={"nobody"})


def test_a_hundred_thousand_categories_are_nearly_unique(view_of) -> None:
    n = 100_000
    (one,) = bad_columns(view_of({"id": [str(i) for i in range(n)]})).columns
    assert (one.fault, one.share) == (Fault.NEARLY_UNIQUE, 1.0)


def test_what_is_said_becomes_of_them_does(view_of) -> None:
    """Trees are given nothing, linear models a constant, and later rows' names are unseen."""
    view = view_of({name: COLUMNS[name][0] for name in ("empty", "named", "amount")})
    linear = Preprocessor().fit(view).preprocessing
    assert np.ptp(linear.transform(view.features)[:, linear.names.index("empty")]) == 0
    later = pa.table({"empty": pa.nulls(2, pa.float32()), "named": ["new", "newer"], "amount": [1.0, 2.0]})
    codes = FOR_TREES.fit(view).preprocessing.encode(later)
    assert codes.unseen == {"named": 2}
    assert np.isnan(codes.matrix[:, 2]).all()


def test_no_rows_have_no_faults_and_it_is_shown(view_of) -> None:
    assert bad_columns(view_of({"x": np.zeros(0)}, days=1)).finding.passed
    found = bad_columns(view_of({name: values for name, (values, _) in COLUMNS.items()}))
    assert len(found.thumbnail()) < LIMIT
    assert found.plot().startswith("<svg")
    assert len(found.table()) == len(found.columns) == 6


def test_rows_are_sampled_evenly_and_ranges_hold_every_number_once(view_of) -> None:
    view = view_of({"x": np.random.default_rng(0).normal(size=1_000)})
    assert evenly(view, most=100).ids.to_pylist() == view.ids.to_pylist()[::10]
    assert evenly(view, most=5_000) is view
    with pytest.raises(ValueError, match="at least one"):
        evenly(view, most=0)
    groups = [rows for _, rows in ByRange("x").groups(view.features)]
    assert (np.sum(groups, axis=0) == 1).all()
    assert [int(rows.sum()) for rows in groups] == [250] * 4
