"""Flights: shifts of each kind, planted in held-out rows of January to September, are named; nothing is not.

Windows and references are drawn from the same days, so that nothing changed but what was planted.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.production_monitoring.concept.changes import watch
from mlsys_assets.production_monitoring.concept.detectors import DETECTORS, Detector
from mlsys_assets.production_monitoring.concept.streams import ErrorStream
from mlsys_assets.production_monitoring.diagnosis import Cause, Remedy
from mlsys_assets.production_monitoring.shift_kind.naming import shift_kind
from mlsys_assets.production_monitoring.shift_kind.recalibration import Line
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

ROWS = 10_000
TILTED = "carrier_origin_hour_late_28d"
"""Important, and not of a whole day: of 52 days, those that a tilt by the weather would draw are few."""
A_DAY = 920
Plant = Callable[[ScoredRows, np.random.Generator], ScoredRows]


@pytest.fixture(scope="module")
def held_out(flights_split: Split, flights_fitted: Mapping[str, Predictor]) -> ScoredRows:
    """38,000 rows that LightGBM was not fitted on, of 52 days."""
    parts = [flights_split.validation] + [
        test.open(lambda read: None, models="lightgbm", reason="rows to plant in")
        for test in (flights_split.recent_test, flights_split.static_test)
    ]
    features = pa.concat_tables([part.features for part in parts]).combine_chunks()
    at, label = (np.concatenate([getattr(part, name) for part in parts]) for name in ("at", "label"))
    return ScoredRows(at, features, flights_fitted["lightgbm"].predict(features), label)


def drawn(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
    return rows.take(random.choice(len(rows), ROWS, replace=False))


def tilted(by: float) -> Plant:
    """Rows drawn so that the column's mean moves by so many standard deviations, and P(Y|X) stays."""

    def plant(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
        x = read_numbers(rows.features, [TILTED])[0].astype(np.float64)
        x = np.where(np.isfinite(x), x, np.nanmean(x))
        z, low, high = (x - x.mean()) / x.std(), -10.0, 10.0
        for _ in range(50):
            weight = np.exp((low + high) / 2 * z)
            weight /= weight.sum()
            low, high = ((low + high) / 2, high) if weight @ z < by else (low, (low + high) / 2)
        return rows.take(random.choice(len(rows), ROWS, p=weight))

    return plant


def relabelled(points: float) -> Plant:
    """Rows of each class drawn so that the share of positives moves, and P(X|Y) stays."""

    def plant(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
        before = rows.label.mean()
        weight = np.where(rows.label > 0, (before + points) / before, (1 - before - points) / (1 - before))
        return rows.take(random.choice(len(rows), ROWS, p=weight / weight.sum()))

    return plant


def flipped(share: float) -> Plant:
    """Labels of so many rows, drawn at random, are the other one."""

    def plant(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
        window = drawn(rows, random)
        return replace(window, label=np.where(random.random(ROWS) < share, 1 - window.label, window.label))

    return plant


def flipped_carrier(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
    """Labels of one carrier, 10% of the rows, are the other one."""
    window = drawn(rows, random)
    own = np.array(window.features["carrier"].to_pylist()) == "AA"
    return replace(window, label=np.where(own, 1 - window.label, window.label))


COVARIATE = (Cause.COVARIATE, Remedy.REWEIGHT)
LABEL = (Cause.LABEL, Remedy.CORRECT_PRIOR)
CONCEPT = (Cause.CONCEPT, Remedy.RETRAIN)
PLANTS: dict[str, tuple[Plant, tuple[Cause, Remedy]]] = {
    "features by .5 SD": (tilted(0.5), COVARIATE),
    "features by 1 SD": (tilted(1.0), COVARIATE),
    "labels by 6 points": (relabelled(0.06), LABEL),
    "labels by 11 points": (relabelled(0.11), LABEL),
    "10% flipped": (flipped(0.1), CONCEPT),
    "20% flipped": (flipped(0.2), CONCEPT),
    "a carrier flipped": (flipped_carrier, CONCEPT),
    "nothing": (drawn, (Cause.NOTHING, Remedy.NOTHING)),
}


def named(rows: ScoredRows, plant: Plant, *, seed: int) -> tuple[Cause, Remedy]:
    random = np.random.default_rng(seed)
    order = random.permutation(len(rows))
    reference, pool = (rows.take(np.sort(half)) for half in np.array_split(order, 2))
    found = shift_kind(reference, plant(pool, random))
    return found.cause, found.remedy


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_shift_is_named_with_its_remedy(held_out: ScoredRows, plant: str) -> None:
    how, expected = PLANTS[plant]
    assert [named(held_out, how, seed=seed) for seed in range(2)] == [expected] * 2


@pytest.mark.prove
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_shift_is_named_in_ten_seeds(held_out: ScoredRows, plant: str) -> None:
    how, expected = PLANTS[plant]
    assert [named(held_out, how, seed=seed) for seed in range(10, 20)] == [expected] * 10


@pytest.mark.prove
def test_nothing_is_named_where_nothing_changed(held_out: ScoredRows) -> None:
    found = [named(held_out, drawn, seed=seed)[0] for seed in range(100, 300)]
    assert sum(cause is not Cause.NOTHING for cause in found) <= 1


def errors(rows: ScoredRows, order: np.ndarray, *, flipped_from: int | None = None) -> ErrorStream:
    """The stream of rows in an order, held to the line that the score is calibrated by over all of them."""
    label, score = rows.label[order], rows.score[order]
    changed = np.arange(len(order)) >= (len(order) if flipped_from is None else flipped_from)
    known_at = np.datetime64("2013-07-01", "us") + (np.arange(len(order)) * 94_000_000).astype("timedelta64[us]")
    calibrated = Line.fit(label, score)(score)
    return ErrorStream.of(np.where(changed, 1 - label, label), score, known_at=known_at, calibrated=calibrated)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_flipped_labels_are_seen_within_three_days_and_shuffles_are_no_news(
    held_out: ScoredRows, detector: Detector
) -> None:
    random, alarms, seen = np.random.default_rng(0), 0, list[int]()
    for _ in range(200):
        order = random.permutation(len(held_out))[: 7 * A_DAY]
        alarms += bool(watch(errors(held_out, order), [detector]).changes)
    for _ in range(10):
        order = random.permutation(len(held_out))[: 10 * A_DAY]
        stream = errors(held_out, order, flipped_from=6 * A_DAY)
        seen += [change.row - 6 * A_DAY for change in watch(stream, [detector]).changes]
    assert alarms <= 10
    assert sum(0 <= delay < 3 * A_DAY for delay in seen) >= 9
