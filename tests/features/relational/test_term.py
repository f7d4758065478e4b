"""Operators over a query's columns: each means what it means over NumPy arrays."""

import math
import operator
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.expression import evaluate as by_numpy
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.features.relational.database import Database
from mlsys_assets.features.relational.sheet import Sheet
from mlsys_assets.types import utc
from mlsys_resources.engines import Engine

Row = Mapping[str, Any]
START = utc("2013-03-10")
HOUR = np.timedelta64(1, "h")
REALS = (None, math.nan, math.inf, -math.inf, -7.5, -3.0, -0.25, 0.0, 0.1, 1.0, 2.0, 3.0, 7.3, 1e9, 1e300)
WHOLES = (None, -7, -3, -1, 0, 1, 2, 5, 24)


def _table() -> pa.Table:
    pairs = [(x, y) for x in REALS for y in REALS]
    n = len(pairs)
    wholes = [WHOLES[i % len(WHOLES)] for i in range(n)]
    others = [WHOLES[(i // len(WHOLES)) % len(WHOLES)] for i in range(n)]
    moments = [None if i % 11 == 0 else START + timedelta(minutes=37 * (i % 90)) for i in range(n)]
    small = [None if v is None or abs(v) > 1e30 else v for v, _ in pairs]
    return pa.table({
        "x": pa.array([x for x, _ in pairs], pa.float64()),
        "y": pa.array([y for _, y in pairs], pa.float64()),
        "s": pa.array(small, pa.float32()),
        "i": pa.array(wholes, pa.int64()),
        "j": pa.array(others, pa.int64()),
        "b": pa.array([None if i % 7 == 0 else i % 3 == 0 for i in range(n)]),
        "c": pa.array([i % 2 == 0 for i in range(n)]),
        "t": pa.array([None if i % 5 == 0 else "AB"[i % 2] for i in range(n)]),
        "u": pa.array(["BA"[i % 3 == 0] for i in range(n)]),
        "m": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "l": pa.array(moments[::-1], pa.timestamp("us", tz="UTC")),
    })  # fmt: skip


ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod)
COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


def _both(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Callable[[Row], Any]:
    def read(row: Row, of: Any) -> Any:
        return row[of] if isinstance(of, str) and len(of) == 1 else of

    return lambda row: operate(read(row, left), read(row, right))


PAIRS: tuple[tuple[Any, Any], ...] = (
    ("x", "y"), ("i", "j"), ("x", "i"), ("i", "x"), ("x", 3), ("x", -0.75), (2.5, "y"), ("i", 3), ("i", -24), (7, "j"),
    ("x", 0.30000000000000004),
    ("i", 0), ("x", 0), ("s", 0.1), ("s", "x"), ("s", 3), (0.1, "s"), ("s", "i"), ("b", "i"), ("i", "b"), ("x", "b"),
    ("i", 0.5), (np.float64(2.5), "x"), (np.int64(5), "i"),
)  # fmt: skip
WRITTEN: dict[str, Callable[[Row], Any]] = {
    "either, where one is unknown": lambda row: (row["x"] > 1) | (row["y"] > 1),
    "both": lambda row: (row["x"] > 1) & (row["i"] < 2),
    "one of two": lambda row: (row["x"] > 1) ^ row["b"],
    "not": lambda row: ~(row["x"] > 1),
    "not a number is not greater": lambda row: ~((row["x"] / row["y"]) > 1),
    "not a number is not equal": lambda row: (row["x"] - row["x"]) == 0,
    "not a number differs": lambda row: (row["x"] % row["y"]) != 0,
    "bits": lambda row: (row["i"] & 6) | (~row["j"] ^ 3),
    "added truths": lambda row: row["b"] + row["c"],
    "multiplied truths": lambda row: row["b"] * row["c"],
    "compared truths": lambda row: row["b"] > row["c"],
    "size": lambda row: abs(row["x"]) + abs(-row["i"]) + abs(row["s"]),
    "square": lambda row: row["x"] ** 2,
    "cube": lambda row: row["i"] ** 3,
    "root": lambda row: row["x"] ** 0.5,
    "power": lambda row: (abs(row["s"]) + 1) ** 2,
    "one over": lambda row: row["y"] ** -1,
    "the same text": lambda row: row["t"] == "A",
    "another text": lambda row: row["t"] != row["u"],
    "hours between": lambda row: (row["m"] - row["l"]) / HOUR,
    "whole hours between": lambda row: (row["m"] - row["l"]) // HOUR,
    "longer than a day": lambda row: (row["m"] - row["l"]) > np.timedelta64(1, "D"),
    "later": lambda row: row["m"] > row["l"],
    "after a moment": lambda row: row["m"] >= np.datetime64("2013-03-10T12:00"),
    "time of day": lambda row: ((row["m"] - np.datetime64("2013-01-01")) % np.timedelta64(1, "D")) / HOUR,
    "a day later": lambda row: (row["m"] + np.timedelta64(1, "D") - row["l"]) / HOUR,
    "the same for all": lambda _: 1.5,
    "a column": lambda row: row["x"],
    "a text": lambda row: row["u"],
}


def _cases() -> dict[str, Callable[[Row], Any]]:
    found = dict(WRITTEN)
    for operate in ARITHMETIC + COMPARISONS:
        found |= {f"{operate.__name__} {a} {b}": _both(operate, a, b) for a, b in PAIRS}
    return found


@pytest.fixture(scope="module")
def database():
    with Engine("duckdb", threads=1).open() as backend, Database(backend).one_pass() as database:
        yield database


def _computed(table: pa.Table, of: Callable[[Row], Any]) -> list[Any]:
    found = by_numpy(of, NumpyTable(table))
    known = np.ones(len(table), bool) if found.valid is None else found.valid
    return [v if k else None for v, k in zip(found.values.tolist(), known.tolist(), strict=True)]


def test_every_operator_means_what_it_means_over_numpy(database) -> None:
    table, cases = _table(), _cases()
    sheet = Sheet(database.table(table), database)
    terms = {name: sheet.term(of) for name, of in cases.items()}
    rows = database.keep(sheet.table.select(**{f"e{i}": t.value for i, t in enumerate(terms.values())}))
    found = database.fetch(rows).to_pydict()
    with np.errstate(all="ignore"):
        wanted = {name: _computed(table, of) for name, of in cases.items()}
        kinds = {name: by_numpy(of, NumpyTable(table)).values.dtype.kind for name, of in cases.items()}
    different = {}
    for i, name in enumerate(cases):
        mine, theirs = found[f"e{i}"], wanted[name]
        at = [k for k, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b or type(a) is not type(b)]
        if at:
            different[name] = [(table.slice(k, 1).to_pylist()[0], mine[k], theirs[k]) for k in at[:2]]
    assert different == {}
    assert {n: t.dtype.kind for n, t in terms.items()} == kinds


def test_what_is_no_operator_is_refused(database) -> None:
    sheet = Sheet(database.table(_table()), database)
    with pytest.raises(TypeError, match="write & \\| ~ in place of and, or, not"):
        sheet.term(lambda row: row["b"] and row["c"])
    with pytest.raises(TypeError, match="does not support ufuncs"):
        sheet.term(lambda row: np.log(row["x"]))
    with pytest.raises(KeyError, match="unknown column 'z'"):
        sheet.term(lambda row: row["z"])
    with pytest.raises(ValueError, match="one value a row"):
        sheet.term(lambda row: np.zeros(2))
    with pytest.raises(TypeError, match="first divide the duration by another"):
        sheet.term(lambda row: (row["m"] - row["l"]) / 2)
