"""One owner a state folder; what a dead one left behind can write no more."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from mlsys_assets.state_folder import clear, own
from mlsys_resources.fence import Fenced
from mlsys_resources.folder_lock import StateFolderBusy
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
SCHEMA = pa.schema([pa.field("x", pa.int64())])
PATIENCE_S = 60
OWNER = """
import os, subprocess, sys
from pathlib import Path
from mlsys_assets.state_folder import clear, own

with own(Path(sys.argv[1]), command="mlsys up", environment=os.environ) as owned:
    if len(sys.argv) > 2:
        print(subprocess.Popen([sys.executable, "-c", *sys.argv[2:]]).pid, flush=True)
    else:
        print(owned.token, flush=True)
    sys.stdin.readline()
"""
CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from mlsys_resources import parquet_files
from mlsys_resources.fence import Fenced
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
where, stops = sys.argv[1], [1]

def stop():
    if stops and stops.pop():
        os.kill(os.getpid(), signal.SIGSTOP)

def clock():  # asked when the row is made, before it is written
    if where == "operations":
        stop()
    return JULY

write = parquet_files.write
def stopped_write(*given, **more):  # the file is there, and the commit is not
    made = write(*given, **more)
    if where == "lake":
        stop()
    return made
parquet_files.write = stopped_write

stores = build_resources(os.environ, clock=clock)
def to_lake():
    stores.lake.write_snapshot("flights", "t", pa.table({"x": [2]}), schema=pa.schema([("x", pa.int64())]), run_id="2")
def to_operations():
    stores.operations.record(Decision("flights", JULY, "gate", "g", "pass", "by an orphan"))
tries = {"lake": to_lake, "operations": to_operations}
said = []
for name in sorted(tries, key=lambda name: name != where):
    try:
        tries[name]()
        said.append(f"{name} wrote")
    except Fenced as error:
        said.append(f"{name} fenced: {error}")
Path(sys.argv[2]).write_text("\\n".join([*said, "end"]))
"""


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def stores_of(environment: dict[str, str]) -> Resources:
    return build_resources(environment, clock=lambda: JULY)


@pytest.fixture
def environment() -> dict[str, str]:
    return {}


def test_the_second_process_is_told_who_is_there(tmp_path: Path, environment: dict[str, str]) -> None:
    with start(OWNER, str(tmp_path)) as first:
        assert first.stdout.readline() == "1\n"
        told = rf"{tmp_path} is in use by mlsys up \(process {first.pid} on "
        with pytest.raises(StateFolderBusy, match=told), own(tmp_path, command="mlsys run", environment=environment):
            pass
        assert environment == {}
        done = subprocess.run(
            [sys.executable, "-m", "mlsys_assets.cli", "run", "--home", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"mlsys: {tmp_path} is in use by mlsys up (process {first.pid} on ")
        assert "Traceback" not in done.stderr
        stores_of({"MLSYS_HOME": str(tmp_path), "MLSYS_FENCE": "1"}).operations.check_fence()  # it lost nothing by that
        first.communicate("\n")
    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert owned.token == 2


def test_an_owner_killed_leaves_the_folder_free_and_the_next_has_a_greater_token(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    tokens = []
    for _ in range(2):
        with start(OWNER, str(tmp_path)) as owner:
            tokens.append(int(owner.stdout.readline()))
            owner.kill()
    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert [*tokens, owned.token] == [1, 2, 3]


def test_the_environment_holds_home_and_token_while_the_folder_is_owned(tmp_path: Path) -> None:
    before = {"MLSYS_FENCE": "99", "MLSYS_HOME": "elsewhere", "OTHER": "x"}  # as of an owner that is gone
    environment = dict(before)
    home = tmp_path / "new" / "home"
    with pytest.raises(KeyError), own(home, command="mlsys run", environment=environment) as owned:  # noqa: PT012
        assert environment == {"MLSYS_FENCE": "1", "MLSYS_HOME": str(home), "OTHER": "x"}
        stores = stores_of(environment)
        assert (owned.home, stores.home, stores.token, owned.token) == (home, home, 1, 1)
        assert stores.operations.record(Decision("flights", JULY, "gate", "g", "pass", "may write"))
        stores.operations.close()
        raise KeyError
    assert environment == before


def test_a_damaged_record_is_a_clear_error_and_the_folder_is_free_again(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "operations.db").write_bytes(b"no database at all " * 500)
    for _ in range(2):
        with (
            pytest.raises(RuntimeError, match=r"operations.db'\) cannot be opened .*whole \(mlsys doctor\)"),
            own(tmp_path, command="mlsys run", environment=environment),
        ):
            pass
    assert environment == {}


@pytest.mark.parametrize("where", ["lake", "operations"])
def test_a_child_stopped_in_the_midst_of_a_write_can_commit_nothing_after_a_takeover(
    tmp_path: Path, where: str, environment: dict[str, str]
) -> None:
    home, result = tmp_path / "home", tmp_path / "result"
    with start(OWNER, str(home), CHILD, where, str(result)) as owner:
        child = int(owner.stdout.readline())
        state = Path(f"/proc/{child}/stat")
        until(lambda: state.read_text().split()[2] == "T")
        owner.kill()
        try:
            with own(home, command="mlsys run", environment=environment) as owned:
                assert owned.token == 2
                mine = stores_of(environment)
                mine.lake.write_snapshot("flights", "t", pa.table({"x": [1]}), schema=SCHEMA, run_id="1")
                os.kill(child, signal.SIGCONT)
                until(lambda: result.exists() and result.read_text().endswith("end"))
                first, second, _ = result.read_text().splitlines()
                for said in (first, second):
                    assert "fenced: another process took over the state folder: mlsys run (process " in said
                assert mine.lake.read("flights", "t")["x"].to_pylist() == [1]
                assert [commit.run_id for commit in mine.lake.history("flights", "t")][0] == "1"  # noqa: RUF015
                assert mine.operations.decisions("flights") == ()
                mine.operations.close()
        finally:
            os.kill(child, signal.SIGCONT)
            os.kill(child, signal.SIGKILL)


def test_a_child_of_a_living_owner_writes(tmp_path: Path) -> None:
    """The counterpart: stopped and let go on, with nobody taking over."""
    home, result = tmp_path / "home", tmp_path / "result"
    with start(OWNER, str(home), CHILD, "lake", str(result)) as owner:
        child = int(owner.stdout.readline())
        until(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "T")
        os.kill(child, signal.SIGCONT)
        until(lambda: result.exists() and result.read_text().endswith("end"))
        assert result.read_text() == "lake wrote\noperations wrote\nend"
        owner.communicate("\n")


def test_who_was_not_started_by_the_owner_writes_no_table(tmp_path: Path, environment: dict[str, str]) -> None:
    """As Dagster's own web pages, opened on the folder while `mlsys run` is at work."""
    other = stores_of({"MLSYS_HOME": str(tmp_path)})
    rows = pa.table({"x": [1]}).append_column("tick", pa.array([JULY], pa.timestamp("us", "UTC")))

    def write() -> None:
        other.lake.write_ticks("rain", "rows", rows, schema=SCHEMA, ticks=[JULY], run_id="by hand")

    with (
        own(tmp_path, command="mlsys run", environment=environment),
        pytest.raises(Fenced, match="in use by mlsys run"),
    ):
        write()
    assert not other.lake.has("rain", "rows")
    write()
    assert other.lake.has("rain", "rows")


def test_a_fresh_start_takes_out_all_that_mlsys_puts_there_and_nothing_else(tmp_path: Path) -> None:
    for name in ("lake/rain", "searches/rain/2013-03-05", "mlartifacts/verified", "notes"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "operations.db-wal").touch()
    clear(tmp_path, command="mlsys run --fresh")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("file")}
    assert left == {"notes/file"}
    assert not (tmp_path / "operations.db-wal").exists()
