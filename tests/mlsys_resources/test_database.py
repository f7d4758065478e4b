"""One database behind a URL: what is refused, what is hidden, and transactions that hold."""

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from mlsys_resources.database import Database, DatabaseUnavailable, UtcTime

SECRET = "canary-4f1c"


def tables() -> tuple[sa.MetaData, sa.Table]:
    metadata = sa.MetaData()
    return metadata, sa.Table("t", metadata, sa.Column("k", sa.Text, primary_key=True), sa.Column("at", UtcTime))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/state.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "duckdb:///x", "nonsense", "", "oracle://h"]
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="allowed are sqlite"):
        Database(url, sa.MetaData())


def test_no_password_is_shown(tmp_path: Path) -> None:
    database = Database(f"postgresql://ann:{SECRET}@127.0.0.1:1/none", sa.MetaData())
    assert SECRET not in repr(database)
    with pytest.raises(DatabaseUnavailable) as refused, database.read():
        pass
    assert SECRET not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    database = Database("sqlite:////proc/nowhere/state.db", sa.MetaData())
    with pytest.raises((DatabaseUnavailable, OSError)), database.read():
        pass


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_is_the_same(scheme: str) -> None:
    assert "postgresql+psycopg2://h/d" in repr(Database(f"{scheme}://h/d", sa.MetaData()))


def test_moments_come_back_exactly_and_in_utc(url: str) -> None:
    metadata, table = tables()
    database = Database(url, metadata)
    moments = {
        "past": datetime(1, 1, 1, tzinfo=UTC),
        "before": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "zone": datetime(2013, 3, 10, 3, 30, 0, 1, tzinfo=timezone(-timedelta(hours=4))),
        "future": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    }
    with database.write() as connection:
        connection.execute(sa.insert(table), [{"k": k, "at": at} for k, at in moments.items()])
    with database.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.at)).all()
    found = {row.k: row.at for row in rows}
    assert found == moments
    assert list(found) == ["past", "before", "zone", "future"]
    assert all(at.tzinfo is UTC for at in found.values())
    database.close()


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_survives_the_type(moment: datetime) -> None:
    kind, dialect = UtcTime(), sa.create_mock_engine("sqlite://", lambda *_: None).dialect
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    assert kind.process_result_value(kind.process_bind_param(moment, dialect), dialect) == expected


def test_a_naive_moment_is_refused(url: str) -> None:
    metadata, table = tables()
    database = Database(url, metadata)
    with pytest.raises(sa.exc.StatementError, match="no time zone"), database.write() as connection:
        connection.execute(sa.insert(table).values(k="a", at=datetime(2013, 1, 1)))  # noqa: DTZ001
    database.close()


def test_an_error_rolls_back(url: str) -> None:
    metadata, table = tables()
    database = Database(url, metadata)
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:  # noqa: PT012 - one transaction
        connection.execute(sa.insert(table).values(k="a"))
        connection.execute(sa.insert(table).values(k="a"))
    with database.read() as connection:
        assert connection.execute(sa.select(table)).all() == []
    database.close()


def test_sqlite_is_opened_as_declared(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/state.db", sa.MetaData())
    with database.read() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in (
            "journal_mode", "foreign_keys", "synchronous", "busy_timeout")}  # fmt: skip
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 30_000}
    database.close()


def test_a_reader_holds_one_view_while_others_write(tmp_path: Path) -> None:
    metadata, table = tables()
    database = Database(f"sqlite:///{tmp_path}/state.db", metadata)
    count = sa.select(sa.func.count()).select_from(table)
    with database.read() as reader:
        assert reader.execute(count).scalar() == 0
        with database.write() as writer:
            writer.execute(sa.insert(table).values(k="a"))
        assert reader.execute(count).scalar() == 0
    with database.read() as reader:
        assert reader.execute(count).scalar() == 1
    database.close()


def test_eight_writers_never_meet_a_locked_database(url: str) -> None:
    """Fault 47: they read before they write, which a deferred SQLite transaction does not survive."""
    metadata, table = tables()
    errors: list[Exception] = []

    def write(writer: int) -> None:
        database = Database(url, metadata)
        try:
            for row in range(10):
                with database.write() as connection:
                    connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
                    time.sleep(0.001)
                    connection.execute(sa.insert(table).values(k=f"{writer}/{row}"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    database = Database(url, metadata)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 80
    database.close()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    metadata, table = tables()
    database = Database(f"sqlite:///{tmp_path}/state.db", metadata)
    with database.write() as connection:
        connection.execute(sa.insert(table).values(k="kept"))
    with pytest.raises(sa.exc.OperationalError, match="full"), database.write() as connection:  # noqa: PT012
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(sa.insert(table), [{"k": f"{n}" * 500} for n in range(200)])
    database.close()
    with sqlite3.connect(tmp_path / "state.db") as plain:
        assert plain.execute("SELECT k FROM t").fetchall() == [("kept",)]
    plain.close()
