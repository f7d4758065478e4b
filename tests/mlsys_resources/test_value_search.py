"""A value is found wherever it stands, and as a whole word only; taken out, nothing else is changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlsys_resources.value_search import ERASED, mentions, redact

WHO = "N90210"


def database(path: Path, *texts: str) -> Path:
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE said (n INTEGER, words TEXT, content BLOB)")
        opened.execute("CREATE TABLE mlsys_decisions (words TEXT)")
        opened.executemany("INSERT INTO said VALUES (1, ?, x'00')", [(text,) for text in texts])
    return path


@pytest.mark.parametrize("name", ["page.html", "rows.parquet", "said.db", "picture.bin"])
@pytest.mark.parametrize(("text", "found"), [(f"by {WHO}.", True), (f"by {WHO}1", False), (f"x{WHO}", False)])
def test_whole_words_are_found_in_every_kind_of_file(tmp_path: Path, name: str, text: str, found: bool) -> None:
    file = tmp_path / "below" / name
    file.parent.mkdir()
    if file.suffix == ".parquet":
        pq.write_table(pa.table({"n": [1, 2], "words": [None, text]}), file, compression="zstd")
    elif file.suffix == ".db":
        database(file, "", text)
    else:
        file.write_bytes(b"\xff" * (file.suffix == ".bin") + text.encode())
    assert mentions(tmp_path, WHO) == ([file] if found else [])


def test_what_is_taken_out_of_a_database_is_not_in_its_freed_pages_either(tmp_path: Path) -> None:
    file = database(tmp_path / "said.db", f'{{"by": "{WHO}"}}', f"{WHO}1", *(f"deleted {WHO}" for _ in range(500)))
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("PRAGMA secure_delete = OFF")
        with opened:
            opened.execute("DELETE FROM said WHERE words LIKE 'deleted%'")
    assert file.read_bytes().count(WHO.encode()) > 10
    assert redact(tmp_path, WHO, tables=(), unless=lambda _: False) == [file]
    data = file.read_bytes()
    assert data.count(WHO.encode()) == data.count(WHO.encode() + b"1") == 1
    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("SELECT words FROM said").fetchall() == [(f'{{"by": "{ERASED}"}}',), (f"{WHO}1",)]


def test_texts_are_changed_and_what_is_kept_is_not(tmp_path: Path) -> None:
    for name in ("log.txt", "model.txt"):
        (tmp_path / name).write_text(f"{WHO}: {WHO}1 and {WHO}\n")
    assert redact(tmp_path, WHO, tables=(), unless=lambda path: path.name == "model.txt") == [tmp_path / "log.txt"]
    assert (tmp_path / "log.txt").read_text() == f"{ERASED}: {WHO}1 and {ERASED}\n"
    assert mentions(tmp_path, WHO) == [tmp_path / "model.txt"]


def test_tables_of_the_record_are_not_rewritten_but_told(tmp_path: Path) -> None:
    file = database(tmp_path / "operations.db")
    with closing(sqlite3.connect(file)) as opened, opened:
        opened.execute("INSERT INTO mlsys_decisions VALUES (?)", (WHO,))
    assert redact(tmp_path, WHO, tables=("mlsys_",), unless=lambda _: False) == []
    assert mentions(tmp_path, WHO) == [file]


def test_a_short_value_is_neither_looked_for_nor_taken_out(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("17 of 17")
    assert redact(tmp_path, "17", tables=(), unless=lambda _: False) == mentions(tmp_path, "17") == []
    assert (tmp_path / "log.txt").read_text() == "17 of 17"
