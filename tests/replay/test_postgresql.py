"""The same life with everything on PostgreSQL: Dagster's history, the records, MLflow; and no secret is told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlsys_assets import FixedClock, utc
from mlsys_resources.resources import build_resources

CANARY = "canary-4b1d-of-a-password"
URLS = ("MLSYS_OPERATIONS_URL", "MLSYS_TRACKING_URI", "MLSYS_DAGSTER_URL")


@pytest.fixture
def databases(postgres_server) -> Iterator[dict[str, str]]:
    """Three new databases on one server, by the variable that names each; any password opens them."""
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    names = {variable: f"test_{variable.lower()}_{os.getpid()}" for variable in URLS}
    with admin.connect() as connection:
        for name in names.values():
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    secret = postgres_server.replace("postgres@", f"postgres:{CANARY}@")
    yield {variable: secret.replace("@/postgres?", f"@/{name}?") for variable, name in names.items()}
    with admin.connect() as connection:
        for name in names.values():
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("until", ["2013-03-12", pytest.param("2013-04-16", marks=pytest.mark.prove)])
def test_a_life_on_postgresql_has_the_ledger_of_one_on_files(six_weeks, mlsys, databases, tmp_path, until) -> None:
    """And every decision's hash with it; the passwords stand in the environment alone."""
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
    assert "Traceback" not in wrong
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
