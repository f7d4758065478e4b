"""A connection to MLflow answers or fails in bounded time, says what to do, and shows no password."""

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlsys_resources.database_urls import shown
from mlsys_resources.mlflow_connection import HttpBounds, ModelStoreError, connect, driver_uri, failing_clearly

SECRET = "canary-9b2e"
BOUNDS = HttpBounds(timeout_s=1, retries=1, backoff_s=0)
PATIENCE_S = 20
"""More than two tries of a second each and far less than MLflow's own ten minutes, on a busy machine."""


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://ann:{SECRET}@127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def no_server() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://ann:{SECRET}@127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("server", ["silent_server", "no_server"])
def test_a_server_that_does_not_answer_is_a_clear_error_in_bounded_time(
    server: str, request: pytest.FixtureRequest
) -> None:
    uri = request.getfixturevalue(server)
    client = connect(uri, BOUNDS)
    started = time.monotonic()
    with pytest.raises(ModelStoreError) as refused, failing_clearly(uri, "the run could not be logged"):
        client.get_experiment_by_name("flights")
    assert time.monotonic() - started < PATIENCE_S
    assert str(refused.value).startswith("the run could not be logged")
    assert "check that MLflow at http://ann:***@127.0.0.1" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_database_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(ModelStoreError, match="could not be opened"):
        connect(f"sqlite:///{tmp_path}/mlflow.db", BOUNDS)


def test_the_disk_and_callers_mistakes_are_told_apart() -> None:
    with (
        pytest.raises(ModelStoreError, match=r"x \(OSError: .*No space left.*check the disk's space"),
        failing_clearly("sqlite:///x", "x"),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(ValueError, match="mine"), failing_clearly("sqlite:///x", "x"):
        raise ValueError("mine")


def test_a_first_start_says_nothing_of_the_tables_it_makes(tmp_path: Path) -> None:
    code = "import sys\nfrom mlsys_resources.mlflow_connection import *\nconnect(sys.argv[1], HttpBounds())"
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    done = subprocess.run([sys.executable, "-c", code, uri], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "new" / "mlflow.db").exists()


BEGUN = """
import os, signal, sys
from contextlib import closing
import sqlalchemy as sa
from mlflow.store.db.utils import _verify_schema
from mlsys_resources.mlflow_connection import HttpBounds, connect, sqlite3

def begun(last=None):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    statements = []
    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def _(*_):
        statements.append(None)
        if len(statements) == last:
            os.kill(os.getpid(), signal.SIGKILL)
    connect(f"sqlite:///{sys.argv[2] if last else sys.argv[1]}", HttpBounds())
    with open(sys.argv[3], "w") as file:
        file.write(str(len(statements)))
    os._exit(0)

assert begun() == 0
total = int(open(sys.argv[3]).read())
for part in range(5):
    assert begun(last=1 + total * part // 5) == signal.SIGKILL
    assert not os.path.exists(sys.argv[2])
assert os.path.exists(sys.argv[2] + ".new")
connect(f"sqlite:///{sys.argv[2]}", HttpBounds())
_verify_schema(sa.create_engine(f"sqlite:///{sys.argv[2]}"))
assert not os.path.exists(sys.argv[2] + ".new")
"""


def test_a_first_start_killed_at_any_statement_is_begun_again(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("whole.db", "mlflow.db", "total.txt")]
    done = subprocess.run([sys.executable, "-c", BEGUN, *names], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SECOND = """
import sqlite3, sys, time
from mlsys_resources.mlflow_connection import HttpBounds, connect

def content(file):
    with sqlite3.connect(file) as database:
        tables = database.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name").fetchall()
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return tables, {name: database.execute(f"SELECT count(*) FROM {name}").fetchone() for name in sorted(names)}

took = []
for file in sys.argv[1:]:
    began = time.process_time()
    client = connect(f"sqlite:///{file}", HttpBounds())
    took.append(time.process_time() - began)
    (default,) = client.search_experiments()
    assert (default.experiment_id, default.artifact_location) == ("0", file.replace("mlflow.db", "mlartifacts/0"))
    assert client.create_experiment("mine") == "1"
assert content(sys.argv[1]) == content(sys.argv[2])
assert took[1] < took[0] / 2, took
"""


def test_a_second_store_of_a_process_begins_with_the_tables_of_the_first(tmp_path: Path) -> None:
    """In a place of its own, with the same tables, and in a fraction of the time."""
    files = [str(tmp_path / name / "mlflow.db") for name in ("one", "two")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SECOND, *files], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.prove
def test_two_processes_may_start_one_store_which_then_is_in_wal_mode(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from mlsys_resources.mlflow_connection import HttpBounds, connect\n"
        "print(len(connect(sys.argv[1], HttpBounds()).search_experiments()))\n"
    )
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        for _ in range(2)
    ]
    answers = [worker.communicate() for worker in workers]
    assert [answer[0] for answer in answers] == ["1\n", "1\n"], answers
    with closing(sqlite3.connect(tmp_path / "new" / "mlflow.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(("uri", "expected"), [
    ("postgresql://h/d", "postgresql+psycopg2://h/d"), ("postgres://h/d", "postgresql+psycopg2://h/d"),
    ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"), ("sqlite:///x", "sqlite:///x"), ("http://h", "http://h"),
])  # fmt: skip
def test_postgresql_is_reached_by_the_driver_that_is_installed(uri: str, expected: str) -> None:
    assert driver_uri(uri) == expected


@pytest.mark.parametrize("uri", [f"http://a:{SECRET}@h:1", f"postgresql://a:{SECRET}@h/d", f"nonsense {SECRET}"])
def test_no_password_is_shown(uri: str) -> None:
    assert SECRET not in shown(uri)
