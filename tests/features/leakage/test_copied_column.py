from dataclasses import replace

import pytest
from scipy.stats import binom

from mlsys_assets.features.leakage.copied_column import CopiedColumn, said
from mlsys_assets.types import days, hours, minutes

LEAK = CopiedColumn(
    "heat", "readings", "heat", "place", own=False, rows=1_000, known=0.6, only_later=0.4, lead=hours(3),
    values=100, found_later=100, different=50, chance=0.1,
)  # fmt: skip


def test_what_is_found_later_and_hardly_by_chance_leaks():
    assert LEAK.leaks


@pytest.mark.parametrize(
    ("but", "numbers"),
    [
        ("a third is not found at all", {"found_later": 67}),
        ("chance finds nearly as many", {"found_later": 96, "chance": 0.9}),
        ("there are few", {"values": 4, "found_later": 4, "different": 4, "chance": 0.1}),
        ("they are all of one value", {"different": 1}),
        ("there is none", {"values": 0, "found_later": 0, "different": 0, "chance": 1.0}),
    ],
)
def test_it_does_not_leak_where(but, numbers):
    assert not replace(LEAK, **numbers).leaks, but


def test_one_value_of_many_own_records_leaks():
    assert replace(LEAK, own=True, different=1).leaks


@pytest.mark.parametrize(("found", "of", "chance"), [(10, 10, 0.3), (7, 20, 0.2), (90, 100, 0.8), (0, 5, 0.5)])
def test_what_chance_gives_is_the_binomial_tail(found, of, chance):
    told = replace(LEAK, found_later=found, values=of, chance=chance).p_chance
    assert told == pytest.approx(binom.sf(found - 1, of, chance))


def test_the_suspicion_names_source_column_key_and_time():
    told = str(replace(LEAK, lead=hours(2) + minutes(40)).suspicion)
    assert told.startswith("heat copies heat of records of the same place in readings")
    assert "in 40.0% of 1,000 sampled rows" in told
    assert "2 h 40 min after the prediction" in told
    assert "Declare it as a Lookup of readings by place" in told


@pytest.mark.parametrize(
    ("length", "words"),
    [(minutes(0), "0 min"), (minutes(59.6), "1 h"), (hours(3), "3 h"), (hours(47.5), "47 h 30 min"),
     (days(2), "2 d"), (days(2.5), "2 d 12 h")],
)  # fmt: skip
def test_durations_are_said_in_words(length, words):
    assert said(length) == words
