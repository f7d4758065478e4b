"""Predictions name their model, keep the rows' order, and are refused whole if one of them is no number."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.prediction.batch import baseline_schema, predict_batch, prediction_schema
from mlsys_assets.tables import MODEL
from mlsys_assets.types import utc

START = utc("2013-07-01")
ROWS = pa.table(
    {
        "id": ["c", "a", "b"],
        "predict_at": pa.array([START + timedelta(hours=h) for h in (2, 0, 1)], pa.timestamp("us", tz="UTC")),
        "x": [0.3, 0.1, 0.2],
    }
)


def predict(score) -> pa.Table:
    return predict_batch(ROWS, score, key="id", at="predict_at", model_hash="m1")


def test_each_row_has_its_score_and_its_model() -> None:
    found = predict(lambda rows: rows["x"].to_numpy())
    assert found.schema == prediction_schema("id", "predict_at")
    assert found["id"].to_pylist() == ["c", "a", "b"]
    assert found["score"].to_pylist() == [0.3, 0.1, 0.2]
    assert set(found["model_hash"].to_pylist()) == {"m1"}
    assert found["known_at"].equals(found["predict_at"])


def test_baselines_are_told_as_champions_are_with_their_name_first() -> None:
    beside = baseline_schema("id", "predict_at")
    assert beside.names[0] == MODEL
    assert beside.remove(0) == prediction_schema("id", "predict_at")
    assert not beside.field(MODEL).nullable


@pytest.mark.parametrize("scores", [[0.1, np.nan, 0.2], [0.1, np.inf, 0.2], [0.1, 0.2], [[0.1], [0.2], [0.3]]], ids=str)
def test_what_is_no_score_a_row_is_refused(scores: list) -> None:
    with pytest.raises(ValueError, match="one finite score a row was expected"):
        predict(lambda rows: np.array(scores, float))
