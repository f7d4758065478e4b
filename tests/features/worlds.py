"""Worlds to compute features in: declarations of every kind, and random tables that are full of ties and gaps."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import (
    age,
    count,
    distinct,
    history,
    last,
    maximum,
    mean,
    minimum,
    rate,
    sum as total,
    variance,
)
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import days, hours, minutes, utc

START = utc("2013-03-10")
"""The day the clocks go forward in New York."""
TIME = pa.timestamp("us", tz="UTC")


def source_of(name: str, *, snapshot: bool = False, corrections: bool = False) -> Source:
    columns = (Column("id", "int64"), Column("place", "string"), Column("line", "int64"), Column("delay", "float64"),
               Column("cost", "float64"), Column("kind", "string"), Column("fare", "float32"))  # fmt: skip
    return Source(name, read=lambda window: pa.table({}), raw=(), columns=columns, derive=lambda t: t, key=("id",),
                  snapshot=snapshot, corrections=corrections)  # fmt: skip


EVENTS = source_of("events")
PLAN = source_of("plan")
PAPERS = source_of("papers", snapshot=True)
MENDED = source_of("mended", corrections=True)
NAMES = ("events", "plan", "papers", "mended")
SCHEMA = pa.schema({"id": pa.int64(), "place": pa.string(), "line": pa.int64(), "delay": pa.float64(),
                    "cost": pa.float64(), "kind": pa.string(), "event_time": TIME, "known_at": TIME,
                    "fare": pa.float32()})  # fmt: skip
REQUESTS = pa.schema([("id", pa.string()), ("place", pa.string()), ("line", pa.int64()), ("size", pa.float64()),
                      ("planned", TIME), ("predict_at", TIME)])  # fmt: skip
PARITY = Key("odd", lambda row: row["line"] % 2)


def _late(row: Any) -> Any:
    return row["delay"] > 1


def _both(row: Any) -> Any:
    return (row["kind"] == "A") & (row["delay"] < 5)


def _everything(source: Source, by: Any) -> tuple[Feature, ...]:
    """Every aggregate of one source and key."""
    return (
        Trailing(source, by=by, over=(minutes(40), hours(5)), number=count(), late=count(_late), cost=total("cost"),
                 paid=total("cost", where=_late), cost_late=mean("cost", where=_late), share=rate(_late),
                 spread=variance("cost", resolution=0.25), lines=variance("line", where=_late), least=minimum("cost"),
                 most=maximum("delay", where=_late), most_line=maximum("line"), kinds=distinct("kind"),
                 costs=distinct("cost", where=_late), latest=last("kind"), latest_late=last("cost", where=_late),
                 since=age(), since_late=age(_late), known_for=history(), late_for=history(_late),
                 fading=count(half_life=minutes(30)), fading_cost=total("cost", half_life=hours(1)),
                 fading_late=rate(_late, half_life=minutes(20)),
                 fading_paid=mean("cost", where=_late, half_life=hours(2)),
                 others=count(lambda row: ~(row["kind"] == "A")), as_many=mean(lambda row: _both(row) + _both(row)),
                 dear=count(lambda row: row["fare"] > 0.1), fares=total("fare"), last_fare=last("fare"),
                 dearer=mean(lambda row: row["fare"] * 3 - 0.3)),
    )  # fmt: skip


FEATURES: tuple[Feature, ...] = (
    Request("place", "line", "size", double=lambda row: row["size"] * 2, large=lambda row: row["size"] > 1),
    Lookup(EVENTS, by="place", columns=("delay", "kind", "line"), max_age=hours(3)),
    Lookup(PAPERS, by=("place", "line"), columns=("cost",)),
    Trailing(EVENTS, by="place", over=(hours(1), hours(4)), n=count(), mean_delay=mean("delay"), cost=total("cost"),
             late=rate(lambda row: row["delay"] > 1), early=count(lambda row: row["delay"] < 0), age=age(),
             last_kind=last("kind"), last_delay=last("delay"), sure=mean(lambda row: row["delay"] * row["line"])),
    Trailing(EVENTS, by=("place", PARITY), over=hours(2), n=count(), last_line=last("line")),
    Trailing(EVENTS, by=Key("from", "place", "kind"), over=hours(6), n=count()),
    Trailing(EVENTS, by=Key("level", "size", "delay"), over=hours(9), n=count()),
    Trailing(EVENTS, by=(), over=hours(2), n=count(), mean_cost=mean("cost")),
    Scheduled(PLAN, by="place", around=(minutes(30), hours(2)), max_age=days(1), at="planned", n=count(),
              mean_delay=mean("delay"), late=rate(lambda row: row["delay"] > 1)),
    Scheduled(PLAN, by=(), around=hours(1), max_age=hours(5), at="planned", n=count()),
    *_everything(EVENTS, "place"),
    *_everything(MENDED, ("line",)),
    Lookup(MENDED, by="place", columns=("cost",), max_age=hours(4)),
    Scheduled(MENDED, by="place", around=(minutes(30), hours(2)), max_age=days(1), at="planned", m=count(),
              mean_cost=mean("cost"), least_cost=minimum("cost"), kinds=distinct("kind")),
    Derived(against=lambda f: f["place_mean_delay_1h"] - f["place_mean_delay_4h"],
            rising=lambda f: f["place_n_1h"] * 4 > f["place_n_4h"]),
    Derived(twice=lambda f: f["against"] * 2),
    Backoff("usual", ("place_mean_delay_1h", "place_n_1h"), ("place_mean_delay_4h", "place_n_4h"),
            ("all_mean_cost_2h", "all_n_2h"), at_least=2),
)  # fmt: skip

STEP = minutes(20)
"""Moments are few, so that rows tie with each other and with the ends of windows."""
RELATIVE = 1e-6
"""The tolerance of what is not exact: variances, and sums of rows that are weighted by their age."""
NUMBERS = (None, math.nan, -2.0, 0.0, -0.0, 0.25, 1.0, 2.0, 17.0, 1e6)
FARES = (None, math.nan, -0.5, 0.1, 0.3, 7.7)
"""Of which single precision holds only the third."""


def pick(random: np.random.Generator, values: Sequence[Any], n: int) -> list[Any]:
    return [values[i] for i in random.integers(len(values), size=n)]


def moments(random: np.random.Generator, n: int) -> list[datetime]:
    return [START + int(i) * STEP for i in random.integers(0, 36, size=n)]


def log_of(random: np.random.Generator, n: int, *, steady: bool = False) -> pa.Table:
    """Rows in any order; with ``steady``, each known a day before it happens."""
    event = moments(random, n)
    known = [e - days(1) + hours(10) for e in event] if steady else moments(random, n)
    return pa.table(
        [random.permutation(n), pick(random, ("A", "B", "C", None), n), pick(random, (0, 1, 2, None), n),
         pick(random, NUMBERS, n), pick(random, NUMBERS, n), pick(random, ("A", "B", None), n), event, known,
         pick(random, FARES, n)],
        schema=SCHEMA,
    )  # fmt: skip


def versions_of(random: np.random.Generator, n: int) -> pa.Table:
    """Rows of which some three share a name, with other values, keys and times of the event; none known at once."""
    known = [START + int(i) * STEP / 4 for i in random.permutation(max(144, n))[:n]]
    log = log_of(random, n).set_column(0, "id", pa.array(np.arange(n) // 3, pa.int64()))
    return log.set_column(7, "known_at", pa.array(known, TIME))


def tables_of(random: np.random.Generator, n: int, *, steady: bool = False) -> dict[str, pa.Table]:
    return {"events": log_of(random, n), "plan": log_of(random, n, steady=steady), "papers": log_of(random, n),
            "mended": versions_of(random, n)}  # fmt: skip


def asked(random: np.random.Generator, n: int) -> pa.Table:
    return pa.table(
        [[str(i) for i in range(n)], pick(random, ("A", "B", "C", None), n), pick(random, (0, 1, 5, None), n),
         pick(random, NUMBERS, n), moments(random, n), moments(random, n)],
        schema=REQUESTS,
    )  # fmt: skip


EXPRESSED: tuple[Feature, ...] = (
    Request("place", "line", "size", double=lambda row: row["size"] * 2, floored=lambda row: row["size"] // -0.75,
            left=lambda row: row["line"] % -3, large=lambda row: (row["size"] > 1) | (row["line"] != 1),
            ahead=lambda row: (row["planned"] - row["predict_at"]) / np.timedelta64(1, "h")),
    Lookup(EVENTS, by="place", columns=("delay", "kind", "line"), max_age=hours(3)),
    Lookup(PAPERS, by=("place", "line"), columns=("cost",)),
    Trailing(EVENTS, by="place", over=(hours(1), hours(4)), n=count(), mean_delay=mean("delay"),
             cost=total("cost"), late=rate(_late), early=count(lambda row: row["delay"] < 0), age=age(),
             last_kind=last("kind"), last_delay=last("delay"), sure=mean(lambda row: row["delay"] * row["line"])),
    Trailing(EVENTS, by="place", over=(hours(2), hours(5)), spread=variance("delay", resolution=0.25),
             lines=variance("line"),
             least=minimum("delay"), most=maximum("cost", where=_late), since=history(), late_since=history(_late),
             late_age=age(_late), late_kind=last("kind", where=_late), late_cost=total("cost", where=_late),
             lost=mean(lambda row: row["delay"] - row["cost"], where=_late),
             late_a=rate(_late, where=lambda row: row["kind"] == "A"), coarse=total("delay", resolution=0.25),
             different=distinct("line"), delays=distinct("delay", where=lambda row: row["line"] > 0)),
    Trailing(EVENTS, by=("place", PARITY), over=hours(2), n=count(), last_line=last("line")),
    Trailing(EVENTS, by=Key("from", "place", "kind"), over=hours(6), n=count()),
    Trailing(EVENTS, by=Key("sized", "size", "line"), over=hours(6), n=count()),
    Trailing(EVENTS, by=Key("level", "size", "delay"), over=hours(9), n=count(), fares=total("fare"),
             others=rate(lambda row: ~(row["kind"] == "A")), dear=count(lambda row: row["fare"] > 0.1),
             dearer=mean(lambda row: row["fare"] * 3 - 0.3)),
    Trailing(EVENTS, by=(), over=hours(2), n=count(), mean_cost=mean("cost"), different=distinct("line")),
    Trailing(EVENTS, by="place", over=hours(3), fading=count(half_life=hours(1)),
             fading_delay=mean("delay", half_life=hours(2)), fading_lines=total("line", half_life=minutes(30)),
             fading_late=rate(_late, half_life=hours(1), where=lambda row: row["line"] < 2)),
    Scheduled(PLAN, by="place", around=(minutes(30), hours(2)), max_age=days(1), at="planned", n=count(),
              mean_delay=mean("delay"), late=rate(_late), late_n=count(_late),
              spread=variance("delay", resolution=0.25),
              most=maximum("delay"), different=distinct("line")),
    Scheduled(PLAN, by=(), around=hours(1), max_age=hours(5), at="planned", n=count(), cost=total("cost")),
    Scheduled(PLAN, by="place", around=hours(1), max_age=hours(9), at="predict_at", due=count()),
    Trailing(MENDED, by="place", over=(hours(2), hours(9)), kept=count(), kept_delay=mean("delay"),
             kept_kind=last("kind"), kept_age=age(), kept_since=history(),
             kept_spread=variance("cost", resolution=0.25),
             kept_least=minimum("cost"), kept_different=distinct("delay")),
    Lookup(MENDED, by="place", columns=("cost", "id"), max_age=hours(5)),
    Scheduled(MENDED, by="place", around=hours(3), max_age=hours(9), at="planned", kept=count()),
    Derived(gap=lambda f: f["place_least_2h"] - f["place_mean_delay_4h"], many=lambda f: f["place_n_4h"] > 1),
    Backoff("told", ("place_mean_delay_1h", "place_n_1h"), ("place_mean_delay_4h", "place_n_4h"), at_least=2),
    Derived(huge=lambda f: f["gap"] * 1e38),
)  # fmt: skip
"""Every kind once or so, with expressions that are otherwise in SQL: for engines that are slow to ask."""


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The features of each request."""
    columns = [c.to_pylist() for c in table.columns[2:]]
    return [list(row) for row in zip(*columns, strict=True)]


def agree(names: Sequence[str], found: list[list[Any]], wanted: list[list[Any]]) -> None:
    """What an engine found is what was wanted: exactly, but for variances and what fades."""
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        for name, a, b in zip(names, mine, theirs, strict=True):
            inexact = ("fading" in name or "spread" in name) and a is not None and b is not None
            assert a == b or (inexact and math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-9)), (name, a, b)
