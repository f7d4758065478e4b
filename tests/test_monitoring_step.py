"""Predictions are joined with what was known and with what became of them, in any order, and each once."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LogisticRegression, Weekly, held_out
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.held_out import MOST_REFERENCE_ROWS, Predicted, joined
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow, days
from mlsys_resources.lake import Lake

N = 3_000
START = np.datetime64("2013-07-01T00:00", "us")
A_WEEK = 7 * 86_400


def times(seconds: np.ndarray) -> pa.Array:
    return pa.array(START + seconds.astype("timedelta64[s]"), pa.timestamp("us", "UTC"))


def tables(seed: int, *, first: int = 0, n: int = N) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Predictions, features and labels of a week; many are asked for at one time."""
    random = np.random.default_rng(seed)
    ids = pa.array([f"{first}-{i:05}" for i in range(n)])
    at = times(first + np.sort(random.integers(0, A_WEEK // 600, n)) * 600)
    x = random.normal(size=(2, n))
    chance = 1 / (1 + np.exp(-(x[0] - 1)))
    label = (random.random(n) < chance).astype(np.float64)
    made = pa.table({"id": ids, "predict_at": at, "score": chance})
    features = pa.table({"id": ids, "predict_at": at, "x": pa.array(x[0], pa.float32()), "y": pa.array(x[1])})
    known_at = times(first + A_WEEK + random.integers(0, A_WEEK, n))
    labels = pa.table({"id": ids, "label": label, "state": ["labelled"] * n, "known_at": known_at})
    return made, features, labels


def of(made: pa.Table, features: pa.Table, labels: pa.Table) -> Predicted:
    return joined(made, features, settled(labels, key="id", corrections=False), key="id")


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    return table.take(pa.array(np.random.default_rng(seed).permutation(len(table))))


def same(one: Predicted, other: Predicted) -> bool:
    parts = all(np.array_equal(getattr(one.rows, n), getattr(other.rows, n), True) for n in ("score", "label"))
    return parts and one.ids.equals(other.ids) and one.rows.features.equals(other.rows.features)


def test_each_prediction_has_its_features_and_its_label() -> None:
    made, features, labels = tables(0)
    found = of(made, features, labels)
    assert found.ids.to_pylist() == made["id"].to_pylist()
    np.testing.assert_array_equal(found.rows.score, made["score"])
    np.testing.assert_array_equal(found.rows.label, labels["label"])
    assert found.rows.features.equals(features.select(["x", "y"]))


def test_rows_in_any_order_and_labels_that_come_twice_are_the_same_rows() -> None:
    made, features, labels = tables(0)
    first = of(made, features, labels)
    wrong = labels.set_column(1, "label", [1 - labels["label"].to_numpy()])
    known_at = labels.schema.get_field_index("known_at")
    later = times(3 * A_WEEK + np.arange(N))
    twice = pa.concat_tables([labels, labels.slice(0, 500), wrong.set_column(known_at, "known_at", later)])
    for seed in range(5):
        again = of(*(shuffled(one, seed) for one in (made, features, twice)))
        assert same(again, first)


def test_labels_that_never_come_and_features_that_are_not_there() -> None:
    made, features, labels = tables(0)
    found = of(made, features, labels.slice(0, 100))
    assert int(found.rows.known.sum()) == 100
    assert not of(made, features, labels.slice(0, 0)).rows.known.any()
    half = of(made, features.slice(0, N // 2), labels)
    assert half.ids.to_pylist() == made["id"].slice(0, N // 2).to_pylist()
    none = of(made.slice(0, 0), features, labels)
    assert len(none.ids) == len(none.rows) == 0
    assert of(made, features.slice(0, 0), labels).rows.features.column_names == ["x", "y"]


@pytest.mark.parametrize("flip", [0.0, 0.3])
def test_the_diagnosis_is_the_same_for_every_order_of_rows_and_labels(flip: float) -> None:
    held, recent, week = (tables(seed, first=seed * A_WEEK) for seed in range(3))
    turned = np.random.default_rng(0).random(N) < flip
    made, features, labels = week
    label = np.where(turned, 1 - labels["label"].to_numpy(), labels["label"].to_numpy())
    labels = labels.set_column(1, "label", [label])
    told = []
    for seed in range(3):
        rows = of(*(shuffled(one, seed) for one in (made, features, pa.concat_tables([labels, labels]))))
        pair = TablePair(recent[1].select(["x", "y"]), shuffled(features.select(["x", "y"]), seed))
        seen = Seen(
            TimeWindow.of("2013-07-15", "2013-07-22"), {}, pair, rows.rows, rows.ids, of(*held).rows, of(*recent).rows
        )
        told.append(Diagnosing(seen, Monitoring(), LogisticRegression()).diagnosis())
    assert told[0].cause is (Cause.CONCEPT if flip else Cause.NOTHING)
    assert told[0].as_dict() == told[1].as_dict() == told[2].as_dict()


def test_a_reference_has_so_many_rows_at_most_drawn_once_and_in_their_order() -> None:
    rows = pa.table({"row": np.arange(MOST_REFERENCE_ROWS + 5_000)})
    found = held_out._sample(rows, seed=0)["row"].to_numpy()
    assert len(np.unique(found)) == MOST_REFERENCE_ROWS
    assert (np.diff(found) > 0).all()
    assert found.max() > MOST_REFERENCE_ROWS
    np.testing.assert_array_equal(held_out._sample(rows, seed=0)["row"].to_numpy(), found)
    assert held_out._sample(rows, seed=1)["row"].to_pylist() != found.tolist()
    few = rows.slice(0, MOST_REFERENCE_ROWS)
    assert held_out._sample(few, seed=0) is few


def test_a_label_that_is_none_is_refused() -> None:
    rows = of(*tables(0)).rows
    with pytest.raises(ValueError, match="labels must be 0, 1 or NaN"):
        replace(rows, label=np.full(N, 2.0))
    assert isinstance(rows, ScoredRows)


def held_against(*broken: int) -> tuple[TimeWindow, ...]:
    """What the week from 1 April is held against, where some of the weeks before it had a bug."""
    calendar, week = Weekly("2012-12-31"), TimeWindow.of("2013-04-01", "2013-04-08")
    verdicts = [(week.start - days(7 * n), "pipeline bug" if n in broken else "covariate shift") for n in range(12)]
    told = [SimpleNamespace(as_of=at, name="diagnosis", verdict=verdict) for at, verdict in verdicts]

    def decisions(system: str, kind: str, *, since: datetime, until: datetime) -> list[SimpleNamespace]:
        assert kind == "monitoring"
        return [one for one in told if since <= one.as_of <= until]

    system = SimpleNamespace(name="it", calendar=calendar, monitoring=Monitoring())
    stores = SimpleNamespace(operations=SimpleNamespace(decisions=decisions))
    return MonitoringStep(None, system, stores, week).reference_times.windows  # type: ignore[arg-type]


def test_weeks_with_a_bug_are_no_reference_until_there_are_no_others() -> None:
    whole = (TimeWindow.of("2013-03-04", "2013-04-01"),)
    assert held_against() == whole
    assert held_against(0) == (TimeWindow.of("2013-03-04", "2013-03-25"),)
    assert held_against(1, 2) == (TimeWindow.of("2013-03-04", "2013-03-11"), TimeWindow.of("2013-03-25", "2013-04-01"))
    assert held_against(0, 1, 2) == (TimeWindow.of("2013-03-04", "2013-03-11"),)
    assert held_against(0, 1, 2, 3) == whole  # what stays for all of the time is the new normal


class CountedLake(Lake):
    """A lake that tells how often it was read."""

    reads = 0

    def read(self, *args, **kwargs):
        type(self).reads += 1
        return super().read(*args, **kwargs)


def test_a_window_is_read_once_for_all_steps_and_anew_where_the_table_was_written(tmp_path) -> None:
    lake, start = CountedLake(tmp_path), datetime(2013, 7, 1, tzinfo=UTC)
    system = SimpleNamespace(home=lambda _table: "s", selected=None)
    window = TimeWindow(start, start + days(7))

    def write(seed: int) -> pa.Table:
        _, features, _ = tables(seed)
        rows = features.append_column("tick", pa.array([start] * N, pa.timestamp("us", "UTC")))
        lake.write_ticks("s", "features", rows, schema=features.schema, ticks=[start], run_id=f"run {seed}")
        return features

    def step() -> MonitoringStep:
        return MonitoringStep(None, system, SimpleNamespace(lake=lake), window)

    first = write(0)
    CountedLake.reads = 0
    one, other = step(), step()
    assert one.features(window).equals(first)
    assert other.features(window).equals(first)
    assert CountedLake.reads == 1
    second = write(1)
    assert step().features(window).equals(second)
    assert CountedLake.reads == 2
    assert one.features(window).equals(first), "a step sees the version that it began with"
