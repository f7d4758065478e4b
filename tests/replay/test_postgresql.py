"""The same life with everything on PostgreSQL: Dagster's history, the records, MLflow; and no secret is told."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlsys_assets import FixedClock, utc
from mlsys_assets.instance import require_own_database
from mlsys_resources.resources import build_resources

CANARY = "canary-4b1d-of-a-password"
URLS = ("MLSYS_OPERATIONS_URL", "MLSYS_TRACKING_URI", "MLSYS_DAGSTER_URL")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server that may go down."""

    running: Any
    url: str

    def databases(self, variables: tuple[str, ...]) -> dict[str, str]:
        """Make a database for each variable; their URLs, with a password."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        names = {variable: f"d_{time.monotonic_ns()}_{n}" for n, variable in enumerate(variables)}
        with engine.connect() as connection:
            for name in names.values():
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        secret = self.url.replace("postgres@", f"postgres:{CANARY}@")
        return {variable: secret.replace("@/postgres?", f"@/{name}?") for variable, name in names.items()}

    def wait_for(self, url: str, query: str, process: "subprocess.Popen[str]") -> None:
        """Wait until a database has what a query asks for, while the process runs."""
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        while process.poll() is None:
            try:
                with engine.connect() as connection:
                    if connection.exec_driver_sql(query).first():
                        return
            except sa.exc.ProgrammingError:
                pass  # the table is not made yet
            time.sleep(0.02)
        raise AssertionError(process.communicate())

    def restart(self) -> None:
        """Stop it without letting anybody finish, and start it again."""
        from pgserver._commands import pg_ctl

        server = self.running
        command = ["-w", "-m", "immediate", "-l", str(server.log), "restart"]
        pg_ctl(command, pgdata=server.pgdata, user=server.system_user, timeout=60)


@pytest.fixture
def own_server(postgres_server) -> Iterator[Server]:
    """A server of this test alone."""
    import pgserver  # as the fixture above has imported it

    folder = Path(tempfile.mkdtemp(prefix="mlsys-restarted-"))
    running = pgserver.get_server(folder / "data", cleanup_mode="stop")
    info = running.get_postmaster_info()
    yield Server(running, f"postgresql+psycopg2://postgres@/postgres?host={info.socket_dir}&port={info.port}")
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("until", ["2013-03-12", pytest.param("2013-04-16", marks=pytest.mark.prove)])
def test_a_life_on_postgresql_has_the_ledger_of_one_on_files(six_weeks, mlsys, databases, tmp_path, until) -> None:
    """And every decision's hash with it; the passwords stand in the environment alone."""
    assert all(CANARY in url for url in databases.values())
    home = tmp_path / "home"
    home.mkdir()
    with mlsys(home, "run", "rain", "--until", until, environment=databases) as process:
        said, wrong = process.communicate()
    assert (process.returncode, "Where to look" in said) == (0, True), said + wrong
    stores = build_resources({"MLSYS_HOME": str(home), **databases}, clock=FixedClock(utc(until)).now)
    mine, theirs = stores.operations.decisions("rain"), six_weeks.decisions(until=utc(until))
    assert [(d.kind, d.name, d.content_hash) for d in mine] == [(d.kind, d.name, d.content_hash) for d in theirs]
    if until == "2013-04-16":
        assert stores.operations.ledger_hash("rain") == six_weeks.hash
    for arguments in (("doctor", "rain"), ("ledger", "rain"), ("report", "rain", "--json")):
        with mlsys(home, *arguments, environment=databases) as process:
            told = process.communicate()
        assert process.returncode == 0, told
        said, wrong = said + told[0], wrong + told[1]
    assert "runs: every run has ended" in said
    assert not list((home / "dagster").rglob("*.db"))
    assert not list(home.glob("*.db"))
    assert CANARY not in said + wrong
    assert _places_of(CANARY, home, databases) == []
    assert _places_of("2013-03-12", home, databases)  # else nothing was looked at


def _places_of(text: str, home: Path, databases: dict[str, str]) -> list[str]:
    """Return every file and every table that holds a text."""
    found = [str(file) for file in home.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
    for url in databases.values():
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            for table in sa.inspect(connection).get_table_names():
                rows = connection.exec_driver_sql(
                    f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE %s', (f"%{text}%",)
                )
                found += [f"{engine.url.database}.{table}"] if rows.scalar() else []
    return found


@pytest.mark.parametrize(
    ("variable", "url", "why"),
    [
        ("MLSYS_DAGSTER_URL", "mysql://root@nowhere/dagster", "MLSYS_DAGSTER_URL begins with 'mysql'; allowed is"),
        ("MLSYS_DAGSTER_URL", "dagster", "MLSYS_DAGSTER_URL is no URL; allowed is postgresql+psycopg2://"),
        ("MLSYS_DAGSTER_URL", f"postgresql+psycopg2://me:{CANARY}@127.0.0.1:1/dagster", "me:***@127.0.0.1:1/dagster"),
        ("MLSYS_OPERATIONS_URL", f"postgresql://me:{CANARY}@127.0.0.1:1/ledger", "me:***@127.0.0.1:1/ledger"),
        ("MLSYS_OPERATIONS_URL", f"postgresql://me:{CANARY}@h:{CANARY}/ledger", "URL cannot be parsed"),
        ("MLSYS_OPERATIONS_URL", f"postgresql://me:a@{CANARY}@127.0.0.1/ledger", "(%40 for @)"),
        ("MLSYS_OPERATIONS_URL", "mysql://root@nowhere/ledger", "allowed are sqlite:///<file> and postgresql://"),
        ("MLSYS_OPERATIONS_URL", "", None),
        ("DAGSTER_HOME", "elsewhere", "unset DAGSTER_HOME, or use that folder"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_told_in_one_message_with_the_way_out(mlsys, tmp_path, variable, url, why) -> None:
    with mlsys(tmp_path, "run", "rain", "--until", "2013-03-01", environment={variable: url}) as process:
        said, wrong = process.communicate()
    if why is None:
        assert process.returncode == 0, wrong  # an empty variable is none
        return
    assert process.returncode == 1, said
    assert wrong.startswith("mlsys: ")
    assert why in wrong
    assert "Traceback" not in wrong.partition("mlsys: ")[2]  # MLflow's log, before it, may hold one of its own
    assert CANARY not in wrong + said


def test_a_database_that_is_not_there_is_told(mlsys, postgres_server, tmp_path) -> None:
    url = postgres_server.replace("@/postgres?", "@/nowhere?")
    with mlsys(tmp_path, "run", "rain", "--until", "2013-03-01", environment={"MLSYS_DAGSTER_URL": url}) as process:
        wrong = process.communicate()[1]
    assert process.returncode == 1
    assert 'database "nowhere" does not exist' in wrong


def test_a_dagster_yaml_of_somebody_else_is_left_alone(mlsys, tmp_path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")
    with mlsys(tmp_path, "run", "rain", "--until", "2013-03-01") as process:
        wrong = process.communicate()[1]
    assert process.returncode == 1
    assert "was not written by mlsys" in wrong
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: true\n"


def test_one_database_for_two_is_refused() -> None:
    one = {"MLSYS_DAGSTER_URL": "postgresql+psycopg2://a:x@h/d", "MLSYS_TRACKING_URI": "postgresql://b:y@h:5432/d"}
    with pytest.raises(ValueError, match="MLSYS_DAGSTER_URL and MLSYS_TRACKING_URI name one database"):
        require_own_database(one)
    require_own_database(one | {"MLSYS_TRACKING_URI": "postgresql://b:y@h/mlflow"})
    require_own_database(one | {"MLSYS_TRACKING_URI": "sqlite:///h/d"})


RESTARTED_WHEN = (
    ("MLSYS_DAGSTER_URL", "SELECT 1 FROM runs WHERE status = 'STARTED'"),
    ("MLSYS_OPERATIONS_URL", "SELECT 1 FROM mlsys_models"),  # registered; what comes next is gate and promotion
)
"""Where in the first training the server goes down: what is found in which database then."""


@pytest.mark.prove
@pytest.mark.parametrize(("variable", "seen"), RESTARTED_WHEN)
def test_a_server_restarted_in_the_midst_leaves_nothing_half_done(
    six_weeks, mlsys, own_server, tmp_path, variable, seen
) -> None:
    """It may fail, in one message; asked for again, it ends as if nothing had been."""
    until, databases = "2013-03-12", own_server.databases(URLS)
    with mlsys(tmp_path, "run", "rain", "--until", until, environment=databases) as process:
        own_server.wait_for(databases[variable], seen, process)
        own_server.restart()
        said, wrong = process.communicate()
    assert "Traceback" not in wrong.partition("mlsys: ")[2]  # MLflow's log, before it, may hold one of its own
    assert process.returncode == 0 or wrong.startswith("mlsys: "), said + wrong
    assert CANARY not in said + wrong
    with mlsys(tmp_path, "run", "rain", "--until", until, environment=databases) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
    stores = build_resources({"MLSYS_HOME": str(tmp_path), **databases}, clock=FixedClock(utc(until)).now)
    mine, theirs = stores.operations.decisions("rain"), six_weeks.decisions(until=utc(until))
    assert [d.content_hash for d in mine] == [d.content_hash for d in theirs]
    won = [attempt for attempt in stores.operations.attempts("rain", "champion") if attempt.outcome == "won"]
    assert [attempt.version for attempt in won] == [stores.operations.alias("rain", "champion").version]
    with mlsys(tmp_path, "doctor", "rain", environment=databases) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
