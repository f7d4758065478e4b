"""The outbox: an alert with its deliveries once, whoever records it; a delivery until it succeeded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from mlsys_resources.operations_alerts import TAKEN_FOR
from mlsys_resources.operations_rows import AlertRow

JULY = datetime(2013, 7, 1, tzinfo=UTC)


def alert(number: int = 1, **changes: object) -> AlertRow:
    row = AlertRow(
        f"id{number}", "flights", JULY, "label shift: labels", "opened", "so", "warn", "ops", "subject", "body",
        ("file", "log"), {"alert": {"watch": "diagnosis"}},
    )  # fmt: skip
    return replace(row, **changes)


def test_an_alert_recorded_twice_is_one_and_comes_back_as_it_was(store) -> None:
    assert store.record_alerts([alert(), alert(2, channels=())]) == (alert(), alert(2, channels=()))
    assert store.record_alerts([alert(as_of=JULY + timedelta(days=1)), alert(3)]) == (alert(3),)
    assert store.alerts("flights") == (alert(), alert(2, channels=()), alert(3))
    assert store.alerts("flights", before=JULY) == ()
    assert store.alerts("rain") == ()
    assert [(d.alert.id, d.channel, d.tries) for d in store.deliveries("flights", left=True)] == [
        ("id1", "file", 0), ("id1", "log", 0), ("id3", "file", 0), ("id3", "log", 0),
    ]  # fmt: skip


def test_a_pass_is_recorded_whole_or_not_at_all(store) -> None:
    with pytest.raises(ValueError, match="JSON cannot hold"):
        store.record_alerts([alert(), alert(2, evidence={"x": float("nan")})])
    assert store.alerts("flights") == ()
    with pytest.raises(ValueError, match="subject"):
        store.record_alerts([alert(subject="a\x00")])


def test_a_delivery_is_tried_by_one_at_a_time_until_it_succeeds(store, clock) -> None:
    store.record_alerts([alert(channels=("log",))])
    (left,) = store.deliveries("flights", left=True)
    assert store.take_delivery(left)
    assert not store.take_delivery(left)
    store.put_back(left, said="it was down", delivered=False)
    (left,) = store.deliveries("flights", left=True)
    assert (left.tries, left.said) == (1, "it was down")
    assert store.take_delivery(left)
    store.put_back(left, said="told", delivered=True)
    assert store.deliveries("flights", left=True) == ()
    assert not store.take_delivery(left)
    (done,) = store.deliveries("flights")
    assert (done.tries, done.said, done.delivered_at) == (2, "told", clock.now())


def test_who_died_at_a_delivery_leaves_it_to_the_next(store, clock) -> None:
    store.record_alerts([alert(channels=("log",))])
    (left,) = store.deliveries("flights", left=True)
    assert store.take_delivery(left)
    clock.advance(TAKEN_FOR - timedelta(seconds=1))
    assert not store.take_delivery(left)
    clock.advance(timedelta(seconds=1))
    assert store.take_delivery(left)


def test_of_many_that_record_and_take_at_once_one_succeeds(store) -> None:
    recorded, taken = [], []

    def go() -> None:
        recorded.extend(store.record_alerts([alert(channels=("log",))]))
        (left,) = store.deliveries("flights", left=True)
        taken.append(store.take_delivery(left))

    threads = [Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorded == [alert(channels=("log",))]
    assert sorted(taken) == [False] * 7 + [True]
