"""What a column needs is what it is declared by and read from, through features of features too."""

from mlsys_assets import Backoff, Column, Derived, Lookup, Request, Source, Trailing, count, days, rate
from mlsys_assets.offline_evaluation.importance.feature_debt import by_tables, declaration_name, needs

COLUMNS = (Column("id", "string"), Column("shop", "string"), Column("size", "float64"))


def source(name: str, **declared) -> Source:
    return Source(name, read=None, raw=COLUMNS, columns=COLUMNS, derive=None, key=("id",), **declared)


ORDERS, SALES, SHOPS = source("orders"), source("sales"), source("shops", snapshot=True)
FEATURES = (
    Request("shop"),
    Lookup(SHOPS, by="shop", columns=("size",)),
    Trailing(SALES, by="shop", over=(days(1), days(7)), n=count(), big=rate(lambda r: r["size"] > 3)),
    Trailing(ORDERS, by="shop", over=days(1), asked=count()),
    Derived(ratio=lambda f: f["shop_n_1d"] / f["shop_size"], double=lambda f: f["shop_asked_1d"] * 2),
    Backoff("usual", ("ratio", "shop_n_1d"), ("shop_big_7d", "shop_n_7d")),
)
TRAILING = "Trailing shop_n_1d and 3 more"


def test_what_is_computed_from_features_needs_what_they_need() -> None:
    found = needs(FEATURES, ORDERS)
    assert found["shop"] == {"Request shop"}
    assert found["shop_size"] == {"Lookup shop_size", "table shops"}
    assert found["shop_big_7d"] == found["shop_n_1d"] == {TRAILING, "table sales"}
    assert found["ratio"] == {"Derived ratio and 1 more", TRAILING, "table sales", "Lookup shop_size", "table shops"}
    assert found["usual"] == found["ratio"] | {"Backoff usual"}


def test_the_table_of_the_requests_is_always_there() -> None:
    assert needs(FEATURES, ORDERS)["shop_asked_1d"] == {"Trailing shop_asked_1d"}
    assert needs(FEATURES, ORDERS)["double"] == {"Derived ratio and 1 more", "Trailing shop_asked_1d"}


def test_columns_are_grouped_by_the_tables_they_are_read_from() -> None:
    assert by_tables(FEATURES, ORDERS) == {
        "all of the request": ("shop", "shop_asked_1d", "double"),
        "all of shops": ("shop_size",),
        "all of sales": ("shop_n_1d", "shop_big_1d", "shop_n_7d", "shop_big_7d"),
        "all of sales and shops": ("ratio", "usual"),
    }
    assert declaration_name(FEATURES[0], []) == "Request of nothing"
