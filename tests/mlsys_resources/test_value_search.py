"""A value is found wherever it stands, and as a whole word only; taken out, nothing else is changed."""

import html
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlsys_resources.value_search import ERASED, forms, mentions, redact

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


PEOPLE = [
    "Zoë Müller",
    'Ann "Nan" O\'Neil',
    "back\\slash",
    "at the end\\",
    "two\nlines",
    "<b>Bob</b> & Co",
    "日本太郎",
    "N90210",
]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a line of its own within JSON": lambda who: json.dumps({"said": f"by\n{who}\tnow"}),
    "in JSON within JSON": lambda who: json.dumps({"event": json.dumps({"said": f"é{who}" if who[0] < "a" else who})}),
    "in JSON that is not ASCII": lambda who: json.dumps({"by": who}, ensure_ascii=False),
    "in an address": lambda who: f"https://models/runs?filter=by%3D{quote_plus(who)}&page=1",
    "in a page": lambda who: f"<td>{html.escape(who)}</td>",
    "in Python's words": lambda who: f"no such row: {who!r}",
}


@pytest.mark.parametrize("name", ["said.log", "said.db"])
@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("who", PEOPLE)
def test_a_value_is_found_and_taken_out_however_it_is_written(tmp_path: Path, who: str, how: str, name: str) -> None:
    text = WRITTEN[how](who)
    file = tmp_path / name
    database(file, text) if name.endswith(".db") else file.write_text(text, encoding="utf-8")
    assert mentions(tmp_path, who) == [file]
    assert redact(tmp_path, who, tables=(), unless=lambda _: False) == [file]
    assert mentions(tmp_path, who) == []
    if name.endswith(".db"):
        with closing(sqlite3.connect(file)) as opened:
            (text,) = opened.execute("SELECT words FROM said").fetchone()
    else:
        text = file.read_text(encoding="utf-8")
    assert ERASED in text
    if "JSON" in how:
        json.loads(text)


def test_a_value_within_a_metrics_key_is_found(tmp_path: Path) -> None:
    """MLflow's keys have underscores where a slice has brackets."""
    file = database(tmp_path / "mlflow.db", f"auc_tailnum_{WHO}_")
    assert mentions(tmp_path, WHO) == [file]
    assert "Zo_ M_ller" in forms("Zoë Müller")
    assert "____" not in forms("日本太郎")


def test_two_rows_that_become_one_are_one(tmp_path: Path) -> None:
    """As the metrics of two people's slices do, the second of whom is erased later."""
    file = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(file)) as opened, opened:
        opened.execute("CREATE TABLE latest_metrics (key TEXT, run TEXT, value REAL, PRIMARY KEY (key, run))")
        opened.executemany("INSERT INTO latest_metrics VALUES (?, 'r', 1)", [("auc_N90210_",), ("auc_N90211_",)])
    for who in ("N90210", "N90211"):
        redact(tmp_path, who, tables=(), unless=lambda _: False)
        assert mentions(tmp_path, who) == []
    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("SELECT key FROM latest_metrics").fetchall() == [(f"auc_{ERASED}_",)]


@pytest.mark.parametrize(
    ("name", "content"), [("rows.parquet", b"PAR1"), ("said.db", b"SQLite format 3\x00" + b"x" * 99)]
)
def test_what_cannot_be_looked_into_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert mentions(tmp_path, WHO) == [tmp_path / name]


def test_a_database_that_is_in_use_is_a_clear_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = database(tmp_path / "said.db", WHO)
    monkeypatch.setattr("mlsys_resources.value_search.BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RuntimeError, match=r"said\.db could not be written \(database is locked\)"):
            redact(tmp_path, WHO, tables=(), unless=lambda _: False)


def test_a_text_keeps_its_line_ends_and_who_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(f"é {WHO}\r\nx\n".encode())
    file.chmod(0o600)
    redact(tmp_path, WHO, tables=(), unless=lambda _: False)
    assert file.read_bytes() == f"é {ERASED}\r\nx\n".encode()
    assert file.stat().st_mode & 0o777 == 0o600
