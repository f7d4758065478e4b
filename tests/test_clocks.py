"""The clock that a system lives by, and the command that moves it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlsys_assets import Workspace, utc
from mlsys_assets.cli import main
from mlsys_assets.clocks import StoredClock, clock_of, duration, moment, moved
from mlsys_assets.system import MLSystem
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.types import FixedClock, SystemClock
from mlsys_resources.operations_store import OperationsStore

START, END = utc("2013-07-01"), utc("2014-01-06")


@dataclass
class Memory:
    """A clock store of one process."""

    stands: dict[str, datetime] = field(default_factory=dict)

    def clock(self, system: str) -> datetime | None:
        return self.stands.get(system)

    def advance_clock(self, system: str, *, to: datetime) -> datetime:
        self.stands[system] = to
        return to


@dataclass
class Stores:
    operations: Memory


def past(system: MLSystem) -> MLSystem:
    """The same system on data of the past."""
    return replace(system, simulated_from=START)


def test_a_system_lives_by_the_wall_clock_unless_it_says_where_its_own_begins() -> None:
    stores = Stores(Memory())
    today = replace(flights, simulated_from=None)
    assert isinstance(clock_of(today, stores), SystemClock)
    assert clock_of(past(flights), stores) == StoredClock(stores.operations, "flights", START)


def test_a_stored_clock_begins_at_its_start_and_stands_where_it_was_moved_to() -> None:
    memory = Memory()
    one, other = (StoredClock(memory, "flights", START) for _ in range(2))
    assert one.now() == START
    assert memory.stands == {}  # looking moves nothing
    one.advance(START + timedelta(days=7))
    assert other.now() == START + timedelta(days=7)
    assert StoredClock(memory, "weather", START).now() == START


def test_a_stored_clock_never_stands_before_its_start() -> None:
    memory = Memory({"flights": START - timedelta(days=1)})  # the declaration was changed since
    assert StoredClock(memory, "flights", START).now() == START
    with pytest.raises(ValueError, match=r"begins at 2013-07-01.*never goes back"):
        StoredClock(memory, "flights", START).advance(START - timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "hours"), [("7d", 168), ("12h", 12), ("90m", 1.5), ("1m", 1 / 60), ("99999d", 99_999 * 24)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, hours: float) -> None:
    assert duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "7w", "0d", "-7d", "1.5h", "7d12h", "100000d", "٧d", "7d\n"])
def test_nonsense_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write .* 7d \(days\)"):
        duration(text)


@pytest.mark.parametrize("text", ["", "tomorrow", "2013-13-01", "9999-12-31T23:59-05:00"])
def test_nonsense_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="is no date; write it as 2013-07-08"):
        moment(text)


def test_a_move_ends_where_the_data_ends() -> None:
    clock = StoredClock(Memory(), "flights", START)
    assert moved(clock, by="7d", end=END) == START + timedelta(days=7)
    assert moved(clock, to="2020-01-01", end=END) == END
    assert moved(clock, by="1m", end=END) == END
    assert moved(clock, by="1m") == END + timedelta(minutes=1)
    assert moved(clock, by="1m", end=END) == END + timedelta(minutes=1)  # a shorter calendar moves no clock back


def test_the_wall_clock_cannot_be_moved() -> None:
    for wanted in ({"by": "7d"}, {"to": "2013-07-08"}):
        with pytest.raises(ValueError, match="wall clock, which cannot be moved"):
            moved(FixedClock(START), **wanted)
    assert moved(FixedClock(START)) == START


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for a workspace whose one system lives on data of the past."""
    from mlsys_assets.systems import workspace as module

    monkeypatch.setenv("MLSYS_HOME", str(tmp_path))
    monkeypatch.setattr(module, "workspace", Workspace(past(flights)))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["clock", *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_the_command_says_where_the_clock_stands_and_moves_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "flights") == (0, "flights: 2013-07-01 00:00 UTC; its data ends at 2014-01-06 00:00 UTC\n")
    assert said(capsys, "flights", "--advance", "7d")[1].startswith("flights: 2013-07-08 00:00 UTC")
    assert said(capsys, "flights", "--to", "2013-07-09T12:30")[1].startswith("flights: 2013-07-09 12:30 UTC")
    assert said(capsys, "flights", "--advance", "400d") == (0, "flights: 2014-01-06 00:00 UTC: end of data\n")
    assert said(capsys, "flights") == (0, "flights: 2014-01-06 00:00 UTC: end of data\n")
    store = OperationsStore(f"sqlite:///{home}/operations.db", clock=SystemClock().now)
    assert store.clock("flights") == END
    store.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["flights", "--advance", "soon"], "mlsys: 'soon' is no duration"),
        (["flights", "--to", "soon"], "mlsys: 'soon' is no date"),
        (["flights", "--to", "2013-06-30"], "mlsys: the clock of flights begins at 2013-07-01"),
        (["trains"], "mlsys: the workspace has no system 'trains'; it has: flights"),
    ],
)
def test_the_command_says_what_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    code, told = said(capsys, *arguments)
    assert code == 1
    assert why in told
    assert "Traceback" not in told


def test_the_command_says_of_the_wall_clock_that_it_cannot_be_moved(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlsys_assets.systems import workspace as module

    monkeypatch.setattr(module, "workspace", Workspace(replace(flights, simulated_from=None)))
    code, told = said(capsys, "flights")
    assert code == 0
    assert told.endswith("UTC, the wall clock, which cannot be moved\n")
    assert said(capsys, "flights", "--advance", "7d")[0] == 1
