"""Of all owners the last may write and no other, on SQLite and a real PostgreSQL, whenever it takes over."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from mlsys_resources import database, fence
from mlsys_resources.database import DatabaseUnavailable
from mlsys_resources.fence import Fenced
from mlsys_resources.operations_rows import Decision, ModelVersion, TestRead
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import build_resources
from mlsys_resources.worker import Worker

JULY = datetime(2013, 7, 1, tzinfo=UTC)
MODEL = ModelVersion("flights", 1, "lightgbm", "c1", "m1", "r", JULY, "flights/r/model")
GATE = Decision("flights", JULY, "gate", "better", "pass", "AUC is higher")
READ = TestRead("flights", "static_test", "h1", "lightgbm", "champion decision", JULY)

Open = Callable[..., OperationsStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Open]:
    made: list[OperationsStore] = []

    def build(token: int | None = None, clock: Callable[[], datetime] = lambda: JULY) -> OperationsStore:
        made.append(OperationsStore(url, clock=clock, token=token))
        return made[-1]

    yield build
    for each in made:
        each.close()


def promote(one: OperationsStore) -> object:
    return one.set_alias(
        "flights", "champion", version=1, content_hash="c1", as_of=JULY, expected_revision=0, reason="gate passed"
    )


WRITES: dict[str, Callable[[OperationsStore], object]] = {
    "a model": lambda one: one.record_model(MODEL),
    "an alias": promote,
    "a decision": lambda one: one.record(GATE),
    "a read of a test": lambda one: one.record_test_read(READ),
    "a takeover": lambda one: one.take_over("somebody who was one before"),
}


def said(one: OperationsStore) -> list[object]:
    return [one.models("flights"), one.attempts("flights"), one.decisions("flights"), one.test_reads("flights")]


def test_every_token_is_greater_than_all_before(store: Open) -> None:
    assert [store().take_over(f"owner {n}") for n in range(3)] == [1, 2, 3]


def test_of_two_that_take_over_at_once_each_has_a_token_of_its_own(store: Open) -> None:
    tokens: list[int] = []
    owners = [threading.Thread(target=lambda: tokens.append(store().take_over("one of many"))) for _ in range(6)]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
    assert sorted(tokens) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("what", WRITES)
def test_no_owner_before_the_last_writes_anything(store: Open, what: str) -> None:
    first = store(store().take_over("mlsys run (process 7)"))
    if what == "an alias":
        first.record_model(MODEL)
    before = said(first)
    last = store(store().take_over("mlsys up (process 8)"))
    with pytest.raises(Fenced, match=r"mlsys up \(process 8\) has token 2 since 2013-07-01 .* this process has 1; "):
        WRITES[what](first)
    with pytest.raises(Fenced, match="nothing was written, and this process must end"):
        first.check_fence()
    assert said(first) == before  # it may still read
    last.check_fence()
    WRITES[what](last)


def test_who_has_no_token_is_not_fenced(store: Open) -> None:
    reader = store()
    store().take_over("owner")
    reader.check_fence()
    assert reader.record(GATE)


def test_a_store_that_was_cleared_takes_no_write_of_an_earlier_owner(store: Open) -> None:
    """Its successor's tokens begin at 1 again, and are no greater than those of before."""
    with pytest.raises(Fenced, match="cleared since this process was given token 5"):
        store(5).record(GATE)
    assert store().take_over("anew") == 1
    with pytest.raises(Fenced, match="anew has token 1"):
        store(5).record(GATE)


def test_a_takeover_waits_for_a_write_that_has_begun(store: Open) -> None:
    """Else the new owner would read what stood before, and the old one's write would come to stand after."""
    within, go_on = threading.Event(), threading.Event()

    def clock() -> datetime:  # asked in the midst of the transaction that moves an alias
        within.set()
        assert go_on.wait(20)
        return JULY

    first = store(store().take_over("first"), clock=clock)
    store().record_model(MODEL)
    tokens: list[int] = []
    mover = threading.Thread(target=promote, args=(first,))
    successor = threading.Thread(target=lambda: tokens.append(store().take_over("second")))
    mover.start()
    assert within.wait(20)
    successor.start()
    successor.join(0.3)
    assert successor.is_alive()
    go_on.set()
    for thread in (mover, successor):
        thread.join()
    assert tokens == [2]
    assert [attempt.outcome for attempt in first.attempts("flights")] == ["won"]
    with pytest.raises(Fenced):
        first.record(GATE)


def test_a_write_that_never_ends_is_a_clear_error(store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "PATIENCE_S", 1)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.5)
    go_on, within = threading.Event(), threading.Event()

    def clock() -> datetime:
        within.set()
        assert go_on.wait(20)
        return JULY

    store().record_model(MODEL)
    store().begin_run("r", Worker.this(), token=1)
    first, second = store(store().take_over("first"), clock=clock), store()
    second.models("flights")  # its connection stands, so that it is the takeover that waits

    def move() -> None:
        with first.at_work("r"):
            promote(first)

    mover = threading.Thread(target=move)
    mover.start()
    assert within.wait(20)
    try:
        with pytest.raises(DatabaseUnavailable, match=r"cannot be taken over: .*find it .* and end it"):
            second.take_over("second")
        with pytest.raises(DatabaseUnavailable, match=r"run r cannot be fenced: .*find it .* and end it"):
            second.fence_run("r", "its worker is gone")
    finally:
        go_on.set()
        mover.join()


def test_the_lake_takes_nothing_of_an_owner_before_the_last(tmp_path: Path) -> None:
    home = {"MLSYS_HOME": str(tmp_path)}
    schema = pa.schema([pa.field("x", pa.int64())])

    def write(stores, rows: list[int]) -> object:
        return stores.lake.write_snapshot("flights", "t", pa.table({"x": rows}), schema=schema, run_id=f"{rows}")

    reader = build_resources(home, clock=lambda: JULY)
    owners = []
    for _ in range(2):
        token = reader.operations.take_over("owner")
        owners.append(build_resources({**home, "MLSYS_FENCE": str(token)}, clock=lambda: JULY))
    write(owners[1], [1])
    write(owners[0], [1])  # what is there already is no write
    with pytest.raises(Fenced):
        write(owners[0], [2])
    with pytest.raises(Fenced):
        owners[0].lake.write_snapshot("flights", "new", pa.table({"x": [1]}), schema=schema, run_id="r")
    assert reader.lake.tables("flights") == ("t",)
    assert reader.lake.read("flights", "t")["x"].to_pylist() == [1]
    for each in (reader, *owners):
        each.operations.close()


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [what for what in WRITES if what != "a takeover"])
def test_a_fenced_run_writes_nothing_and_others_do(store: Open, what: str) -> None:
    one = store(store().take_over("mlsys up (process 7)"))
    one.begin_run("r1", Worker.this(), token=1)
    if what == "an alias":
        one.record_model(MODEL)
    before = said(one)
    with one.at_work("r1"):
        one.check_fence()
        assert store().fence_run("r1", "its worker is gone")
        with pytest.raises(Fenced, match=r"run r1 may write no more since 2013-07-01 .* \(its worker is gone\); "):
            WRITES[what](one)
        with pytest.raises(Fenced, match="what it was asked for is asked for again"):
            one.check_fence()
        assert said(one) == before
    with one.at_work("r2"):
        WRITES[what](one)
    one.check_fence()


def test_who_has_no_token_is_fenced_by_its_run_all_the_same(tmp_path: Path) -> None:
    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY)
    schema = pa.schema([pa.field("x", pa.int64())])
    stores.operations.fence_run("r1", "it has ended")
    with stores.operations.at_work("r1"), pytest.raises(Fenced, match="it has ended"):
        stores.lake.write_snapshot("flights", "t", pa.table({"x": [1]}), schema=schema, run_id="r1")
    stores.lake.write_snapshot("flights", "t", pa.table({"x": [1]}), schema=schema, run_id="r2")
    stores.operations.close()


def test_fencing_a_run_waits_for_its_write_that_has_begun(store: Open) -> None:
    """Else its successor would read what stood before, and the write would come to stand after."""
    within, go_on = threading.Event(), threading.Event()

    def clock() -> datetime:
        if threading.current_thread() is mover:
            within.set()
            assert go_on.wait(20)
        return JULY

    mover = threading.Thread(target=lambda: promote(first))
    first = store(clock=clock)
    first.record_model(MODEL)
    first.begin_run("r1", Worker.this(), token=0)
    fenced: list[bool] = []
    reaper = threading.Thread(target=lambda: fenced.append(store().fence_run("r1", "its worker is gone")))
    with first.at_work("r1"):
        mover.start()
        assert within.wait(20)
        reaper.start()
        reaper.join(0.3)
        assert reaper.is_alive()
        go_on.set()
        for thread in (mover, reaper):
            thread.join()
        assert fenced == [True]
        assert [attempt.outcome for attempt in first.attempts("flights")] == ["won"]
        with pytest.raises(Fenced):
            first.record(GATE)


def test_a_lease_tells_who_works_at_a_run_and_how_it_ended(store: Open) -> None:
    one, me, gone = store(), Worker.this(), Worker("elsewhere", 7, "x")
    for run, worker in (("well", me), ("lost", gone), ("fenced", me)):
        one.begin_run(run, worker, token=3)
    one.beat_run("lost")
    one.end_run("well")
    assert (one.fence_run("fenced", "why"), one.fence_run("fenced", "again")) == (True, False)
    assert one.fence_run("never begun", "why")
    found = one.leases(["well", "lost", "fenced", "never begun", "unknown"])
    assert {run: (lease.worker, lease.beats, lease.token, lease.was_lost) for run, lease in found.items()} == {
        "well": (me, 0, 3, False),
        "lost": (gone, 1, 3, True),
        "fenced": (me, 0, 3, True),
        "never begun": (None, 0, 0, False),
    }
    assert found["fenced"].reason == "why"
    assert set(one.open_leases()) == {"lost"}
    assert one.leases([]) == {}
    for late in (
        lambda: one.begin_run("never begun", me, token=3),
        lambda: one.beat_run("fenced"),
        lambda: one.end_run("fenced"),
    ):
        with pytest.raises(Fenced, match="may write no more"):
            late()


@pytest.mark.parametrize("given", ["x", "-1", "1.0"])
def test_a_token_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=f"MLSYS_FENCE is '{given}'; it is the number .* unset it"):
        build_resources({"MLSYS_FENCE": given}, clock=lambda: JULY).lake  # noqa: B018


def test_no_token_is_none() -> None:
    assert [build_resources(env, clock=lambda: JULY).token for env in ({}, {"MLSYS_FENCE": ""})] == [None, None]
