"""On flights: the season moves the temperature, chance moves nothing, and a distance that many rows prove is silent."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.drift.shifted import ShiftedColumns, shifted_columns

HALF, WEEK = 20_000, 6_500
"""Rows of a reference and of a week."""


def _of_month(rows: LabelledRows, month: int) -> pa.Table:
    there = rows.at.astype("datetime64[M]") == np.datetime64(f"2013-{month:02}", "M")
    return rows.features.take(pa.array(np.flatnonzero(there)))


def test_the_temperature_has_moved_from_january_to_july_and_the_distance_has_not(flights_rows: LabelledRows) -> None:
    """Kolmogorov and Smirnov call the distance other with 1e-12: it is, and by next to nothing."""
    distances = Reference.of(_of_month(flights_rows, 1)).distances(_of_month(flights_rows, 7))
    found = {symptom.where: symptom for symptom in shifted_columns(distances).symptoms}
    assert found["origin_temp"].size > 7
    assert "distance" not in found
    assert distances["distance"].ks_p < 1e-10
    assert distances["distance"].psi < 0.03


def _halves(rows: LabelledRows, seed: int) -> ShiftedColumns:
    drawn = np.random.default_rng(seed).permutation(int((rows.at < np.datetime64("2013-10-01")).sum()))
    before, now = drawn[:HALF], drawn[HALF : HALF + WEEK]
    reference = Reference.of(rows.features.take(pa.array(before)))
    return shifted_columns(reference.distances(rows.features.take(pa.array(now))))


def test_random_halves_are_alike(flights_rows: LabelledRows) -> None:
    for seed in range(2):
        found = _halves(flights_rows, seed)
        assert not found.symptoms
        assert not found.untold


@pytest.mark.prove
def test_a_hundred_random_halves_are_alike(flights_rows: LabelledRows) -> None:
    assert sum(bool(_halves(flights_rows, seed).symptoms) for seed in range(100)) == 0


@pytest.mark.parametrize("by", [0.5, 1.0])
@pytest.mark.parametrize("column", ["origin_dep_delay_1h", "carrier_origin_dep_delay_3h", "origin_temp", "sched_hour"])
def test_a_feature_that_is_tilted_is_found_and_no_other(flights_rows: LabelledRows, column: str, by: float) -> None:
    """Half a deviation, from 10,000 rows, is found in whatever column; only its own values are drawn anew."""
    names = flights_rows.features.schema.names
    rng = np.random.default_rng(0)
    drawn = rng.permutation(int((flights_rows.at < np.datetime64("2013-10-01")).sum()))
    before = flights_rows.features.take(pa.array(drawn[:HALF]))
    now = flights_rows.features.take(pa.array(drawn[HALF : HALF + 10_000]))
    pool = flights_rows.features[column].take(pa.array(drawn[HALF:])).drop_null()
    values = pool.to_numpy().astype(np.float64)
    pool, values = pool.filter(pa.array(np.isfinite(values))), values[np.isfinite(values)]
    z = (values - values.mean()) / values.std()
    low, high = 0.0, 20.0
    for _ in range(50):
        rate = (low + high) / 2
        weights = np.exp(rate * (z - z.max()))
        low, high = (rate, high) if weights @ z < by * weights.sum() else (low, rate)
    taken = pool.take(pa.array(rng.choice(len(z), 10_000, p=weights / weights.sum())))
    now = now.set_column(names.index(column), column, taken)
    found = shifted_columns(Reference.of(before).distances(now))
    assert [symptom.where for symptom in found.symptoms] == [column]
