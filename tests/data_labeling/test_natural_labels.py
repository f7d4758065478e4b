"""Labels come when they come; who has none says why."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.assets import told_once
from mlsys_assets.data_labeling.label import label_schema, settled, states
from mlsys_assets.data_labeling.natural_labels import NaturalLabel, natural_labels
from mlsys_assets.tables import Column
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


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.one_of(st.none(), st.sampled_from([0.0, 1.0])),
        st.sampled_from(["labelled", "cancelled"]),
        st.integers(0, 3),
    ),
    max_size=8,
)


def label_table(rows: list[tuple[str, float | None, str, int]]) -> pa.Table:
    at = [utc("2013-01-01") + hours(hour) for *_, hour in rows]
    columns = [[row[i] for row in rows] for i in range(3)]
    return pa.table([*columns, at, at], schema=label_schema("id"))


@given(ROWS, st.randoms())
def test_what_became_known_first_of_an_entity_stands_in_whatever_order_it_is_told(rows, order) -> None:
    def last_if_none(row):
        _, label, state, hour = row
        return hour, state, label is None, label or 0.0

    expected = {key: min((r for r in rows if r[0] == key), key=last_if_none) for key in {r[0] for r in rows}}
    order.shuffle(rows)
    found = settled(label_table(rows), key="id", corrections=False).sort_by("id")
    assert found.equals(label_table([expected[key] for key in sorted(expected)]))


def test_of_corrected_labels_the_last_stands() -> None:
    rows = [
        ("a", 1.0, "labelled", 2),
        ("a", 0.0, "labelled", 1),
        ("b", None, "cancelled", 1),
        ("b", 1.0, "labelled", 3),
    ]
    found = settled(label_table(rows), key="id", corrections=True).sort_by("id")
    assert found.equals(label_table([rows[0], rows[3]]))
    told = told_once(label_table(rows), key="id", corrections=True)
    assert told.passed
    assert told.summary == "2 entities, 2 corrections: what became known last counts"


def test_two_labels_of_one_moment_correct_each_other_and_are_told() -> None:
    rows = [
        ("a", 1.0, "labelled", 2),
        ("a", 0.0, "labelled", 1),
        ("b", None, "cancelled", 1),
        ("b", 1.0, "labelled", 1),
    ]
    told = told_once(label_table(rows), key="id", corrections=True)
    assert not told.passed
    assert told.summary.startswith(
        "1 of 4 rows tell of an entity that another told of at the same moment, such as 'b'; the first by state"
    )


def test_an_entity_told_of_twice_is_named() -> None:
    rows = [(name, 1.0, "labelled", hour) for hour, name in enumerate("abbb")]
    assert told_once(label_table(rows[:2]), key="id", corrections=False).passed
    assert told_once(label_table([]), key="id", corrections=False).summary == "0 entities"
    found = told_once(label_table(rows), key="id", corrections=False)
    assert not found.passed
    assert found.summary.startswith("2 of 4 rows tell of an entity that another told of already, such as 'b'; ")
    assert found.evidence == {"rows told again": 2}
