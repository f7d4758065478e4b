import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-02-01")
row = st.tuples(
    st.one_of(st.none(), st.sampled_from(["AA", "UA", "EV"])),
    st.one_of(st.none(), st.floats(-2.0, 25.0, width=32)),
    st.sampled_from([0.0, 1.0]),
)


def table_of(rows):
    return pa.table({
        "carrier": pa.array([r[0] for r in rows], pa.string()),
        "hour": pa.array([r[1] for r in rows], pa.float32()),
    })  # fmt: skip


def view(kind, rows):
    at = np.datetime64("2013-01-05", "us") + np.arange(len(rows))
    return kind(
        pa.array([str(i) for i in range(len(rows))]), at, table_of(rows), np.array([r[2] for r in rows]), WINDOW
    )


def rate_by_hand(rows, wanted, depth, strength):
    """The definition, recursively: a group's positives and rows, and the coarser group's rate as so many rows."""
    if depth == 0:
        return sum(r[2] for r in rows) / len(rows)

    def key(r):
        return (r[0], None if r[1] is None else int(np.floor(r[1])))[:depth]

    group = [r[2] for r in rows if key(r) == key(wanted)]
    coarser = rate_by_hand(rows, wanted, depth - 1, strength)
    return (sum(group) + strength * coarser) / (len(group) + strength) if group else coarser


@given(st.lists(row, min_size=2, max_size=25), st.lists(row, min_size=1, max_size=10), st.sampled_from([1.0, 20.0]))
def test_group_rates_are_those_of_the_definition(rows, asked, strength):
    rows = [*rows, ("AA", 3.0, 0.0), ("AA", 3.5, 1.0)]
    candidate = GroupRate(by=("carrier", "hour"), strength=strength)
    fitted = candidate.fit(view(Train, rows), view(Validation, rows), seed=0, threads=1)
    asked = [*asked, ("ZZ", 3.0, 0.0), (None, None, 0.0), ("AA", 99.0, 0.0)]
    expected = [rate_by_hand(rows, wanted, 2, strength) for wanted in asked]
    np.testing.assert_allclose(fitted.predict(table_of(asked)), expected, rtol=1e-12)


def test_an_unseen_group_gets_the_rate_of_the_coarser_one():
    rows = [("AA", 3.0, 1.0)] * 30 + [("UA", 3.0, 0.0)] * 70
    fitted = GroupRate(by=("carrier", "hour"), strength=10).fit(
        view(Train, rows), view(Validation, rows), seed=0, threads=1
    )
    unseen_hour, unseen_carrier = fitted.predict(table_of([("AA", 9.0, 0.0), ("ZZ", 3.0, 0.0)]))
    assert unseen_hour == pytest.approx((30 + 10 * 0.3) / 40)
    assert unseen_carrier == pytest.approx(0.3)


def test_hours_are_rounded_down():
    rows = [("AA", 8.0, 1.0), ("AA", 8.99, 1.0), ("AA", 9.0, 0.0), ("AA", 9.5, 0.0)] * 10
    fitted = GroupRate(by=("hour",)).fit(view(Train, rows), view(Validation, rows), seed=0, threads=1)
    p = fitted.predict(table_of([("AA", h, 0.0) for h in (8.01, 8.98, 9.01)]))
    assert p[0] == p[1] > 0.5 > p[2]


def test_a_group_column_that_is_not_there_is_named():
    rows = [("AA", 8.0, 1.0), ("AA", 9.0, 0.0)]
    with pytest.raises(ColumnError, match="gate"):
        GroupRate(by=("carrier", "gate")).fit(view(Train, rows), view(Validation, rows), seed=0, threads=1)


def test_the_zero_rule_is_the_share_of_positives_for_a_table_and_a_row():
    rows = [("AA", 1.0, 1.0), ("AA", 1.0, 0.0), ("UA", 2.0, 0.0)]
    fitted = ZeroRule().fit(view(Train, rows), view(Validation, rows), seed=0, threads=1)
    assert fitted.predict(table_of(rows)).tolist() == [1 / 3] * 3
    assert fitted.predict({}).tolist() == [1 / 3]
