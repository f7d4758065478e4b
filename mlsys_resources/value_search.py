"""A value looked for in all files of a state folder, and taken out of those that are no tables and no models."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_resources.sqlite_files import BUSY_TIMEOUT_S, PENDING

ERASED = "[erased]"
"""What stands in the place of a value that was taken out of a text."""
LEAST_CHARACTERS = 4
"""A shorter value stands by chance in too many texts to be looked for there."""
SQLITE = b"SQLite format 3\x00"
"""How the file of a SQLite database begins."""
WORD = "A-Za-z0-9_"
"""A value is found where none of these stands right before or behind it."""


def mentions(folder: Path, value: str, *, unless: Callable[[Path], bool] = lambda _: False) -> list[Path]:
    """Return the files below a folder that hold a value, Parquet and databases by their cells, others by every byte.

    ``unless``: files that are not looked at. A value of fewer than ``LEAST_CHARACTERS`` characters is not looked for.
    """
    if len(value) < LEAST_CHARACTERS:
        return []
    return [file for file in _files(folder) if not unless(file) and _holds(file, value)]


def redact(folder: Path, value: str, *, tables: tuple[str, ...], unless: Callable[[Path], bool]) -> list[Path]:
    """Put ``ERASED`` in the place of a value in texts and SQLite databases below a folder, and return their files.

    Databases are compacted, so that nothing of what was deleted in them stays.

    Parameters
    ----------
    tables
        Of databases, what the tables' names begin with whose texts are left as they are: they are hashed.
    unless
        Files that are left as they are, databases excepted.
    """
    changed = []
    for file in _files(folder):
        if _is_database(file):
            if _redact_database(file, value, tables):
                changed.append(file)
        elif not unless(file) and len(value) >= LEAST_CHARACTERS and _redact_text(file, value):
            changed.append(file)
    return changed


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _word(value: str) -> str:
    return rf"(?<![{WORD}]){re.escape(value)}(?![{WORD}])"


def _is_database(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(SQLITE)) == SQLITE


def _holds(file: Path, value: str) -> bool:
    if file.suffix == ".parquet":
        return _rows_hold(file, value)
    if _is_database(file):
        return _cells_hold(file, value)
    if file.name.endswith(PENDING):  # its cells stand side by side there, so that words have no ends
        return value.encode() in file.read_bytes()
    return re.search(_word(value).encode(), file.read_bytes()) is not None


def _rows_hold(file: Path, value: str) -> bool:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        text = [f.name for f in opened.schema_arrow if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        rows = opened.read(columns=text)
    found = (c.cast(pa.binary()) for c in rows.columns)
    pattern = re.compile(_word(value).encode())
    return any(pattern.search(v) for c in found for v in c.filter(pc.match_substring(c, value)).to_pylist() if v)


def _cells_hold(file: Path, value: str) -> bool:
    """Return whether a cell of a database holds a value; what was deleted is gone once it is compacted."""
    pattern = re.compile(_word(value).encode())
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as database:
        return any(
            pattern.search(cell if isinstance(cell, bytes) else str(cell).encode())
            for table, column in _columns(database)
            for (cell,) in database.execute(
                f'SELECT "{column}" FROM "{table}" WHERE instr(CAST("{column}" AS BLOB), CAST(? AS BLOB)) > 0',  # noqa: S608
                (value,),
            )
        )


def _redact_text(file: Path, value: str) -> bool:
    data = file.read_bytes()
    if re.search(_word(value).encode(), data) is None:
        return False
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    fresh = file.with_name(f"{file.name}.fresh")
    fresh.write_text(re.sub(_word(value), ERASED, text))
    fresh.replace(file)
    return True


def _redact_database(file: Path, value: str, kept: tuple[str, ...]) -> bool:
    """Take a value out of a database's texts, and compact it; returns whether any text changed."""
    pattern, changed = re.compile(_word(value)), 0
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as database:
        database.create_function("holds", 1, lambda text: pattern.search(text) is not None, deterministic=True)
        database.create_function("without", 1, lambda text: pattern.sub(ERASED, text), deterministic=True)
        if len(value) >= LEAST_CHARACTERS:
            for table, column in _columns(database):
                if not table.startswith(kept):
                    changed += database.execute(
                        f'UPDATE "{table}" SET "{column}" = without("{column}") '  # noqa: S608 - names of its own
                        f'WHERE typeof("{column}") = \'text\' AND instr("{column}", ?) > 0 AND holds("{column}")',
                        (value,),
                    ).rowcount
        database.execute("PRAGMA secure_delete = ON")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed > 0


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    names = [name for (name,) in tables.fetchall()]
    return [(t, column[1]) for t in names for column in database.execute(f'PRAGMA table_info("{t}")').fetchall()]
