from dataclasses import replace
from typing import Any

import worlds

from mlsys_assets.features.aggregate import count, mean
from mlsys_assets.features.online.signature import signature
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import hours


def above(bound: float) -> Any:
    return lambda row: row["delay"] > bound


HOUR = hours(1)


def declared(source: Any = worlds.EVENTS, by: Any = "place", over: Any = HOUR, **aggregates: Any) -> Any:
    return (Trailing(source, by=by, over=over, **(aggregates or {"n": count()})),)


def test_what_is_declared_alike_has_one_signature_and_all_else_another() -> None:
    assert signature(declared(), code="1") == signature(declared(), code="1")
    ways = [
        declared(), declared(by="line"), declared(over=hours(2)), declared(m=count()), declared(n=mean("delay")),
        declared(n=count(above(1))), declared(n=count(above(2))), declared(n=count(lambda row: row["cost"] > 1)),
        declared(n=mean("delay", half_life=hours(1))), declared(source=replace(worlds.EVENTS, corrections=True)),
        declared() * 2,
    ]  # fmt: skip
    found = [signature(way, code="1") for way in ways] + [signature(declared(), code="2")]
    assert len(set(found)) == len(found)
    assert all(len(one) == 16 for one in found)
