"""Labels come when they come; who has none says why."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source import Column, Source
from mlsys_assets.data_labeling.label import states
from mlsys_assets.data_labeling.natural_labels import NaturalLabel, natural_labels
from mlsys_assets.types import hours, utc

TIMESTAMP = pa.timestamp("us", tz="UTC")


def _source(name: str, *columns: Column) -> Source:
    own = (Column("id", "string"), *columns)
    return Source(name, read=lambda w: pa.table({}), raw=own, columns=own, derive=lambda raw: raw, key=("id",))


LANDED = _source("landed", Column("delay", "float64"))
CANCELLED = _source("cancelled_flights")


def make_label(**changes) -> NaturalLabel:
    declared = {
        "source": LANDED,
        "compute": lambda rows: pc.greater(rows["delay"], 15),
        "delay": hours(24),
        "window": hours(36),
        "never": {"cancelled": CANCELLED},
    }
    return NaturalLabel("late", **(declared | changes))


def _events(rows: dict[str, tuple[str, float]]) -> pa.Table:
    at = pa.array([utc(when) for when, _ in rows.values()], TIMESTAMP)
    return pa.table({
        "id": pa.array(list(rows), pa.string()),
        "delay": pa.array([delay for _, delay in rows.values()], pa.float64()),
        "event_time": at,
        "known_at": at,
    })  # fmt: skip


EVENTS = {
    "landed": _events({"b": ("2013-01-02T05:00", 15.0), "a": ("2013-01-01T03:00", 16.0)}),
    "cancelled_flights": _events({"c": ("2013-01-01T12:00", 0.0)}),
}


def test_labels_stand_in_the_order_in_which_they_became_known() -> None:
    rows = natural_labels(make_label(), EVENTS, key="id").to_pylist()
    assert [(r["id"], r["label"], r["state"]) for r in rows] == [
        ("a", 1.0, "labelled"), ("c", None, "cancelled"), ("b", 0.0, "labelled"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("2013-01-01T02:00", ["not known yet"] * 4),
        ("2013-01-01T03:00", ["labelled", "not known yet", "not known yet", "not known yet"]),
        ("2013-01-01T12:00", ["labelled", "not known yet", "cancelled", "not known yet"]),
        ("2013-01-02T13:00", ["labelled", "labelled", "cancelled", "never known"]),
    ],
)
def test_a_state_is_what_was_known_then(as_of: str, expected: list[str]) -> None:
    requests = pa.table({
        "id": ["a", "b", "c", "d"],
        "predict_at": pa.array([utc("2013-01-01T00:00")] * 4, TIMESTAMP),
    })  # fmt: skip
    labels = natural_labels(make_label(), EVENTS, key="id")
    found = states(requests, labels, key="id", as_of=utc(as_of), window=timedelta(hours=36))
    assert found.to_pylist() == expected


def test_later_events_change_no_earlier_state() -> None:
    requests = pa.table({"id": ["a", "b", "c"], "predict_at": pa.array([utc("2013-01-01T00:00")] * 3, TIMESTAMP)})
    as_of, window = utc("2013-01-01T12:00"), timedelta(hours=36)
    whole = natural_labels(make_label(), EVENTS, key="id")
    later = EVENTS | {"landed": _events({"a": ("2013-01-01T03:00", 16.0), "b": ("2013-01-03T00:00", 999.0)})}
    changed = natural_labels(make_label(), later, key="id")
    first, second = (states(requests, t, key="id", as_of=as_of, window=window) for t in (whole, changed))
    assert first.equals(second)


def test_mistakes_are_told() -> None:
    found = make_label(window=hours(1), never={"labelled": CANCELLED}).mistakes("flight_id")
    assert len(found) == 4
    assert "shorter than its delay" in found[0]
