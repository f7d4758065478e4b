"""Rules of features and predictions: which rows break them, why, and how many may."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.declared_rules import Matches, Ordered, Within, keep_rules
from mlsys_assets.production_monitoring.diagnosis import Cause

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
ROWS = pa.table({
    "temp": [60.0, None, 200.0, -60.0, np.nan, np.inf, 1e308, 40.0],
    "carrier": ["AA", "B6", "aa", None, "AAA", "UA", "", "AA\n"],
    "low": [1.0, 2.0, 3.0, None, 5.0, 6.0, 7.0, 8.0],
    "high": [1.0, 1.0, 3.0, 1.0, None, 9.0, 9.0, 9.0],
    "departed": [NOON] * 8,
    "landed": [NOON + timedelta(hours=h) for h in (1, 2, -11, 0, 3, 4, 5, 6)],
    "score": [0.1, 0.2, 1.2, 0.4, 0.5, -0.1, 0.7, 0.8],
})  # fmt: skip
IDS = pa.array([f"f{i}" for i in range(8)])


def broken(rule) -> tuple[str, ...]:
    (outcome,), examined = keep_rules([rule], ROWS, IDS)
    assert examined.untold == {}
    assert [s.cause for s in examined.symptoms] == ([] if outcome.kept else [Cause.PIPELINE])
    return outcome.ids


def test_numbers_out_of_range_infinite_and_huge() -> None:
    assert broken(Within("temp", -40, 130)) == ("f2", "f3", "f5", "f6")  # what is missing breaks nothing
    assert broken(Within("temp", low=-40)) == ("f3", "f5")
    assert broken(Within("temp", high=130)) == ("f2", "f5", "f6")
    assert broken(Within("score", 0, 1)) == ("f2", "f5")
    assert broken(Within("high", 1, 9)) == ()


def test_texts_match_as_a_whole() -> None:
    assert broken(Matches("carrier", "[A-Z0-9]{2}")) == ("f2", "f4", "f6", "f7")


def test_one_at_most_another() -> None:
    assert broken(Ordered("low", "high")) == ("f1",)
    assert broken(Ordered("departed", "landed")) == ("f2",)  # it landed before it left: a midnight that was not counted


def test_an_outcome_names_rule_column_and_rows() -> None:
    (outcome,), examined = keep_rules([Within("temp", -40, 130)], ROWS, IDS)
    assert (outcome.broken, outcome.rows) == (4, 8)
    assert outcome.examples[0] == ("f2", {"temp": 200.0})
    assert str(outcome).startswith("4 of 8 rows break: temp within [-40, 130] (f2: 200.0; f3: -60.0; f5: inf)")
    assert examined.symptoms[0].where == "temp"
    assert examined.symptoms[0].size == 0.5


def test_a_share_may_break_a_rule() -> None:
    assert keep_rules([Within("temp", -40, 130, share=0.5)], ROWS, IDS)[1].symptoms == ()
    assert keep_rules([Within("temp", -40, 130, share=0.49)], ROWS, IDS)[1].symptoms


def test_what_cannot_be_read_is_untold_and_the_others_are_kept() -> None:
    rules = [Within("gust", 0, 1), Within("carrier", 0, 1), Matches("temp", "x"), Ordered("temp", "landed")]
    outcomes, examined = keep_rules([*rules, Within("score", 0, 1)], ROWS, IDS)
    assert [outcome.rule for outcome in outcomes] == ["score within [0, 1]"]
    assert set(examined.untold) == {f"rule {rule.name}" for rule in rules}
    assert "no column gust" in examined.untold["rule gust within [0, 1]"]


def test_no_rows_and_nothing_but_null() -> None:
    rules = [Within("temp", 0, 1), Matches("carrier", "x"), Ordered("low", "high"), Ordered("departed", "landed")]
    null = pa.table({name: pa.nulls(8, ROWS[name].type) for name in ROWS.column_names})
    untyped = pa.table({name: pa.nulls(8) for name in ROWS.column_names})
    for rows, ids in ((ROWS.slice(0, 0), IDS[:0]), (null, IDS), (untyped, IDS)):
        outcomes, examined = keep_rules(rules, rows, ids)
        assert [outcome.broken for outcome in outcomes] == [0] * 4
        assert (examined.symptoms, examined.untold) == ((), {})


def test_identifiers_are_one_a_row() -> None:
    with pytest.raises(ValueError, match="7 identifiers for 8 rows"):
        keep_rules([], ROWS, IDS[:7])


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Within("tmp", 0, 1), "Did you mean 'temp'?"),
        (Within("temp", 2, 1), "low is above high"),
        (Within("temp"), "has no bound"),
        (Within("temp", 0, float("nan")), "must be a number"),
        (Within("temp", 0, 1, share=2), "at most 1"),
        (Matches("carrier", "("), "no regular expression"),
        (Matches("airline", "A"), "allowed"),
        (Ordered("low", "low"), "against itself"),
        (Ordered("low", "hi"), "Did you mean 'high'?"),
    ],
)
def test_mistakes(rule, told: str) -> None:
    (mistake,) = rule.mistakes(ROWS.column_names)
    assert told in mistake


def test_no_mistakes() -> None:
    for rule in (Within("temp", 0, 1), Within("temp", high=3), Matches("carrier", "A"), Ordered("low", "high")):
        assert rule.mistakes(ROWS.column_names) == []
