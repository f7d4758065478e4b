import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import worlds

from mlsys_assets.features.aggregate import count, mean
from mlsys_assets.features.online.signature import signature
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import hours


def above(bound: float) -> Any:
    return lambda row: row["delay"] > bound


def over(bound: float, row: Any) -> Any:
    return row["delay"] > bound


class Above:
    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, row: Any) -> Any:
        return row["delay"] > self.bound

    def late(self, row: Any) -> Any:
        return row["delay"] > self.bound


def among(*kinds: str) -> Any:
    known = frozenset(kinds)
    return lambda row: row["delay"] > len(known)


HOUR = hours(1)


def declared(source: Any = worlds.EVENTS, by: Any = "place", window: Any = HOUR, **aggregates: Any) -> Any:
    return (Trailing(source, by=by, over=window, **(aggregates or {"n": count()})),)


def test_what_is_declared_alike_has_one_signature_and_all_else_another() -> None:
    assert signature(declared(), code="1") == signature(declared(), code="1")
    ways = [
        declared(), declared(by="line"), declared(window=hours(2)), declared(m=count()), declared(n=mean("delay")),
        declared(n=count(above(1))), declared(n=count(above(2))), declared(n=count(lambda row: row["cost"] > 1)),
        declared(n=mean("delay", half_life=hours(1))), declared(source=replace(worlds.EVENTS, corrections=True)),
        declared() * 2, *(declared(n=count(partial(over, bound))) for bound in (1, 2)),
        *(declared(n=count(way)) for bound in (1, 2) for way in (Above(bound), Above(bound).late)),
        *(declared(n=count(among(*kinds))) for kinds in ("ab", "cd")),
    ]  # fmt: skip
    found = [signature(way, code="1") for way in ways] + [signature(declared(), code="2")]
    assert len(set(found)) == len(found)
    assert all(len(one) == 16 for one in found)


def test_it_is_the_same_in_every_process() -> None:
    told = (
        "from test_signature import Above, among, count, declared, signature\n"
        "ways = declared(n=count(among(*'abcdefgh'))), declared(n=count(Above(1))), "
        "declared(n=count(lambda row: row['kind'] in {'a', 'b', 'c', 'd'}))\n"
        "print([signature(way, code='1') for way in ways])"
    )
    path = os.pathsep.join(map(str, (Path(__file__).parent, Path(worlds.__file__).parent)))
    said = {
        subprocess.run(
            [sys.executable, "-c", told], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(said) == 1
