"""Cases written by hand score as is expected of them, or do not."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.offline_evaluation.behavior.behavioral_tests import Probe
from mlsys_assets.offline_evaluation.behavior.edge_cases import (
    Between,
    EdgeCase,
    Expectation,
    Higher,
    Lower,
    typical_row,
)
from mlsys_assets.offline_evaluation.verdict import Verdict


@pytest.fixture(scope="module")
def probe(read_view, scorer):
    return Probe(scorer(lambda x: x[0] - 1 + 0.1 * x[1], "temp", "seats"), read_view, seed=1)


def _of(temp: float, seats: float) -> float:
    return 1 / (1 + np.exp(1 - np.float32(temp) - 0.1 * np.float32(seats)))


def test_a_case_is_the_typical_row_with_its_changes(probe):
    typical = typical_row(probe.rows.features)
    found = EdgeCase("cold", {"temp": -40.0}, Lower()).run(probe)
    assert found.evidence["typical"] == pytest.approx(_of(typical["temp"], typical["seats"]), abs=1e-6)
    assert found.evidence["score"] == pytest.approx(_of(-40.0, typical["seats"]), abs=1e-6)
    assert found.verdict is Verdict.PASS
    missing = EdgeCase("unknown", {"temp": None, "seats": None}, Between()).run(probe)
    assert missing.evidence["score"] == pytest.approx(_of(0, 0))


@pytest.mark.parametrize(
    ("expects", "score", "holds"),
    [
        (Between(0.2, 0.4), 0.2, True), (Between(0.2, 0.4), 0.4, True), (Between(0.2, 0.4), 0.41, False),
        (Between(0.2, 0.4), 0.19, False), (Higher(), 0.31, True), (Higher(), 0.3, False), (Higher(0.1), 0.39, False),
        (Higher(0.1), 0.41, True), (Lower(), 0.29, True), (Lower(), 0.3, False), (Lower(0.1), 0.21, False),
        (Lower(0.1), 0.19, True),
    ],
)  # fmt: skip
def test_what_is_expected(expects, score, holds):
    assert isinstance(expects, Expectation)
    assert expects.holds(score, 0.3) is holds


def test_what_was_not_as_expected_is_told(probe):
    found = EdgeCase("cold", {"temp": -40.0}, Between(0.5, 0.6)).run(probe)
    assert found.verdict is Verdict.FAIL
    assert found.summary.endswith("expected: within 0.5 and 0.6")
    assert "above that of the typical row" in EdgeCase("cold", {"temp": -40.0}, Higher()).run(probe).summary
    assert "more than 0.2 below" in EdgeCase("hot", {"temp": 40.0}, Lower(0.2)).run(probe).summary


def test_the_typical_row_is_of_medians_and_of_what_is_most_frequent():
    rows = pa.table({
        "number": pa.array([1.0, 9.0, 2.0, None], pa.float32()),
        "whole": pa.array([3, 3, 8, 9], pa.int64()),
        "flag": pa.array([True, True, False, None]),
        "text": pa.array(["b", "a", "b", "a"]),
        "coded": pa.array(["x", "y", "y", None]).dictionary_encode(),
        "never": pa.array([None] * 4, pa.float32()),
    })  # fmt: skip
    expected = {"number": 2.0, "whole": 5, "flag": True, "text": "a", "coded": "y", "never": None}
    assert typical_row(rows) == expected
    assert len(pa.Table.from_pylist([typical_row(rows)], schema=rows.schema)) == 1


def test_a_number_that_is_none_does_not_hide_the_median():
    rows = pa.table({
        "number": pa.array([1.0, np.nan, 3.0, 2.0], pa.float64()), "none": pa.array([np.nan] * 4, pa.float32()),
    })  # fmt: skip
    assert typical_row(rows) == {"number": 2.0, "none": None}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("temp", "warm", "holds float, which 'warm' is not"), ("carrier", 3, "holds string, which 3 is not")],
)
def test_a_value_that_its_column_cannot_hold_is_named(probe, column, value, told):
    with pytest.raises(TypeError, match=f"the case 'odd': '{column}' {told}"):
        EdgeCase("odd", {column: value}, Higher()).run(probe)


def test_mistakes_are_told(read_view):
    columns = read_view.features.schema.names
    assert EdgeCase("storm", {"wind": 3.0}, Higher()).mistakes(columns) == []
    said = [
        *EdgeCase("storm", {"wnd": 3.0}, Higher()).mistakes(columns),
        *EdgeCase("storm", (), Higher()).mistakes(columns),
        *EdgeCase("storm", {}, 0.5).mistakes(columns),
        *EdgeCase("storm", {}, Between(0.4, 0.3)).mistakes(columns),
        *EdgeCase("storm", {}, Lower(-1)).mistakes(columns),
        *EdgeCase("a storm", {}, Higher()).mistakes(columns),
    ]
    for part in (
        "names ['wnd']",
        "changes is a tuple",
        "expects is 0.5",
        "low 0.4 is above",
        "by is -1",
        "a name must",
    ):
        assert sum(part in one for one in said) == 1
