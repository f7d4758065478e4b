"""A log of events, a plan, a corrected source and requests, drawn at random; and a database to ask."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.tables import Column
from mlsys_assets.types import days, hours, minutes, utc
from mlsys_resources.engines import Engine

START = utc("2013-03-10")
"""The day the clocks go forward in New York."""
STEP = minutes(20)
"""Moments are few, so that rows tie with each other and with the ends of windows."""
NUMBERS = (None, math.nan, -2.0, 0.0, 0.25, 1.0, 2.0, 17.0, 1e6)
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema({"id": pa.int64(), "place": pa.string(), "line": pa.int64(), "delay": pa.float64(),
                    "cost": pa.float64(), "kind": pa.string(), "event_time": TIME, "known_at": TIME})  # fmt: skip
REQUESTS = pa.schema([("id", pa.string()), ("place", pa.string()), ("line", pa.int64()), ("size", pa.float64()),
                      ("planned", TIME), ("predict_at", TIME)])  # fmt: skip


def _source(name: str) -> Source:
    columns = (Column("id", "int64"), Column("place", "string"), Column("line", "int64"), Column("delay", "float64"),
               Column("cost", "float64"), Column("kind", "string"))  # fmt: skip
    return Source(name, read=lambda window: pa.table({}), raw=(), columns=columns, derive=lambda t: t, key=("id",))


class World:
    """Sources, and tables of them by a seed."""

    events = _source("events")
    plan = _source("plan")
    papers = replace(_source("papers"), snapshot=True)
    fixed = replace(_source("fixed"), corrections=True)
    start, time, schema, requests = START, TIME, SCHEMA, REQUESTS

    def tables(self, random: np.random.Generator, n: int, *, steady: bool = False) -> dict[str, pa.Table]:
        """Return ``n`` rows of each source; with ``steady``, the plan is known ten hours into the day before."""
        return {
            "events": self.log(random, n),
            "plan": self.log(random, n, steady=steady),
            "papers": self.log(random, n),
            "fixed": self.versions(random, n),
        }

    def log(self, random: np.random.Generator, n: int, *, steady: bool = False) -> pa.Table:
        """Return rows in any order."""
        event = _moments(random, n)
        known = [e - days(1) + hours(10) for e in event] if steady else _moments(random, n)
        return self._rows(random, random.permutation(n).tolist(), event, known)

    def versions(self, random: np.random.Generator, n: int) -> pa.Table:
        """Return rows of which about three share a name; no two of a name become known at once."""
        known = [START + int(i) * STEP / 4 for i in random.permutation(144)[:n]]
        return self._rows(random, (np.arange(n) // 3).tolist(), _moments(random, n), known)

    def asked(self, random: np.random.Generator, n: int) -> pa.Table:
        """Return requests in any order."""
        return pa.table(
            [[str(i) for i in range(n)], _pick(random, ("A", "B", "C", None), n), _pick(random, (0, 1, 5, None), n),
             _pick(random, NUMBERS, n), _moments(random, n), _moments(random, n)],
            schema=REQUESTS,
        )  # fmt: skip

    def _rows(
        self, random: np.random.Generator, names: list[int], event: list[datetime], known: list[datetime]
    ) -> pa.Table:
        n = len(names)
        return pa.table(
            [names, _pick(random, ("A", "B", "C", None), n), _pick(random, (0, 1, 2, None), n),
             _pick(random, NUMBERS, n), _pick(random, NUMBERS, n), _pick(random, ("A", "B", None), n), event, known],
            schema=SCHEMA,
        )  # fmt: skip


def _pick(random: np.random.Generator, values: Sequence[Any], n: int) -> list[Any]:
    return [values[i] for i in random.integers(len(values), size=n)]


def _moments(random: np.random.Generator, n: int) -> list[datetime]:
    return [START + int(i) * STEP for i in random.integers(0, 36, size=n)]


@pytest.fixture(scope="session")
def world() -> World:
    """Sources, and tables of them by a seed."""
    return World()


@pytest.fixture(scope="package")
def duckdb():
    """A database in memory, on one thread."""
    with Engine("duckdb", threads=1).open() as backend:
        yield backend
