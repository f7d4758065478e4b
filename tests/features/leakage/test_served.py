"""Training rows that are not as they were served are told, by their columns; those that are, are not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.leakage.logged_rows import LoggedRows
from mlsys_assets.features.leakage.served import served_as_trained
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.types import Severity

PROBE = LightGBM(rounds=15, leaves=8)


@dataclass(frozen=True)
class Never:
    """Costs what must not be spent."""

    def fit(self, train: Any, validation: Any, *, seed: int, threads: int) -> Any:
        raise AssertionError("nothing is to be fitted where nothing differs")


def rows(n=3_000, *, seed=0, first=0, days=20, shift=0.0):
    random = np.random.default_rng(seed)
    at = np.datetime64("2013-06-01", "us") + np.sort(random.integers(0, days, n)) * np.timedelta64(1, "D")
    table = pa.table({
        "x": (random.normal(size=n) + shift).astype(np.float32),
        "weather": pa.array(random.normal(size=n).astype(np.float32), mask=random.random(n) < 0.1),
        "carrier": pa.array(random.choice(["a", "b"], n).tolist()),
    })  # fmt: skip
    return LoggedRows(pa.array([f"r{i}" for i in range(first, first + n)]), at, table)


def changed(logged, name, values):
    place = logged.features.schema.get_field_index(name)
    features = logged.features.set_column(place, name, pa.chunked_array([values]))
    return LoggedRows(logged.ids, logged.at, features)


def numbers(logged, name):
    return logged.features[name].to_numpy()


def test_what_was_served_as_it_is_trained_on_passes_and_costs_nothing():
    trained = rows()
    shuffled = trained.take(np.random.default_rng(1).permutation(3_000)[:2_000])
    close = changed(shuffled, "x", pa.array(numbers(shuffled, "x") * np.float32(1 + 1e-6)))
    for served in (trained, shuffled, close):
        found = served_as_trained(trained, served, Never(), seed=0)
        assert found.finding.passed
        assert (found.requests, found.changed) == (len(served.ids), ())
        assert "as they were served" in found.finding.summary


@pytest.mark.parametrize("learner", [PROBE, LogisticRegression()], ids=lambda c: c.name)
def test_a_column_that_serving_lacked_is_an_error_and_named(learner):
    trained = rows()
    for nothing in (pa.nulls(3_000, pa.float32()), pa.nulls(3_000)):
        served = changed(trained, "weather", nothing)
        found = served_as_trained(trained, served, learner, seed=0)
        assert (found.finding.passed, found.finding.severity) == (False, Severity.ERROR)
        assert found.finding.evidence["columns"] == "weather"
        assert found.told.auc.value > 0.9
        assert [(c.column, round(c.share, 1), round(c.lacking, 1)) for c in found.changed] == [("weather", 0.9, 0.9)]
        assert "weather in 90" in found.finding.summary


def test_a_column_that_was_declared_later_is_looked_at_since_it_was_served():
    trained = rows()
    none = LoggedRows(trained.ids, trained.at, trained.features.drop_columns(["weather"]))
    found = served_as_trained(trained, none, Never(), seed=0)
    assert (found.finding.passed, found.new) == (True, ("weather",))
    assert found.finding.summary.endswith("not served yet: weather")
    values, late = numbers(trained, "weather").copy(), trained.at >= np.datetime64("2013-06-11")
    since = changed(trained, "weather", pa.array(values, mask=~late | np.isnan(values)))
    order = np.random.default_rng(0).permutation(3_000)
    assert served_as_trained(trained, since.take(order), Never(), seed=0).finding.passed
    gone = changed(trained, "weather", pa.array(values, mask=late | np.isnan(values)))
    found = served_as_trained(trained, gone, PROBE, seed=0)
    assert (found.finding.severity, found.finding.evidence["columns"]) == (Severity.ERROR, "weather")


def test_a_column_served_otherwise_is_told_by_a_classifier():
    trained = rows()
    moved = changed(trained, "x", pa.array(numbers(trained, "x") + np.float32(1)))
    found = served_as_trained(trained, moved, PROBE, seed=0)
    assert found.finding.severity is Severity.ERROR
    assert found.finding.evidence["columns"] == "x"
    assert found.told.auc.value == pytest.approx(0.76, abs=0.04)  # Φ(1 / √2)
    text = changed(trained, "carrier", pa.array(["b"] * 3_000))
    found = served_as_trained(trained, text, PROBE, seed=0)
    assert (found.finding.severity, found.finding.evidence["columns"]) == (Severity.ERROR, "carrier")


@pytest.mark.parametrize("seed", range(5))
def test_little_that_differs_is_a_warning(seed):
    """Twins are on one side only: told apart by nothing, the AUC is 0.5 and not below."""
    trained = rows()
    values = numbers(trained, "x").copy()
    values[:20] += 1
    found = served_as_trained(trained, changed(trained, "x", pa.array(values)), PROBE, seed=seed)
    assert (found.finding.passed, found.finding.severity) == (False, Severity.WARN)
    assert found.told.auc.value == pytest.approx(0.5, abs=0.04)
    assert [(c.column, c.share) for c in found.changed] == [("x", pytest.approx(20 / 3_000))]


def test_values_that_belong_to_other_requests_are_told_to_differ():
    trained = rows()
    mixed = changed(trained, "x", pa.array(np.random.default_rng(3).permutation(numbers(trained, "x"))))
    found = served_as_trained(trained, mixed, PROBE, seed=0)
    assert not found.finding.passed
    assert found.changed[0].share > 0.99


def test_a_value_that_training_lacks_and_serving_had_differs_too():
    trained = rows()
    filled = changed(trained, "weather", pa.array(np.nan_to_num(numbers(trained, "weather"), nan=0.5)))
    (one,) = served_as_trained(trained, filled, PROBE, seed=0).changed
    assert (one.column, one.lacking) == ("weather", 0.0)
    assert one.share == pytest.approx(0.1, abs=0.02)


def test_a_column_that_serving_lacked_is_named_even_in_a_few_days():
    trained = rows(days=3)
    served = changed(trained, "weather", pa.nulls(3_000, pa.float32()))
    found = served_as_trained(trained, served, PROBE, seed=0)
    assert not found.told.auc.sufficient
    assert (found.finding.severity, found.finding.evidence["columns"]) == (Severity.ERROR, "weather")


def test_where_nothing_was_served_it_passes_and_says_so():
    found = served_as_trained(rows(), rows(n=0), Never(), seed=0).finding
    assert found.passed
    assert found.summary == "nothing has been served, so that nothing is compared"


def test_other_requests_are_a_warning_at_most():
    alike = served_as_trained(rows(), rows(seed=1, first=90_000), PROBE, seed=0)
    assert (alike.requests, alike.served, alike.finding.passed) == (0, 3_000, True)
    assert "look like those" in alike.finding.summary
    season = served_as_trained(rows(), rows(seed=1, first=90_000, shift=3.0), PROBE, seed=0)
    assert (season.finding.passed, season.finding.severity) == (False, Severity.WARN)
    assert str(season.finding.evidence["columns"]).startswith("x")


def test_a_few_requests_are_insufficient():
    few = rows(n=3_020).take(np.arange(2_990, 3_020))
    assert served_as_trained(rows(n=3_020), few, Never(), seed=0).finding.passed
    found = served_as_trained(rows(n=2_000), rows(n=40, seed=2, first=9_000, days=2), PROBE, seed=0).finding
    assert found.passed
    assert found.summary.startswith("insufficient data: 40 requests were served")


def test_a_log_without_any_column_of_training_tells_nothing():
    trained = rows()
    other = LoggedRows(trained.ids, trained.at, trained.features.select(["x"]).rename_columns(["y"]))
    found = served_as_trained(trained, other, Never(), seed=0)
    assert (found.finding.passed, found.new) == (True, ("x", "weather", "carrier"))


def test_columns_of_other_types_are_refused():
    trained = rows()
    wrong = changed(trained, "carrier", pa.array(np.zeros(3_000, np.float32)))
    with pytest.raises(ValueError, match="'carrier' was served as float, and is trained on as string"):
        served_as_trained(trained, wrong, PROBE, seed=0)


def test_the_same_seed_says_the_same():
    trained = rows()
    served = changed(trained, "x", pa.array(numbers(trained, "x") + np.float32(0.5)))
    first, again, other = (served_as_trained(trained, served, PROBE, seed=s) for s in (0, 0, 1))
    assert first == again
    assert first.told != other.told
