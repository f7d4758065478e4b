"""One row's time is the meter's, of the fastest batch, for the call and not for what is around it."""

from collections.abc import Mapping

import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.offline_evaluation.importance.latency import BATCHES, CALLS, seconds_of_one_row


class Watched:
    """A model that takes a second of a clock of its own for each row, in all batches but one five."""

    kind, columns = "watched", ("strong", "carrier")

    def __init__(self) -> None:
        self.now, self.asked = 0.0, []

    def predict(self, rows, *, threads=1):
        self.asked.append(rows)
        self.now += 5.0 if CALLS < len(self.asked) <= 2 * CALLS else 1.0
        return np.array([0.5])


def test_it_is_the_fastest_batch_of_rows_as_a_service_asks_for_them(validation):
    model = Watched()
    assert seconds_of_one_row(model, validation.features, lambda: model.now) == 1.0
    assert len(model.asked) == 1 + CALLS * BATCHES
    assert all(isinstance(row, Mapping) and set(row) == {"strong", "carrier"} for row in model.asked)
    assert model.asked[1] == validation.features.select(["strong", "carrier"]).slice(0, 1).to_pylist()[0]


def test_a_model_that_reads_nothing_is_asked_all_the_same_and_no_rows_are_refused(validation):
    ticks = iter(range(100))
    found = seconds_of_one_row(ZeroRulePredictor(0.3), validation.features, lambda: float(next(ticks)))
    assert found == 1 / CALLS
    with pytest.raises(ValueError, match="no row"):
        seconds_of_one_row(ZeroRulePredictor(0.3), validation.features.slice(0, 0), lambda: 0.0)
