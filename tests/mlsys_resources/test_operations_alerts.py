"""The outbox: an alert with its deliveries once, whoever records it; a delivery until it succeeded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from mlsys_resources.operations_alerts import TAKEN_FOR
from mlsys_resources.operations_rows import AlertCheckpoint, AlertRow

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


def test_of_each_fault_the_last_decision_and_of_each_verdict_the_count_as_of_a_moment(store) -> None:
    week = timedelta(days=7)
    rows = [
        alert(1), alert(2, verdict="worse", as_of=JULY + week), alert(3, name="skew: temp", as_of=JULY + week),
        alert(4, verdict="resolved", as_of=JULY + 2 * week, channels=()),
    ]  # fmt: skip
    store.record_alerts([*rows, alert(9, system="rain")])
    assert store.last_alerts("flights", until=JULY + 2 * week) == (rows[2], rows[3])
    assert store.last_alerts("flights", until=JULY + week) == (rows[1], rows[2])
    assert store.last_alerts("flights", until=JULY - week) == ()
    assert store.alert_counts("flights", until=JULY + week) == {"opened": 2, "worse": 1}
    found = store.alerts("flights")
    assert [row.number for row in found] == sorted({row.number for row in found})
    assert store.alerts("flights", after=found[1].number) == (rows[2], rows[3])


def test_of_what_stands_the_later_is_kept(store) -> None:
    assert store.alert_checkpoint("flights", "checks") is None
    for number, state in ((5, {"a": 1}), (9, {"a": [2.5, None]}), (7, {"a": 3})):
        store.keep_alert_checkpoint(AlertCheckpoint("flights", "checks", number, JULY, state))
    store.keep_alert_checkpoint(AlertCheckpoint("flights", "runs", 1, JULY, {}))
    kept = store.alert_checkpoint("flights", "checks")
    assert kept == AlertCheckpoint("flights", "checks", 9, JULY, {"a": [2.5, None]})
    assert store.alert_checkpoint("rain", "checks") is None


def test_of_each_channel_the_first_are_due_that_nobody_is_at_and_that_do_not_wait(store, clock) -> None:
    store.record_alerts([alert(n) for n in range(1, 5)])

    def due() -> list[tuple[str, str]]:
        return [(one.alert.id, one.channel) for one in store.due("flights", most=2)]

    assert due() == [("id1", "file"), ("id1", "log"), ("id2", "file"), ("id2", "log")]
    first, _, second, _ = store.due("flights", most=2)
    assert store.take_delivery(first)
    store.put_back(first, said="not that", delivered=False, wait=timedelta(hours=1))
    assert store.take_delivery(second)
    assert due() == [("id1", "log"), ("id2", "log"), ("id3", "file"), ("id4", "file")]
    assert store.left("flights") == 8
    clock.advance(timedelta(hours=1))
    assert due() == [("id1", "file"), ("id1", "log"), ("id2", "file"), ("id2", "log")]
    assert store.due("rain", most=2) == ()


def test_who_was_slow_does_not_take_back_what_another_delivered(store, clock) -> None:
    store.record_alerts([alert(channels=("log",))])
    (left,) = store.deliveries("flights", left=True)
    assert store.take_delivery(left)
    clock.advance(TAKEN_FOR)
    assert store.take_delivery(left)
    store.put_back(left, said="told", delivered=True)
    store.put_back(left, said="it took too long", delivered=False)
    (done,) = store.deliveries("flights")
    assert (done.said, done.delivered_at) == ("told", clock.now())


def test_a_clock_that_was_years_ahead_keeps_no_alert_for_years(store, clock) -> None:
    store.record_alerts([alert(channels=("log",))])
    (left,) = store.deliveries("flights", left=True)
    clock.advance(timedelta(days=800))
    assert store.take_delivery(left)
    clock.advance(timedelta(days=-800))
    assert [one.alert.id for one in store.due("flights", most=1)] == ["id1"]
    assert store.take_delivery(left)
