"""A table that was opened before is given out again only while it is the latest, however it changed."""

import shutil

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mlsys_resources.opened_tables import MOST, OpenedTables


def written(place: str, *values: int) -> None:
    write_deltalake(place, pa.table({"x": list(values)}), mode="append")


@pytest.fixture
def place(tmp_path) -> str:
    written(str(tmp_path / "t"), 1)
    return str(tmp_path / "t")


@pytest.fixture
def opened(place) -> OpenedTables:
    tables = OpenedTables()
    tables.keep(place, DeltaTable(place))
    return tables


def test_it_is_the_same_while_nobody_writes(opened, place) -> None:
    first = opened.find(place)
    assert first is not None
    assert opened.find(place) is first
    assert opened.find(place, 0) is first


def test_a_commit_of_another_is_seen(opened, place) -> None:
    written(place, 2)
    assert opened.find(place) is None
    opened.keep(place, DeltaTable(place))
    assert opened.find(place).version() == 1
    assert opened.find(place, 0) is None


def test_another_table_in_its_place_is_seen(opened, place) -> None:
    shutil.rmtree(place)
    assert opened.find(place) is None
    opened.keep(place, DeltaTable.create(place, pa.schema({"x": pa.int64()})))
    shutil.rmtree(place)
    written(place, 3)
    assert opened.find(place) is None


def test_a_table_nobody_kept_is_not_found(opened, tmp_path) -> None:
    assert opened.find(str(tmp_path / "other")) is None


def test_only_so_many_are_kept(place, monkeypatch) -> None:
    monkeypatch.setattr("mlsys_resources.opened_tables.MOST", 1)
    tables, other = OpenedTables(), f"{place}2"
    written(other, 1)
    for each in (place, other):
        tables.keep(each, DeltaTable(each))
    assert tables.find(place) is None
    assert tables.find(other) is not None
    assert MOST > 1
