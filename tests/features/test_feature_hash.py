import importlib.util
from pathlib import Path

import pytest

from mlsys_assets import Column, Source, SourceKind
from mlsys_assets.features.feature_hash import feature_hashes
from mlsys_assets.systems.flights.system import flights

TEXT = '''"""Features of a test."""

from datetime import timedelta

from mlsys_assets import Backoff, Derived, Lookup, Request, Trailing, count, mean, rate

LATE = 15
UNUSED = 1


def is_late(row):
    """Say whether it was late."""
    return above(row["delay"])


def above(delay):
    return delay > LATE


def features(source):
    return (
        Request("place", twice=lambda row: row["x"] * 2),
        Trailing(source, by="place", over=timedelta(hours=1), late=rate(is_late), delay=mean("delay"), n=count()),
        Derived(more=lambda f: f["place_delay_1h"] + f["twice"]),
        Backoff("best", ("place_delay_1h", "place_n_1h"), ("more", "place_n_1h")),
    )
'''
REQUESTS = (Column("place", "string"), Column("x", "float64"))
SOURCE = Source(
    "events", key=("event",),
    columns=(Column("event", "string"), Column("place", "string"), Column("delay", "float64")),
    raw=(Column("event", "string"),), kind=SourceKind.THIRD_PARTY, read=lambda window: None, derive=lambda raw: raw,
)  # fmt: skip


@pytest.fixture
def hashed(tmp_path: Path):
    def of(text: str = TEXT) -> dict[str, str]:
        file = tmp_path / f"declared{len(list(tmp_path.iterdir()))}.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return feature_hashes(module.features(SOURCE), REQUESTS)

    return of


def test_every_column_has_a_hash_of_its_own(hashed):
    first = hashed()
    assert list(first) == ["place", "twice", "place_late_1h", "place_delay_1h", "place_n_1h", "more", "best"]
    assert len(set(first.values())) == len(first)
    assert hashed() == first


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"""Say whether it was late."""', '"""Tell of lateness, in other words."""'),
        ('"""Features of a test."""', "# no text\n\n\n"),
        ("UNUSED = 1", "UNUSED = 2"),
        ("UNUSED = 1", "def other():\n    return 3"),
        ("def above(delay):\n    return delay > LATE", "def above(minutes):\n    # later\n    return minutes > LATE"),
    ],
)
def test_words_lines_names_and_what_is_not_called_do_not_count(hashed, was, becomes):
    assert was in TEXT
    assert hashed(TEXT.replace(was, becomes)) == hashed()


TRAILING = {"place_late_1h", "place_delay_1h", "place_n_1h", "more", "best"}


@pytest.mark.parametrize(
    ("was", "becomes", "changed"),
    [
        ("LATE = 15", "LATE = 16", TRAILING),
        ("return delay > LATE", "return delay >= LATE", TRAILING),
        ('mean("delay")', 'mean("delay", half_life=timedelta(hours=1))', TRAILING),
        ('row["x"] * 2', 'row["x"] * 3', {"place", "twice", "more", "best"}),
        ('f["place_delay_1h"] + f', 'f["place_delay_1h"] - f', {"more", "best"}),
        ('("more", "place_n_1h"))', '("twice", "place_n_1h"))', {"best"}),
    ],
)
def test_what_computes_a_feature_counts_also_where_another_is_made_of_it(hashed, was, becomes, changed):
    assert was in TEXT
    first, second = hashed(), hashed(TEXT.replace(was, becomes))
    assert {name for name in first if first[name] != second[name]} == changed


def test_the_features_of_flights_have_one_hash_each_the_same_every_time():
    first = feature_hashes(flights.features, flights.requests.columns)
    assert list(first) == [column.name for column in flights.feature_columns]
    assert feature_hashes(flights.features, flights.requests.columns) == first
    assert len(set(first.values())) == len(first)
