"""What every test stands on: UTC, no inherited settings, one thread, a clock, a real PostgreSQL."""

import os
import signal
import time

# Before anything imports NumPy, LightGBM, MLflow or Dagster: each reads these once.
for _name in [n for n in os.environ if n.startswith(("MLSYS_", "MLFLOW_", "DAGSTER_"))]:
    del os.environ[_name]
os.environ.update(
    TZ="UTC",
    OMP_NUM_THREADS="1",
    MPLBACKEND="Agg",
    DAGSTER_DISABLE_TELEMETRY="yes",
    MLFLOW_DISABLE_TELEMETRY="true",
    DO_NOT_TRACK="1",
)

from mlsys_assets.process_environment import prepare  # noqa: E402 - loads nothing that reads it

prepare(os.environ)  # as every command does: else threads that wait would take the time of the other workers
time.tzset()
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:  # as nohup and a script's background jobs are started
        signal.signal(_number, _handler)

import atexit  # noqa: E402
import fcntl  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import psutil  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("suite")


class ManualClock:
    """A clock that moves when told to: call it, or ask ``now()``."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


@pytest.fixture
def clock() -> ManualClock:
    """A clock at 2013-07-01 00:00 UTC."""
    return ManualClock(datetime(2013, 7, 1, tzinfo=UTC))


class Work:
    """The work of processes, in seconds of a processor: how busy the machine is, now and later, says nothing."""

    @staticmethod
    def spent() -> float:
        """Return the work of all processes that were started here and have ended."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    @staticmethod
    def stop_after(
        process: "subprocess.Popen[str]", work: float, by: signal.Signals = signal.SIGKILL
    ) -> tuple[int, str]:
        """Stop a process and its group, which it leads, once it has done so much; return its code and complaints."""
        watched = psutil.Process(process.pid)
        while sum(watched.cpu_times()[:2]) < work:
            assert process.poll() is None, "it was over too soon to be killed"
            time.sleep(0.05)
        os.killpg(process.pid, by)
        wrong = process.communicate()[1]
        return process.returncode, wrong


@pytest.fixture(scope="session")
def work() -> type[Work]:
    """Measure the work of processes, and kill them in the midst of it."""
    return Work


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder once for all workers: who comes first fills it, the others wait; nobody may change it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that failed
                folder.mkdir()
                fill(folder)
                made.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def flights_lived(made_once: Callable[..., Path], work: type[Work]) -> Callable[[str], Path]:
    """Live through the flights until a date, by ``mlsys run``; what it said and the work that it took lie there too."""

    def lived(until: str) -> Path:
        def fill(home: Path) -> None:
            command = [sys.executable, "-m", "mlsys_assets.cli", "run", "--until", until, "--home", str(home)]
            own = {"PYTHONPATH": str(Path(__file__).parents[1])}
            clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | own
            before = work.spent()
            done = subprocess.run(command, env=clean, cwd=home, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (home / "work.txt").write_text(str(work.spent() - before))
            (home / "said.txt").write_text(done.stdout)
            (home / "wrong.txt").write_text(done.stderr)

        return made_once(f"flights-{until}", fill)

    return lived


@pytest.fixture(scope="session")
def rain_lived(made_once: Callable[..., Path], work: type[Work]) -> Path:
    """The weekly rain system two weeks after its first champion, by ``mlsys run``; nobody may change it."""

    def fill(home: Path) -> None:
        command = [sys.executable, "-m", "mlsys_assets.cli", "run", "rain", "--fresh", "--until", "2013-03-19"]
        paths = os.pathsep.join((str(Path(__file__).parents[1]), str(Path(__file__).parent / "systems")))
        own = {"MLSYS_WORKSPACE": "rain_weekly", "PYTHONPATH": paths, "MLSYS_HOME": str(home)}
        before = work.spent()
        done = subprocess.run(command, env=os.environ | own, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (home / "work.txt").write_text(str(work.spent() - before))

    return made_once("two_weeks", fill)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on a Unix socket, one a worker, stopped at the end."""
    if sys.version_info >= (3, 13):
        pytest.skip("pgserver has no wheel for Python 3.13: run on 3.11 or 3.12 to test PostgreSQL too")
    # Not under pytest's own folder: other sessions tighten its permissions, and run as root the
    # server is another user.
    folder = Path(tempfile.mkdtemp(prefix="mlsys-postgres-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # where pgserver keeps its lock, from its import on
        import pgserver

    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        info = server.get_postmaster_info()
        yield f"postgresql+psycopg2://postgres@/postgres?host={info.socket_dir}&port={info.port}"
    finally:
        server.cleanup()
        atexit.unregister(server._cleanup)  # it would make the folder anew
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy URL of a new, empty PostgreSQL database, dropped after the test."""
    import sqlalchemy as sa

    name = f"test_{uuid.uuid4().hex}"
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgres_server.replace("@/postgres?", f"@/{name}?")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


LONG = (
    "test_first_champion.py",  # lives through the flights; whoever reads that life comes later and need not wait
    "replay/test_daemon.py",  # lives through six weeks of rain, for the files below it
    "replay/test_replay.py",
    "systems/test_flights_behavior.py",  # makes the folder of flights that the others of its folder read
    "browser/test_pages.py",
    "replay/test_disturbances.py",
    "replay/test_monitoring.py",
    "replay/test_kills.py",
    "test_steps_done_again.py",
    "replay/test_postgresql.py",
    "scaffold/test_new_system.py",
)
"""The files that take long, or make what others read, begin first: else a worker waits, or is left with the last.

xdist keeps this order with ``--no-loadscope-reorder`` alone, as ``make test`` asks.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files in front; the others stay in their order."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
