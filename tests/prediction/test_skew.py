import math

import pyarrow as pa
import pytest

from mlsys_assets.prediction.skew import differences, skew

KNOWN = pa.table({
    "id": ["a", "b", "c", "d"], "predict_at": [1, 2, 3, 4],
    "x": pa.array([1.0, 2.0, None, 4.0], pa.float32()), "kind": ["k", None, "m", "n"],
    "y": pa.array([0.0, 1e6, 1e-9, -1.0], pa.float32()),
})  # fmt: skip


def served(**columns: pa.Array) -> pa.Table:
    table = KNOWN
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table.take(pa.array([2, 0, 3, 1]))  # in another order


def test_what_was_served_as_known_is_no_difference() -> None:
    almost = pa.array([0.0, 1e6 + 0.0625, 1e-9, -1.0], pa.float32())
    found = differences(served(y=almost), KNOWN, key="id")
    assert found == []
    assert skew(found, rows=4).passed


def test_each_feature_is_named_with_its_share_and_size() -> None:
    found = differences(
        served(x=pa.array([1.5, 2.0, 3.0, None], pa.float32()), kind=pa.array(["k", None, "m", "o"])), KNOWN, key="id"
    )
    assert [(one.feature, one.rows, one.share) for one in found] == [("x", 3, 0.75), ("kind", 1, 0.25)]
    assert (found[0].mean, found[0].largest) == (0.5, 0.5)
    assert (found[1].mean, found[1].largest, found[1].example) == (None, None, ("d", "o", "n"))
    finding = skew(found, rows=4)
    assert not finding.passed
    assert "2 features were served otherwise than known: x in 75.0% of requests by 0.5 on" in finding.summary
    assert "kind in 25.0% of requests (of d: o for n)" in finding.summary
    assert finding.evidence == {"rows": 4, "features": 2, "worst": "x", "share": 0.75}


def test_one_missing_value_differs_and_nothing_else() -> None:
    (only,) = differences(served(y=pa.array([None, 1e6, 1e-9, -1.0], pa.float32())), KNOWN, key="id")
    assert (only.feature, only.rows, only.mean) == ("y", 1, None)
    assert not math.isnan(only.share)


def test_an_infinite_value_differs_from_all_but_itself() -> None:
    endless = pa.array([math.inf, math.inf, -math.inf, -1.0], pa.float32())
    known = KNOWN.set_column(4, "y", endless)
    assert differences(known, known, key="id") == []
    other = pa.array([1.0, -math.inf, -math.inf, math.inf], pa.float32())
    (only,) = differences(KNOWN.set_column(4, "y", other), known, key="id")
    assert (only.feature, only.rows, only.largest) == ("y", 3, math.inf)


def test_of_nothing_it_is_not_said_that_it_was_as_known() -> None:
    assert skew([], rows=0).summary == "nothing was served, so that nothing is compared"


def test_other_requests_are_refused() -> None:
    for wrong in (KNOWN.slice(1), KNOWN.set_column(0, "id", pa.array(["a", "a", "c", "d"]))):
        with pytest.raises(ValueError, match="bring the tick in again"):
            differences(wrong, KNOWN, key="id")


def test_not_a_number_is_missing_too() -> None:
    (only,) = differences(served(y=pa.array([math.nan, 1e6, 1e-9, -1.0], pa.float32())), KNOWN, key="id")
    assert (only.feature, only.rows, only.mean) == ("y", 1, None)
    assert differences(served(x=pa.array([1.0, 2.0, math.nan, 4.0], pa.float32())), KNOWN, key="id") == []
