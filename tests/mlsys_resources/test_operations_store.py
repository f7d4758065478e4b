"""Operational state on SQLite and a real PostgreSQL: compare-and-set, the ledger, the read ledger, the clocks."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from mlsys_resources.operations_rows import Alias, AliasAttempt, Decision, ModelVersion, TestRead
from mlsys_resources.operations_store import Conflict, OperationsStore, UnknownModel

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
HOSTILE_TEXTS = [
    "x'; DROP TABLE mlsys_models; --",
    'x"; DROP TABLE mlsys_aliases; --',
    "%s %(x)s :p ?",
    "naïve ✈",
    "\n",
]
HOSTILE_NAMES = ["x'; DROP TABLE t; --", 'a"b', "a b", "", "a" * 64, "a\x00", "../x", "é"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str, clock: Callable[[], datetime]) -> Iterator[OperationsStore]:
    found = OperationsStore(url, clock=clock)
    yield found
    found.close()


@pytest.fixture
def sqlite_store(tmp_path: Path, clock: Callable[[], datetime]) -> Iterator[OperationsStore]:
    """For what is refused before any database hears of it."""
    found = OperationsStore(f"sqlite:///{tmp_path}/state.db", clock=clock)
    yield found
    found.close()


def model(version: int = 1, **changes: object) -> ModelVersion:
    standard = ModelVersion("flights", version, "lightgbm", f"c{version}", f"m{version}", "r", JULY, "flights/r/model")
    return replace(standard, **changes)  # type: ignore[arg-type]


def promote(store: OperationsStore, version: int, expected: int, as_of: datetime = JULY) -> Alias:
    return store.set_alias(
        "flights", "champion", version=version, content_hash=f"c{version}", as_of=as_of,
        expected_revision=expected, reason=f"gate passed for {version}",
    )  # fmt: skip


def decision(**changes: object) -> Decision:
    standard = Decision("flights", JULY, "gate", "better_than_champion", "pass", "AUC is higher", {"auc": 0.75, "n": 3})
    return replace(standard, **changes)  # type: ignore[arg-type]


# -- models ---------------------------------------------------------------------------------------


def test_a_model_on_record_comes_back_as_it_was(store: OperationsStore) -> None:
    assert store.model("flights", 1) is None
    assert store.record_model(model()) == model()
    assert store.model("flights", 1) == model()
    assert store.model("flights", 1).registered_at == JULY  # type: ignore[union-attr]
    assert store.find_model("flights", "lightgbm", content_hash="c1", as_of=JULY) == model()
    assert store.find_model("flights", "lightgbm", content_hash="c1", as_of=AUGUST) is None
    assert store.models("weather") == ()


def test_the_same_model_again_is_the_version_on_record(store: OperationsStore) -> None:
    store.record_model(model())
    assert store.record_model(model(2, content_hash="c1", run_id="retry")) == model()
    assert store.models("flights") == (model(),)


def test_equal_content_of_another_time_or_candidate_is_a_version_of_its_own(store: OperationsStore) -> None:
    same = [model(), model(2, content_hash="c1", as_of=AUGUST), model(3, content_hash="c1", name="zero_rule")]
    for one in same:
        store.record_model(one)
    assert store.models("flights") == tuple(same)


def test_a_version_number_is_never_given_to_another_model(store: OperationsStore) -> None:
    store.record_model(model())
    with pytest.raises(Conflict, match="do not belong together"):
        store.record_model(model(1, content_hash="other"))
    assert store.models("flights") == (model(),)


# -- aliases --------------------------------------------------------------------------------------


def test_an_alias_moves_by_compare_and_set(store: OperationsStore) -> None:
    for version in (1, 2):
        store.record_model(model(version))
    assert store.alias("flights", "champion") is None
    assert promote(store, 1, 0) == Alias("flights", "champion", 1, "c1", JULY, 1)
    assert promote(store, 2, 1, AUGUST) == Alias("flights", "champion", 2, "c2", AUGUST, 2)
    assert store.alias("flights", "champion") == Alias("flights", "champion", 2, "c2", AUGUST, 2)
    assert store.alias("flights", "challenger") is None


@pytest.mark.parametrize("expected", [0, 2, 7])
def test_whoever_expected_something_else_gets_a_conflict_and_is_on_record(
    store: OperationsStore, expected: int
) -> None:
    for version in (1, 2):
        store.record_model(model(version))
    promote(store, 1, 0)
    with pytest.raises(Conflict, match=rf"expected revision {expected}, found version 1 .*revision 1; .*read the"):
        promote(store, 2, expected)
    assert store.alias("flights", "champion") == Alias("flights", "champion", 1, "c1", JULY, 1)
    won, lost = store.attempts("flights")
    assert lost == AliasAttempt("flights", "champion", 2, "c2", JULY, expected, 1, "lost", "gate passed for 2", JULY)
    assert (won.outcome, won.expected_revision, won.found_revision, won.at) == ("won", 0, 0, JULY)


def test_expecting_a_revision_of_an_alias_never_set_is_a_conflict(store: OperationsStore) -> None:
    store.record_model(model())
    with pytest.raises(Conflict, match="expected revision 3, found nothing, revision 0"):
        promote(store, 1, 3)
    assert store.alias("flights", "champion") is None
    assert [attempt.outcome for attempt in store.attempts("flights")] == ["lost"]


@pytest.mark.parametrize(("version", "content"), [(1, "c2"), (9, "c9"), (1, "")])
def test_what_is_not_on_record_is_never_promoted(store: OperationsStore, version: int, content: str) -> None:
    """Fault 14: the evaluation of one model promotes no other one."""
    store.record_model(model())
    with pytest.raises(UnknownModel, match="register it first"):
        store.set_alias(
            "flights", "champion", version=version, content_hash=content, as_of=JULY, expected_revision=0, reason=""
        )
    assert store.alias("flights", "champion") is None
    assert [attempt.outcome for attempt in store.attempts("flights", "champion")] == ["refused"]


def test_a_decision_of_the_past_does_not_undo_a_later_one(store: OperationsStore) -> None:
    for version in (1, 2):
        store.record_model(model(version))
    promote(store, 2, 0, AUGUST)
    with pytest.raises(Conflict, match="comes too late"):
        promote(store, 1, 1, JULY)
    assert store.alias("flights", "champion").version == 2  # type: ignore[union-attr]


@given(st.data())
def test_the_alias_as_of_a_time_is_its_last_move_until_then(tmp_path: Path, data: st.DataObject) -> None:
    store = OperationsStore(f"sqlite:///{tmp_path}/{time.monotonic_ns()}.db", clock=lambda: AUGUST)
    store.record_model(model())
    moves = sorted(data.draw(st.lists(st.integers(0, 30), max_size=6)))
    for revision, day in enumerate(moves):
        promote(store, 1, revision, JULY + timedelta(days=day))
    for day in range(-1, 32):
        at = JULY + timedelta(days=day)
        until = [moved for moved in moves if moved <= day]
        found = store.alias_at("flights", "champion", at)
        assert (0 if found is None else found.revision) == len(until)
        assert found is None or found.as_of == JULY + timedelta(days=until[-1])
    store.close()


def test_a_lost_attempt_does_not_count_as_of_its_time(store: OperationsStore) -> None:
    for version in (1, 2):
        store.record_model(model(version))
    first = promote(store, 1, 0)
    with pytest.raises(Conflict):
        promote(store, 2, 0, AUGUST)
    assert store.alias_at("flights", "champion", AUGUST) == first


# -- two processes --------------------------------------------------------------------------------

WORKER = """
import sys, time
from datetime import UTC, datetime
from mlsys_resources.operations_store import Conflict, OperationsStore
url, version = sys.argv[1], int(sys.argv[2])
at = datetime(2013, 7, 1, tzinfo=UTC)
store = OperationsStore(url, clock=lambda: at)
if "late" not in sys.argv:
    store.models("flights")
print("ready", flush=True)
for line in sys.stdin:
    alias, start, expected = line.split()
    while time.monotonic() < float(start):
        pass
    try:
        store.set_alias("flights", alias, version=version, content_hash=f"c{version}", as_of=at,
                        expected_revision=int(expected), reason="raced")
        print("won", flush=True)
    except Conflict as conflict:
        print("lost", conflict, flush=True)
    except Exception as error:
        print("error", type(error).__name__, flush=True)
"""


@pytest.fixture
def race(url: str) -> Iterator[Callable[..., list[str]]]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, str(version)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for version in (1, 2)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]

    def run(alias: str, expected: int) -> list[str]:
        start = time.monotonic() + 0.05
        for worker in workers:
            worker.stdin.write(f"{alias} {start} {expected}\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        return [worker.stdout.readline() for worker in workers]  # type: ignore[union-attr]

    yield run
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0


def test_of_two_processes_one_wins_and_one_gets_a_conflict_and_both_are_on_record(
    store: OperationsStore, race: Callable[..., list[str]]
) -> None:
    """Faults 12 and 13: ten races for the first move of an alias and ten for the next one."""
    for version in (1, 2):
        store.record_model(model(version))
    for round_ in range(10):
        alias = f"champion_{round_}"
        for expected in (0, 1):
            answers = race(alias, expected)
            assert sorted(answer.split()[0] for answer in answers) == ["lost", "won"], answers
            winner = 1 + [answer.startswith("won") for answer in answers].index(True)
            assert f"expected revision {expected}, found version {winner}" in answers[2 - winner]
            stands = store.alias("flights", alias)
            assert (stands.version, stands.revision) == (winner, expected + 1)  # type: ignore[union-attr]
        tries = store.attempts("flights", alias)
        assert sorted((one.outcome, one.expected_revision) for one in tries) == [
            ("lost", 0), ("lost", 1), ("won", 0), ("won", 1)]  # fmt: skip
        assert {(one.version, one.expected_revision) for one in tries} == {(1, 0), (1, 1), (2, 0), (2, 1)}


def test_three_processes_create_the_tables_at_once(url: str) -> None:
    code = (
        "import sys, time\n"
        "from datetime import UTC, datetime\n"
        "from mlsys_resources.operations_store import OperationsStore\n"
        "store = OperationsStore(sys.argv[1], clock=lambda: datetime(2013, 7, 1, tzinfo=UTC))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(store.models('flights'), flush=True)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for worker in workers:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    assert [worker.communicate()[0] for worker in workers] == ["()\n"] * 3


# -- decisions ------------------------------------------------------------------------------------


def test_a_decision_is_recorded_once(store: OperationsStore) -> None:
    assert store.record(decision())
    assert not store.record(decision())
    assert not store.record(decision(context={"version": 9}))  # what a store assigned is no part of it
    (found,) = store.decisions("flights")
    assert found == decision()
    assert found.evidence == {"auc": 0.75, "n": 3}
    assert found.recorded_at == JULY


@pytest.mark.parametrize("change", [
    {"verdict": "fail"}, {"reason": "other"}, {"evidence": {"auc": 0.75}}, {"evidence": {"auc": 0.75, "n": 3.0}},
    {"evidence": {"auc": 0.7500000000000001, "n": 3}},
])  # fmt: skip
def test_another_decision_with_the_same_key_is_a_conflict(store: OperationsStore, change: dict[str, object]) -> None:
    store.record(decision())
    other = decision(**change)
    with pytest.raises(Conflict, match=rf"found {decision().content_hash}, expected {other.content_hash}"):
        store.record(other)
    assert store.decisions("flights") == (decision(),)


def test_the_ledger_hash_is_of_what_was_decided_alone(
    tmp_path: Path, postgres_url: str, clock: Callable[[], datetime]
) -> None:
    """Promise 6: order of writing, store, wall clock and store-assigned counters leave it alone."""
    made = [
        decision(as_of=as_of, kind=kind, name=name)
        for as_of in (JULY, AUGUST) for kind in ("gate", "Trigger") for name in ("b", "a", "B", "ä", "_", "é")
    ]  # fmt: skip
    one = OperationsStore(f"sqlite:///{tmp_path}/one.db", clock=clock)
    two = OperationsStore(postgres_url, clock=lambda: AUGUST)
    for each in made:
        one.record(each)
    for number, each in enumerate(reversed(made)):
        two.record(replace(each, context={"run_id": f"r{number}"}))
    two.record(decision(system="weather"))
    assert one.decisions("flights") == two.decisions("flights")
    assert one.ledger_hash("flights") == two.ledger_hash("flights")
    assert one.ledger_hash("flights") != two.ledger_hash("weather")
    two.record(decision(name="one more"))
    assert one.ledger_hash("flights") != two.ledger_hash("flights")
    one.close()
    two.close()


@pytest.mark.parametrize("column", ["verdict", "reason", "evidence", "name", "kind"])
def test_a_record_changed_behind_our_back_changes_the_hash(tmp_path: Path, column: str) -> None:
    store = OperationsStore(f"sqlite:///{tmp_path}/state.db", clock=lambda: JULY)
    store.record(decision())
    before = store.ledger_hash("flights")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/state.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE mlsys_decisions SET {column} = '[1]'" if column != "evidence" else
                                   "UPDATE mlsys_decisions SET evidence = '{\"auc\":0.76,\"n\":3}'")  # fmt: skip
    engine.dispose()
    assert store.ledger_hash("flights") != before
    store.close()


def test_decisions_are_found_by_kind_and_in_order(store: OperationsStore) -> None:
    later, gate, trigger = decision(as_of=AUGUST), decision(), decision(kind="trigger", name="Every(7 days)")
    for each in (later, trigger, gate):
        store.record(each)
    assert store.decisions("flights") == (gate, trigger, later)
    assert store.decisions("flights", "gate") == (gate, later)
    assert store.decisions("weather") == ()


@pytest.mark.parametrize("evidence", [{"auc": float("nan")}, {"auc": float("inf")}, {"auc": object()}, {1: 2}])
def test_evidence_that_json_cannot_hold_is_refused(sqlite_store: OperationsStore, evidence: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="value"):
        sqlite_store.record(decision(evidence=evidence))
    assert sqlite_store.decisions("flights") == ()


# -- reads of sealed tests ------------------------------------------------------------------------


def test_reads_of_a_sealed_split_are_counted_and_a_step_run_again_adds_none(store: OperationsStore) -> None:
    read = TestRead("flights", "static_test", "h1", "lightgbm, zero_rule", "champion decision", JULY)
    others = [replace(read, reason="a second look"), replace(read, content_hash="h2"), replace(read, as_of=AUGUST)]
    assert store.record_test_read(read)
    assert not store.record_test_read(read)
    for other in others:
        assert store.record_test_read(other)
    assert set(store.test_reads("flights")) == {read, *others}
    assert len(store.test_reads("flights", content_hash="h1")) == 3
    assert store.test_reads("flights", content_hash="h2") == (others[1],)
    assert store.test_reads("weather") == ()


# -- simulated clocks -----------------------------------------------------------------------------

CLOCK_WORKER = """
import sys
from datetime import UTC, datetime, timedelta
from mlsys_resources.operations_store import OperationsStore
url, hours = sys.argv[1], range(int(sys.argv[2]), 60, 2)
at = datetime(2013, 7, 1, tzinfo=UTC)
store = OperationsStore(url, clock=lambda: at)
print("ready", flush=True)
sys.stdin.readline()
for hour in hours:
    to = at + timedelta(hours=hour)
    try:
        stands = store.advance_clock("flights", to=to)
        print("moved" if stands == to else "wrong", flush=True)
    except ValueError:
        stands = store.clock("flights")
        print("late" if stands > to else "wrong", flush=True)
"""


def test_a_clock_moves_forward_for_every_process_and_each_system_has_its_own(
    store: OperationsStore, url: str, clock: Callable[[], datetime]
) -> None:
    assert store.clock("flights") is None
    assert store.advance_clock("flights", to=JULY) == JULY
    assert store.advance_clock("flights", to=AUGUST) == AUGUST
    assert store.advance_clock("weather", to=JULY) == JULY
    other = OperationsStore(url, clock=clock)
    assert (other.clock("flights"), other.clock("weather"), other.clock("rain")) == (AUGUST, JULY, None)
    other.close()


def test_a_clock_moved_to_where_it_stands_stays_there(store: OperationsStore) -> None:
    assert [store.advance_clock("flights", to=JULY) for _ in range(2)] == [JULY, JULY]


def test_a_clock_never_goes_back_and_says_where_it_stands(store: OperationsStore) -> None:
    store.advance_clock("flights", to=AUGUST)
    with pytest.raises(ValueError, match=r"flights stands at 2013-08-01T00:00:00\+00:00 and never goes back.*later"):
        store.advance_clock("flights", to=AUGUST - timedelta(microseconds=1))
    assert store.clock("flights") == AUGUST


def test_a_clock_is_moved_to_an_aware_time(sqlite_store: OperationsStore) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        sqlite_store.advance_clock("flights", to=JULY.replace(tzinfo=None))
    assert sqlite_store.clock("flights") is None


def test_two_processes_that_move_a_clock_never_move_it_back(store: OperationsStore, url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLOCK_WORKER, url, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for worker in workers:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    seen = []
    while any(worker.poll() is None for worker in workers):
        seen.append(store.clock("flights") or JULY)
    said = [line for worker in workers for line in worker.communicate()[0].split()]
    assert seen == sorted(seen)
    assert len(said) == 60
    assert set(said) <= {"moved", "late"}, said
    assert store.clock("flights") == JULY + timedelta(hours=59)


# -- hostile input --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_system_or_alias_is_refused(sqlite_store: OperationsStore, name: str) -> None:
    sqlite_store.record_model(model())
    calls: list[Callable[[], object]] = [
        lambda: sqlite_store.record_model(model(system=name)),
        lambda: sqlite_store.model(name, 1),
        lambda: sqlite_store.models(name),
        lambda: sqlite_store.alias(name, "champion"),
        lambda: sqlite_store.alias("flights", name),
        lambda: sqlite_store.alias_at("flights", name, JULY),
        lambda: sqlite_store.attempts("flights", name),
        lambda: sqlite_store.record(decision(system=name)),
        lambda: sqlite_store.ledger_hash(name),
        lambda: sqlite_store.record_test_read(TestRead(name, "s", "h", "m", "r", JULY)),
        lambda: sqlite_store.test_reads(name),
        lambda: sqlite_store.clock(name),
        lambda: sqlite_store.advance_clock(name, to=JULY),
        lambda: sqlite_store.set_alias(
            "flights", name, version=1, content_hash="c1", as_of=JULY, expected_revision=0, reason=""),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="not an allowed name"):
            call()


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_bound_and_comes_back(store: OperationsStore, text: str) -> None:
    """Fault 43."""
    made = decision(kind=text, name=text, verdict=text, reason=text, evidence={text: text}, context={text: text})
    store.record(made)
    store.record_model(model(name=text, content_hash=text, run_id=text, source=text))
    read = TestRead("flights", text, text, text, text, JULY)
    store.record_test_read(read)
    assert store.decisions("flights", text) == (made,)
    assert store.find_model("flights", text, content_hash=text, as_of=JULY) is not None
    assert store.test_reads("flights", content_hash=text) == (read,)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 20_000, None, 7])
def test_text_that_no_database_holds_is_refused(sqlite_store: OperationsStore, text: object) -> None:
    with pytest.raises(ValueError, match="allowed is text"):
        sqlite_store.record(decision(reason=text))
    with pytest.raises(ValueError, match="allowed is text"):
        sqlite_store.record(decision(name=text))
    assert sqlite_store.decisions("flights") == ()


@pytest.mark.parametrize("version", [-1, 2**31, True, "1", None, 1.0])
def test_a_number_that_is_none_is_refused(sqlite_store: OperationsStore, version: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        sqlite_store.model("flights", version)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whole number"):
        sqlite_store.set_alias("flights", "champion", version=1, content_hash="c1", as_of=JULY,
                        expected_revision=version, reason="")  # type: ignore[arg-type]  # fmt: skip
