"""Columns are placed by what they are worth and how steady they are; what is not known is not placed."""

import numpy as np
import pytest

from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.offline_evaluation.importance.column_drift import DriftRate
from mlsys_assets.offline_evaluation.importance.stability import QUADRANTS, stability
from mlsys_assets.thumbnails import LIMIT

WORTH = {"plan": 0.4, "temp": 0.3, "edge": 0.2, "seats": 0.01, "season": 0.02, "new": 0.05}
DRIFT = {"plan": 0.0, "temp": 0.9, "edge": MODERATE, "seats": 0.05, "season": MODERATE, "new": np.nan}
RATES = {name: DriftRate(mean, 2 * mean, 3) for name, mean in DRIFT.items()}


def test_each_column_is_in_its_quadrant():
    found = stability(WORTH, RATES, useful=0.02)
    assert {name: found.quadrant(name) for name in QUADRANTS} == {
        "useful but drifting": ("temp", "edge"),
        "useful and steady": ("plan",),
        "useless and drifting": ("season",),
        "useless and steady": ("seats",),
        "insufficient data": ("new",),
    }
    assert [one.column for one in found.columns] == ["plan", "temp", "edge", "new", "season", "seats"]
    assert found.text().startswith("2 useful but drifting: temp, edge; 1 useful and steady: plan; ")
    assert "| temp | 0.3000 | 0.900 | 1.800 | useful but drifting |" in found.table()


def test_it_is_drawn_without_what_is_not_known():
    found = stability(WORTH, RATES, useful=0.02)
    assert found.plot().count("<circle") == 5
    assert "new" not in found.plot()
    assert len(found.thumbnail()) < LIMIT
    many = {f"a_column_{k}": k / 100 for k in range(90)}
    drawn = stability(many, {name: DriftRate(worth, worth, 1) for name, worth in many.items()}, useful=0.1)
    assert len(drawn.thumbnail()) < LIMIT
    assert drawn.text().startswith("79 useful but drifting: a_column_89, ")
    assert " and 71 more; " in drawn.text()
    nothing = stability({}, {}, useful=0.0)
    assert nothing.text().startswith("insufficient data")
    assert nothing.thumbnail().endswith("insufficient data")


def test_a_column_of_which_only_one_is_told_is_named():
    with pytest.raises(ValueError, match=r"\['seats'\]"):
        stability(WORTH, {name: rate for name, rate in RATES.items() if name != "seats"}, useful=0.0)
