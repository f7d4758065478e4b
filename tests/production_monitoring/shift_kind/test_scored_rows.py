"""Rows of several windows are put together as far as they have the same columns."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.production_monitoring.shift_kind.scored_rows import scored

from .simulated import STILL

ROWS = STILL.rows(60, seed=1)


def test_parts_are_put_together_in_their_order() -> None:
    first, second = ROWS.take(np.arange(40)), ROWS.take(np.arange(40, 60))
    both = scored([first, ROWS.take(np.arange(0)), second])
    assert both is not None
    assert both.features.equals(ROWS.features)
    for name in ("at", "score", "label"):
        assert getattr(both, name).tolist() == getattr(ROWS, name).tolist()
    assert scored([]) is scored([ROWS.take(np.arange(0))]) is None


def test_a_column_that_is_gone_or_of_another_type_is_left_out() -> None:
    other = (
        ROWS.features.drop_columns(["x1"]).set_column(0, "x0", [np.full(60, "a")]).append_column("new", [ROWS.score])
    )
    both = scored([ROWS, replace(ROWS, features=other)])
    assert both is not None
    assert both.features.column_names == ["x2", "x3", "x4", "x5", "place"]
    assert len(both) == 120


def test_what_is_no_probability_or_no_label_or_of_another_length_is_refused() -> None:
    for wrong, told in (
        ({"score": np.full(60, 1.5)}, "60 of 60 scores are no probabilities"),
        ({"score": np.full(60, np.nan)}, "60 of 60 scores are no probabilities"),
        ({"label": np.full(60, 2.0)}, "labels must be 0, 1 or NaN"),
        ({"label": np.zeros(59)}, "parts of one length"),
    ):
        with pytest.raises(ValueError, match=told):
            replace(ROWS, **wrong)  # type: ignore[arg-type]
