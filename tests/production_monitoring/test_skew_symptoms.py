"""Skew as a symptom: the feature and its conversion, and what it costs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.prediction.skew import differences
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.skew_symptoms import conversion_of, skew_price, skew_symptoms

ROWS = 4_000
AT = np.datetime64("2013-07-01T00:00:00.000000") + np.arange(ROWS) * np.timedelta64(2_520, "s").astype(
    "timedelta64[us]"
)


def known(seed: int = 0) -> pa.Table:
    """Requests of 116 days and 16 hours."""
    rng = np.random.default_rng(seed)
    return pa.table({
        "id": [f"r{i}" for i in range(ROWS)],
        "at": pa.array(AT, pa.timestamp("us", "UTC")),
        "temp": rng.normal(60, 10, ROWS).astype(np.float32),
        "wind": rng.gamma(2, 5, ROWS),
        "carrier": rng.choice(["AA", "B6"], ROWS),
    })  # fmt: skip


def put(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


@dataclass(frozen=True)
class Logistic:
    """A model that is right: the labels are drawn from it."""

    kind: str = "logistic"
    columns: tuple[str, ...] = ("temp",)

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        return 1 / (1 + np.exp(-(rows["temp"].to_numpy().astype(float) - 70) / 8))

    def contents(self) -> dict[str, bytes]:
        return {}


KNOWN = known()
CELSIUS = put(KNOWN, "temp", ((KNOWN["temp"].to_numpy() - 32) / 1.8).astype(np.float32))


def symptoms(served: pa.Table, least_share: float = 0.001):
    return skew_symptoms(differences(served, KNOWN, key="id"), served, KNOWN, key="id", least_share=least_share)


def test_a_unit_bug_online_is_named() -> None:
    (found,) = symptoms(CELSIUS.take(pa.array(np.random.default_rng(1).permutation(ROWS))))
    assert (found.cause, found.where, found.size) == (Cause.SKEW, "temp", 1.0)
    assert found.measures["conversion"] == "°F → °C"
    assert "served = (x − 32) / 1.8 of what was known" in found.told


def test_a_part_of_the_requests_and_other_differences() -> None:
    half = np.arange(ROWS) % 2 == 0
    (found,) = symptoms(put(KNOWN, "temp", np.where(half, CELSIUS["temp"], KNOWN["temp"])))
    assert (found.size, found.measures["conversion"]) == (0.5, "°F → °C")
    (found,) = symptoms(put(KNOWN, "wind", -KNOWN["wind"].to_numpy()))
    assert found.measures["conversion"] == "the sign"
    for values in (KNOWN["wind"].to_numpy() + 3, np.zeros(ROWS), np.full(ROWS, np.nan)):
        (found,) = symptoms(put(KNOWN, "wind", values))
        assert "conversion" not in found.measures
    (found,) = symptoms(put(KNOWN, "carrier", ["??"] * ROWS))
    assert (found.where, found.size) == ("carrier", 1.0)


def test_what_is_served_as_known_and_a_few_late_rows_are_no_symptom() -> None:
    assert symptoms(KNOWN) == ()
    few = KNOWN["wind"].to_numpy().copy()
    few[:3] += 1
    assert symptoms(put(KNOWN, "wind", few)) == ()
    assert symptoms(put(KNOWN, "wind", few), 0.0)[0].measures["requests"] == 3


def test_too_few_pairs_are_no_conversion() -> None:
    assert conversion_of(np.array([32.0, 212.0]), np.array([0.0, 100.0])) is None
    assert conversion_of(np.empty(0), np.empty(0)) is None


def test_the_price_is_what_the_labels_say_later() -> None:
    rng = np.random.default_rng(2)
    model, costs = Logistic(), CostMatrix(false_positive=10, false_negative=40)
    label = (rng.random(ROWS) < model.predict(KNOWN)).astype(float)
    realised = skew_price(model, CELSIUS, KNOWN, key="id", label=label, costs=costs)
    expected = skew_price(model, CELSIUS, KNOWN, key="id", costs=costs)
    assert (expected.how, realised.how, expected.requests) == ("estimated", "realised", ROWS)
    by_hand = (log_losses(label, model.predict(CELSIUS)) - log_losses(label, model.predict(KNOWN))).mean()
    assert realised.log_loss.value == pytest.approx(by_hand)
    assert realised.log_loss.low < expected.log_loss.value < realised.log_loss.high
    assert realised.money is not None
    assert expected.money is not None
    assert realised.money.low < expected.money.value < realised.money.high
    assert expected.total == pytest.approx(expected.money.value * ROWS)


def test_the_price_of_nothing_is_nothing_and_of_few_is_untold() -> None:
    assert skew_price(Logistic(), KNOWN, KNOWN, key="id").log_loss.value == 0
    few = skew_price(Logistic(), CELSIUS.slice(0, 20), KNOWN.slice(0, 20), key="id")
    assert not few.log_loss.sufficient
    assert few.money is None
    none = skew_price(Logistic(), CELSIUS.slice(0, 0), KNOWN.slice(0, 0), key="id")
    assert not none.log_loss.sufficient
    unlabelled = skew_price(Logistic(), CELSIUS, KNOWN, key="id", label=np.full(ROWS, np.nan))
    assert unlabelled.how == "estimated"


def test_other_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="bring the tick in again"):
        skew_price(Logistic(), CELSIUS, KNOWN.slice(1), key="id")
