"""What is told of a feature is what it was declared to be, whatever its kind."""

import pyarrow as pa
import pytest

from mlsys_assets import (
    Backoff,
    Column,
    Derived,
    Key,
    Lookup,
    Request,
    Scheduled,
    Source,
    Trailing,
    count,
    days,
    hours,
    minutes,
    rate,
)  # fmt: skip
from mlsys_assets.data_ingestion.freshness import Lag, fresh, lag_of
from mlsys_assets.features.catalogue import catalogue
from mlsys_assets.features.shortest_reads import shortest_reads
from mlsys_assets.tables import TIMESTAMP
from mlsys_assets.types import Severity

COLUMNS = (
    Column("id", "string"), Column("shop", "string", unit="€/h", description="where <it> is"),
    Column("size", "float64"),
)  # fmt: skip


def source(name: str, **declared) -> Source:
    return Source(name, read=None, raw=COLUMNS, columns=COLUMNS, derive=None, key=("id",), **declared)


ORDERS, SALES, SHOPS = source("orders"), source("sales", owner="till"), source("shops", snapshot=True, owner="estate")


def _big(row):
    return row["size"] > 3


FEATURES = (
    Request("shop", doubled=lambda r: r["size"] * 2),
    Lookup(SHOPS, by="shop", columns=("size",)),
    Lookup(SALES, by=Key("branch", lambda r: r["shop"]), columns=("size",), max_age=hours(5)),
    Trailing(SALES, by="shop", over=(days(1), minutes(90)), n=count(), big=rate(_big, half_life=days(3))),
    Scheduled(ORDERS, by=(), around=hours(2), max_age=days(2), n=count("shop")),
    Derived(ratio=lambda f: f["shop_n_90m"] / f["shop_n_1d"]),
    Backoff("size", ("shop_big_90m", "shop_n_90m"), ("shop_big_1d", "shop_n_1d"), at_least=4),
)


@pytest.fixture(scope="module")
def told():
    lags = {"sales": Lag(3, 4, 0.5, 2.0, 7.0)}
    found = catalogue(FEATURES, ORDERS, sources=(ORDERS, SALES, SHOPS), owner="desk", lags=lags)
    return {entry.name: entry for entry in found}


def test_each_kind_is_told_in_its_own_words(told) -> None:
    assert {name: entry.definition for name, entry in told.items()} == {
        "shop": "Request: shop",
        "doubled": "Request: f(size)",
        "shop_size": "Lookup: size of the latest row of shops, key shop",
        "branch_size": "Lookup: size of the latest row of sales, key branch = f(shop), no older than 5h",
        "shop_n_1d": "Trailing: count over sales, key shop, known in the last 1d",
        "shop_big_1d": "Trailing: rate of big(size), weights halved each 3d, over sales, key shop, known in the last "
        "1d",
        "shop_n_90m": "Trailing: count over sales, key shop, known in the last 90m",
        "shop_big_90m": "Trailing: rate of big(size), weights halved each 3d, over sales, key shop, known in the last "
        "90m",
        "all_n_around_2h": "Scheduled: count where shop over orders, all rows, planned within 2h of the request's "
        "event_time, known in the last 2d",
        "ratio": "Derived: f(shop_n_90m, shop_n_1d)",
        "size": "Backoff: shop_big_90m, else shop_big_1d: the first that rests on 4 rows or more",
    }


def test_when_it_can_be_known_is_that_of_all_that_it_is_made_of(told) -> None:
    late = "known 0.5 h after it happened (p95 2 h, max 7 h)"
    assert {name: entry.availability for name, entry in told.items()} == {
        "shop": "with the request",
        "doubled": "with the request",
        "shop_size": "shops, read whole",
        "branch_size": f"sales, of the last 5h, {late}",
        "shop_n_1d": f"sales, of the last 1d, {late}",
        "shop_big_1d": f"sales, of the last 1d, {late}",
        "shop_n_90m": f"sales, of the last 90m, {late}",
        "shop_big_90m": f"sales, of the last 90m, {late}",
        "all_n_around_2h": "orders, of the last 2d",
        "ratio": f"sales, of the last 1d, {late}",
        "size": f"sales, of the last 1d, {late}",
    }


def test_owner_origin_and_place_are_told(told) -> None:
    owners = {name: entry.owner for name, entry in told.items()}
    assert (owners["shop"], owners["shop_size"], owners["branch_size"], owners["size"]) == (
        "desk", "estate", "till", "till",
    )  # fmt: skip
    assert owners["all_n_around_2h"] == "desk"
    assert told["shop_n_1d"].origins == (("sales", "shop"), ("orders", "shop"))
    assert [told[name].declaration for name in ("shop", "shop_big_90m", "size")] == [0, 3, 6]
    assert (told["shop"].description, told["shop_n_1d"].description) == ("where <it> is", "")


def test_the_shortest_look_back_at_each_source_is_found() -> None:
    assert shortest_reads(FEATURES, COLUMNS) == {
        "sales": ("shop_n_90m", minutes(90)), "orders": ("all_n_around_2h", days(2)),
    }  # fmt: skip
    assert shortest_reads(FEATURES[:3], COLUMNS) == {"sales": ("branch_size", hours(5))}


# -- how late ----------------------------------------------------------------------------------------


def rows(*minutes_late: int) -> pa.Table:
    happened = pa.array([0] * len(minutes_late), TIMESTAMP)
    return pa.table({"event_time": happened, "known_at": pa.array([m * 60_000_000 for m in minutes_late], TIMESTAMP)})


def test_the_lag_is_that_of_all_rows_and_nothing_where_one_is_known_ahead() -> None:
    late = [*range(60, 60 * 21, 60)]  # one to twenty hours
    found = lag_of(rows(*late, 0, -600))
    assert (found.rows, found.of, found.median, found.longest) == (20, 22, 9.5, 20.0)
    assert found.p95 == pytest.approx(18.95)
    assert lag_of(rows(-60)) == Lag(0, 1, 0.0, 0.0, 0.0)
    assert lag_of(rows()) is None


def test_a_source_later_than_the_shortest_window_is_told_with_the_feature() -> None:
    lag = lag_of(rows(60, 120, 180))
    found = fresh("sales", lag, ("shop_n_90m", minutes(90)))
    assert (found.passed, found.severity) == (False, Severity.WARN)
    for part in ("sales", "p95 2.9 h", "shop_n_90m", "1.5 h", "more than 5% of the rows become known when they are"):
        assert part in found.summary
    assert fresh("sales", lag, ("shop_n_1d", days(1))).passed
    assert fresh("sales", None, ("shop_n_90m", minutes(90))).passed
    assert fresh("sales", lag_of(rows(-60, 0)), ("shop_n_90m", minutes(90))).evidence["lag p95 [h]"] == 0.0
