"""A report is of the columns that moved most, with scores and labels where there are any."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.data_report.sides import moved_most, side
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

NAMES = ["temp", "wind", "rain", "dest"]
FEATURES = pa.table({name: np.arange(3.0) for name in NAMES})


def drift(**psi: float | None) -> pa.Table:
    return pa.table({"column": list(psi), "psi": pa.array(list(psi.values()), pa.float64())})


def test_the_columns_that_moved_most_come_first_and_others_only_where_there_is_room() -> None:
    told = drift(temp=0.1, gone=9.0, rain=0.5, wind=None, **{"*": None})
    assert moved_most(told, NAMES, most=1) == ["rain"]
    assert moved_most(told, NAMES, most=30) == ["rain", "temp", "wind", "dest"]


def test_where_nobody_measured_the_first_columns_are_taken() -> None:
    assert moved_most(drift(), NAMES, most=2) == ["temp", "wind"]


def test_a_side_has_scores_and_labels_null_where_they_are_not_known() -> None:
    at = np.arange(3).astype("datetime64[us]")
    rows = ScoredRows(at, FEATURES, np.array([0.1, 0.5, 0.9]), np.array([0.0, np.nan, 1.0]))
    found = side(rows, FEATURES, ["rain", "temp"])
    assert found.column_names == ["rain", "temp", "score", "label"]
    assert found["label"].to_pylist() == [0.0, None, 1.0]
    assert found["score"].to_pylist() == [0.1, 0.5, 0.9]


def test_where_nothing_was_predicted_a_side_is_its_features() -> None:
    nothing = ScoredRows(np.empty(0, "datetime64[us]"), FEATURES.slice(0, 0), np.empty(0), np.empty(0))
    for rows in (None, nothing):
        assert side(rows, FEATURES, ["wind"]).equals(FEATURES.select(["wind"]))
