"""A value looked for in all files of a state folder, and taken out of those that are no tables and no models."""

import html
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import reduce
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_resources.run_log import NOT_IN_A_KEY
from mlsys_resources.sqlite_files import BUSY_TIMEOUT_S, PENDING

ERASED = "[erased]"
"""What stands in the place of a value that was taken out of a text."""
LEAST_CHARACTERS = 4
"""A shorter value stands by chance in too many texts to be looked for there."""
SQLITE = b"SQLite format 3\x00"
"""How the file of a SQLite database begins."""
WORD = "A-Za-z0-9"
"""A value is found where none of these stands right before or behind it; an underscore joins words in MLflow's keys."""
ESCAPES = (r"\\[abfnrtv]", r"\\u[0-9A-Fa-f]{4}", r"\\x[0-9A-Fa-f]{2}", r"%[0-9A-Fa-f]{2}")
"""What ends in such a character and yet is none: a line end in JSON, an equals sign in an address."""
NESTED = 3
"""How often text may have been written as JSON within JSON."""


def mentions(folder: Path, value: str, *, unless: Callable[[Path], bool] = lambda _: False) -> list[Path]:
    """Return the files below a folder that hold a value, Parquet and databases by their cells, others by every byte.

    A value is found in each of its ``forms``. Files that cannot be looked into are returned too: a person must look.

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

    Raises RuntimeError for a database that cannot be written.
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


def forms(value: str) -> list[str]:
    r"""Return how a value may be written: as it is, within JSON, an address, a page, Python's text, a key of MLflow.

    >>> forms("N12345")
    ['N12345']
    >>> forms("Zoë W.")[:4]
    ['Zoë W.', 'Zo\\u00eb W.', 'Zo\\\\u00eb W.', 'Zo\\\\\\\\u00eb W.']
    """
    found = [value, *_as_json(value, ascii_only=True), *_as_json(value, ascii_only=False)]
    found += [quote(value, safe=""), quote_plus(value), html.escape(value), repr(value)[1:-1]]
    key = NOT_IN_A_KEY.sub("_", value)
    if sum(character.isalnum() for character in key) >= LEAST_CHARACTERS:
        found.append(key)
    return list(dict.fromkeys(found))


def _as_json(text: str, *, ascii_only: bool) -> Iterator[str]:
    for _ in range(NESTED):
        text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield text


def _word(value: str) -> str:
    begins = "|".join([f"(?<![{WORD}])", *(f"(?<={escape})" for escape in ESCAPES)])
    longest_first = sorted(forms(value), key=len, reverse=True)
    return rf"(?:{begins})(?:{'|'.join(map(re.escape, longest_first))})(?![{WORD}])"


def _is_database(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(SQLITE)) == SQLITE


def _holds(file: Path, value: str) -> bool:
    try:
        return _found(file, value)
    except FileNotFoundError:  # gone meanwhile
        return False
    except (OSError, sqlite3.Error, pa.ArrowException):
        return True


def _found(file: Path, value: str) -> bool:
    if file.suffix == ".parquet":
        return _rows_hold(file, value)
    if _is_database(file):
        return _cells_hold(file, value)
    if file.name.endswith(PENDING):  # its cells stand side by side there, so that words have no ends
        data = file.read_bytes()
        return any(form.encode() in data for form in forms(value))
    return re.search(_word(value).encode(), file.read_bytes()) is not None


def _rows_hold(file: Path, value: str) -> bool:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        text = [f.name for f in opened.schema_arrow if any(is_text(f.type) for is_text in TEXTS)]
        rows = opened.read(columns=text)
    found = (c.cast(pa.large_binary()) for c in rows.columns)
    pattern = re.compile(_word(value).encode())
    return any(pattern.search(v) for c in found for v in c.filter(_maybe(c, value)).to_pylist() if v)


TEXTS = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
"""The types of columns that may hold a value in text."""


def _maybe(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return reduce(pc.or_, (pc.match_substring(column, form) for form in forms(value)))


def _cells_hold(file: Path, value: str) -> bool:
    """Return whether a cell of a database holds a value; what was deleted is gone once it is compacted."""
    pattern, every = re.compile(_word(value).encode()), forms(value)
    maybe = " OR ".join('instr(CAST("{0}" AS BLOB), CAST(? AS BLOB)) > 0' for _ in every)
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as database:
        return any(
            pattern.search(cell if isinstance(cell, bytes) else str(cell).encode())
            for table, column in _columns(database)
            for (cell,) in database.execute(
                f'SELECT "{column}" FROM "{table}" WHERE {maybe.format(column)}',  # noqa: S608 - names of its own
                every,
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
    fresh.write_bytes(re.sub(_word(value), ERASED, text).encode())
    shutil.copymode(file, fresh)
    fresh.replace(file)
    return True


def _redact_database(file: Path, value: str, kept: tuple[str, ...]) -> bool:
    """Take a value out of a database's texts, and compact it; returns whether any text changed."""
    try:
        return _redacted(file, value, kept)
    except sqlite3.Error as error:
        raise RuntimeError(
            f"{file} could not be written ({error}), and may still hold the value: end who uses it, or see what is"
            " wrong with it (mlsys doctor), and ask again"
        ) from error


def _redacted(file: Path, value: str, kept: tuple[str, ...]) -> bool:
    pattern, every, changed = re.compile(_word(value)), forms(value), 0
    maybe = " OR ".join('instr("{0}", ?) > 0' for _ in every)
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as database:
        database.create_function("holds", 1, lambda text: pattern.search(text) is not None, deterministic=True)
        database.create_function("without", 1, lambda text: pattern.sub(ERASED, text), deterministic=True)
        if len(value) >= LEAST_CHARACTERS:
            for table, column in _columns(database):
                if not table.startswith(kept):
                    changed += database.execute(
                        # Two rows of one name, once the value is out of it: the one goes with the other.
                        f'UPDATE OR REPLACE "{table}" SET "{column}" = without("{column}") '  # noqa: S608 - its own
                        f'WHERE typeof("{column}") = \'text\' AND ({maybe.format(column)}) AND holds("{column}")',
                        every,
                    ).rowcount
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed > 0


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    names = [name for (name,) in tables.fetchall()]
    return [(t, column[1]) for t in names for column in database.execute(f'PRAGMA table_info("{t}")').fetchall()]
