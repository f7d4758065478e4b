"""What training never saw is counted as sets count it; columns that only name the day are told."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.features.profile import profile
from mlsys_assets.features.quality.overlap import overlap
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.thumbnails import LIMIT

TEXTS = st.lists(st.sampled_from([None, "a", "b", "c", "d"]), min_size=1, max_size=40)


def both(view_of, before: dict[str, object], now: dict[str, object]):
    return overlap(view_of(before), view_of(now, kind=Validation, start="2013-03-02", days=14))


def test_the_day_of_the_year_cannot_carry_over_and_the_hour_can(view_of) -> None:
    random = np.random.default_rng(0)
    n, later = 6_000, 1_000

    def columns(first: int, days: int, rows: int) -> dict[str, object]:
        day = first + np.arange(rows) * days // rows
        return {
            "day_of_year": day,
            "since_start": day + random.random(rows),
            "hour": random.integers(5, 24, rows),
            "place": random.choice(["A", "B"], rows),
            "id": [f"{first}-{i}" for i in range(rows)],
            "amount": random.lognormal(3, 1, rows),
            "constant": np.ones(rows),
        }

    found = both(view_of, columns(1, 60, n), columns(61, 14, later))
    assert {one.column for one in found.lost} == {"day_of_year", "since_start", "id"}
    by_name = {one.column: one for one in found.columns}
    assert by_name["day_of_year"].new == 1.0
    assert by_name["since_start"].beyond == 1.0
    assert by_name["hour"].new == 0.0
    assert by_name["amount"].values == 0
    assert by_name["amount"].psi < by_name["amount"].psi_by_chance
    assert not found.finding.passed
    assert "day_of_year: 100.0% of later rows hold none of its 60 values" in found.finding.summary
    assert "hour" not in found.finding.evidence["columns"]
    assert len(found.thumbnail()) < LIMIT
    assert "cannot carry over" in found.plot()
    assert pa.Table.from_pylist(found.table()).num_rows == 7


@given(before=TEXTS, now=TEXTS)
def test_new_categories_are_those_of_a_set(view_of, before, now) -> None:
    (one,) = both(view_of, {"c": before}, {"c": now}).columns
    there = [value for value in now if value is not None]
    new = sum(value not in set(before) for value in there)
    assert one.rows == len(there)
    assert one.new == pytest.approx(new / len(there), nan_ok=True) if there else np.isnan(one.new)
    assert one.values == len({value for value in before if value is not None})


@given(st.lists(st.integers(-3, 9), min_size=30, max_size=80), st.lists(st.integers(-6, 12), min_size=1, max_size=40))
def test_new_whole_numbers_are_those_of_a_set(view_of, before, now) -> None:
    known = before * 5
    (one,) = both(view_of, {"n": np.array(known)}, {"n": np.array(now)}).columns
    assert one.values == len(set(before))
    assert one.new == pytest.approx(np.mean([value not in set(before) for value in now]))
    assert one.beyond == pytest.approx(np.mean([not min(before) <= value <= max(before) for value in now]))


def test_the_index_is_that_of_the_monitoring(view_of) -> None:
    random = np.random.default_rng(1)
    before = {"x": random.normal(size=900), "c": random.choice(["a", "b", "c"], 900)}
    now = {"x": random.normal(0.5, 1, 400), "c": random.choice(["a", "b"], 400)}
    found = {one.column: one for one in both(view_of, before, now).columns}
    for row in drift(profile(view_of(before).features), view_of(now).features).to_pylist():
        assert found[row["column"]].psi == row["psi"]
        assert found[row["column"]].psi_by_chance == row["chance_psi"]


def test_a_value_that_is_rare_in_training_is_not_new(view_of) -> None:
    """Training rows are all looked at: in a sample of them a rare place would seem new."""
    n = 50_000
    before = np.where(np.arange(n) == 12_345, "rare", "common")
    (one,) = both(view_of, {"c": before}, {"c": ["rare"] * 100}).columns
    assert one.new == 0.0


def test_what_cannot_be_told_is_not_told(view_of) -> None:
    before, nothing = {"x": np.arange(50), "c": ["a"] * 50}, {"x": np.full(50, np.nan), "c": [None] * 50}
    gone, come = both(view_of, before, nothing), both(view_of, nothing, before)
    assert all(one.worst == 0.0 for one in gone.columns)
    assert gone.finding.passed
    assert [one.column for one in come.lost] == ["x", "c"]  # what training never saw at all is all new
    few = both(view_of, before, {"x": np.arange(100, 110), "c": ["b"] * 10})
    assert "insufficient data (10 validation rows)" in few.finding.summary
    with pytest.raises(ValueError, match=r"differ: \['c'\]"):
        both(view_of, before, {"x": np.arange(5)})
    with pytest.raises(TypeError, match="Train view only"):
        overlap(view_of(before, kind=Validation), view_of(before))
