import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.features.aggregate import age, count, last, maximum, mean, rate, sum as total, variance
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.feature import Feature, mistakes, outputs, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import days, hours, minutes

COLUMNS = (
    Column("id", "int64"), Column("place", "string"), Column("line", "int64"),
    Column("delay", "float64", unit="min", description="how late"), Column("planned", "timestamp"),
)  # fmt: skip


def _source(name: str, **more: Any) -> Source:
    return Source(name, lambda window: pa.table({}), raw=(), columns=COLUMNS, derive=lambda t: t, key=("id",), **more)


EVENTS, PLAN, PAPERS = _source("events"), _source("plan"), _source("papers", snapshot=True)
LABEL: Any = NaturalLabel("late", source=EVENTS, compute=lambda rows: pc.greater(rows["delay"], 15), delay=hours(3),
                          window=days(2))  # fmt: skip


def _late(row: Any) -> Any:
    return row["delay"] > 15


def test_names_types_and_units_follow_from_the_declaration() -> None:
    features: tuple[Feature, ...] = (
        Request("place", "delay", wait=lambda row: row["delay"] * 2),
        Lookup(PAPERS, by="place", columns=("line", "place")),
        Trailing(EVENTS, by=("place", "line"), over=(hours(3), days(7)), late_rate=rate(_late), n=count(),
                 delay=mean("delay")),
        Trailing(EVENTS, by=(), over=minutes(90), last_place=last("place"), seen=age()),
        Scheduled(PLAN, by=Key("from", "place"), around=minutes(30), max_age=days(2), at="planned", n=count()),
    )  # fmt: skip
    found = outputs(features, COLUMNS)
    assert [(c.name, c.type, c.unit) for c in found] == [
        ("place", "string", ""), ("delay", "float32", "min"), ("wait", "float32", ""),
        ("place_line", "float32", ""), ("place_place", "string", ""),
        ("place_line_late_rate_3h", "float32", "share"), ("place_line_n_3h", "float32", "rows"),
        ("place_line_delay_3h", "float32", "min"),
        ("place_line_late_rate_7d", "float32", "share"), ("place_line_n_7d", "float32", "rows"),
        ("place_line_delay_7d", "float32", "min"),
        ("all_last_place_90m", "string", ""), ("all_seen_90m", "float32", "h"),
        ("from_n_around_30m", "float32", "rows"),
    ]  # fmt: skip
    assert found[1].description == "how late"
    assert all(c.description for c in found[2:])
    assert mistakes(features, COLUMNS) == []


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (Request("plase"), "'plase'. Did you mean 'place'?"),
        (Request(wait=lambda row: row["dely"]), "unknown column 'dely'"),
        (Request("planned"), "is a moment"),
        (Request(broken=lambda row: row["place"].nothing), "nothing"),
        (Lookup(EVENTS, by="place", columns=("delay",)), "no max_age"),
        (Lookup(EVENTS, by="place", columns=("delay",), max_age=timedelta(0)), "max_age must be longer"),
        (Lookup(EVENTS, by="place", columns=("speed",), max_age=hours(1)), "unknown column 'speed'"),
        (Lookup(EVENTS, by="place", columns=("event_time",), max_age=hours(1)), "is a moment"),
        (Lookup(EVENTS, by="place", columns=(), max_age=hours(1)), "takes no columns"),
        (Lookup(EVENTS, by=Key("port", "port", "place"), columns=("id",), max_age=hours(1)), "of the request: unknown"),
        (Lookup(EVENTS, by=Key("port", "place", "port"), columns=("delay",), max_age=hours(1)), "key 'port': unknown"),
        (Lookup(EVENTS, by=Key("port", "place", "line"), columns=("delay",), max_age=hours(1)), "text on one side"),
        (Trailing(EVENTS, by="place", over=(), n=count()), "over is empty"),
        (Trailing(EVENTS, by="place", over=hours(-1), n=count()), "over must be longer"),
        (Trailing(EVENTS, by="place", over=(days(1), hours(24)), n=count()), "holds 1d twice"),
        (Trailing(EVENTS, by="place", over=days(1)), "no aggregate"),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("dela")), "Did you mean 'delay'?"),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("place")), "a mean of text"),
        (Trailing(EVENTS, by="place", over=days(1), x=total("place")), "a sum of text"),
        (Trailing(EVENTS, by="place", over=days(1), x=rate("delay")), "a rate of float64; give a condition"),
        (
            Trailing(EVENTS, by="place", over=days(1), x=count("place")),
            "a count of rows where there is text; give a condition",
        ),
        (
            Trailing(EVENTS, by="place", over=days(1), x=mean("delay", resolution=0)),
            "resolution is 0; it must be a num",
        ),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("delay", resolution=math.inf)), "resolution is inf"),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("delay", resolution="1")), "resolution is '1'"),
        (Trailing(EVENTS, by="place", over=timedelta.max, n=count()), "over must be at most 36525 days, a century"),
        (
            Trailing(EVENTS, by="place", over=(days(1), days(28)), x=mean("delay", half_life=timedelta(seconds=1))),
            "half_life 0:00:01 is too short for a window of 28d: weights are halved at most 1000 times; give 0:40:19.2",
        ),
        (
            Trailing(EVENTS, by="place", over=days(1), x=mean(lambda row: row["delay"] - row["delay"].mean())),
            "'x': .mean is no operator on a row's values",
        ),
        (
            Trailing(EVENTS, by="place", over=days(1), x=mean("delay", where="place")),
            "a mean of rows where there is text",
        ),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("delay", where=lambda row: row["dely"] > 0)), "'dely'"),
        (Trailing(EVENTS, by="place", over=days(1), x=variance("place")), "a variance of text"),
        (Trailing(EVENTS, by="place", over=days(1), x=maximum("place")), "a maximum of text"),
        (Trailing(EVENTS, by="place", over=days(1), x=mean("delay", half_life=hours(0))), "half_life must be longer"),
        (
            Trailing(EVENTS, by="place", over=days(1), x=replace(last("delay"), half_life=hours(1))),
            "is a last with a half_life; rows are weighted in count, mean, rate, sum only",
        ),
        (
            Scheduled(PLAN, by="place", around=hours(1), max_age=days(1), n=count(half_life=hours(1))),
            "count() with a half_life, which has no meaning around a time",
        ),
        (
            Trailing(LABEL, by="place", over=days(1), n=count()),
            "which is known only later, up to 2 days, 0:00:00 after the prediction; read its source 'events'",
        ),
        (Lookup(LABEL, by="place", columns=("label",), max_age=days(1)), "reads the label itself"),
        (Scheduled(PLAN, by="place", around=hours(1), n=count()), "no max_age"),
        (Scheduled(PLAN, by="place", around=hours(1), max_age=days(1), at="line", n=count()), "'line' is not a moment"),
        (Scheduled(PLAN, by="place", around=hours(1), max_age=days(1), n=age()), "no meaning around a time"),
        (Scheduled(PLAN, by="place", around=hours(0), max_age=days(1), n=count()), "around must be longer"),
    ],
)
def test_a_mistake_is_named(feature: Feature, words: str) -> None:
    (mistake,) = feature.mistakes(COLUMNS)
    assert words in mistake


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (Derived(gap=lambda f: f["place_x_1d"] - f["place_y_1d"]), "unknown column 'place_y_1d'"),
        (Derived(gap="place_x_1d"), "is 'place_x_1d'; give a function of a row"),
        (Derived(), "none is declared"),
        (Derived(rel=lambda f: f["place_x_1d"] - f["place_x_1d"].mean()), "'rel': .mean is no operator"),
        (Derived(later=lambda f: f["place_x_9d"]), "unknown column 'place_x_9d'"),
        (Backoff("usual"), "has no choices"),
        (Backoff("usual", ("place_x_1d", "place_n_1d"), at_least=0), "at_least is 0; it must be"),
        (Backoff("usual", ("place_x_1d", "place_m_1d")), "unknown column 'place_m_1d'"),
        (Backoff("usual", ("place_kind_1d", "place_n_1d")), "'place_kind_1d' is text"),
        (Backoff("usual", ("place_x_1d", "place_n_1d", "place_n_1d")), "is no pair"),
        (Backoff("usual", "place_x_1d"), "must be tuple"),
        (Backoff("usual", (["place_x_1d"], "place_n_1d")), "unknown column \"['place_x_1d']\""),  # type: ignore[arg-type]
    ],
)
def test_a_feature_of_features_reads_only_what_is_declared_before_it(feature: Feature, words: str) -> None:
    before = Trailing(EVENTS, by="place", over=days(1), x=mean("delay"), n=count(), kind=last("place"))
    after = Trailing(EVENTS, by="place", over=days(9), x=mean("delay"))
    found = mistakes([before, feature, after], COLUMNS)
    assert len(found) == 1
    assert words in found[0]


def test_all_mistakes_are_listed_and_clashing_names_found() -> None:
    wrong = Trailing(EVENTS, by="port", over=(hours(0),), x=mean("speed"))
    assert len(mistakes([wrong, Request("plase")], COLUMNS)) == 5
    both = Trailing(EVENTS, by="place", over=days(1), a=mean("dely"), b=rate("delay"))
    first, second = both.mistakes(COLUMNS)
    assert "unknown column 'dely'" in first
    assert "'b' is a rate" in second
    twice = [Trailing(source, by="place", over=hours(1), n=count()) for source in (EVENTS, PLAN)]
    assert mistakes(twice, COLUMNS) == ["two features are called 'place_n_1h'; rename one aggregate"]


def test_history_is_the_longest_reach_of_each_source() -> None:
    features: tuple[Feature, ...] = (
        Request("place"),
        Lookup(EVENTS, by="place", columns=("delay",), max_age=hours(3)),
        Lookup(PAPERS, by="place", columns=("delay",)),
        Trailing(EVENTS, by="place", over=(days(1), days(7), hours(2)), n=count()),
        Scheduled(PLAN, by="place", around=hours(1), max_age=days(2), at="planned", n=count()),
    )
    assert reads(features) == {"events": days(7), "papers": None, "plan": days(2)}


def test_declarations_written_in_lists_are_the_same() -> None:
    a = Trailing(EVENTS, by=["place"], over=[hours(1)], n=count())
    assert a == Trailing(EVENTS, by="place", over=hours(1), n=count())
    assert Lookup(EVENTS, ["place"], ["delay"], hours(1)) == Lookup(EVENTS, "place", ("delay",), hours(1))  # type: ignore[arg-type]
