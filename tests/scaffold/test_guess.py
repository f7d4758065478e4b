"""What is guessed of a file, why, and what cannot be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import roc_auc_score

from mlsys_assets.cli import main
from mlsys_assets.scaffold.guess import _auc, plan
from mlsys_assets.scaffold.look import look
from mlsys_assets.types import days

HEADER = "Order ID,ordered at,country,amount,items,returned,refund"


def test_columns_are_seen_for_what_they_are(csv) -> None:
    seen = {c.raw: (c.name, c.kind) for c in look(csv())}
    assert seen == {
        "Order ID": ("order_id", "string"), "ordered at": ("ordered_at", "timestamp"), "country": ("country", "string"),
        "amount": ("amount", "float64"), "items": ("items", "int64"), "returned": ("returned", "string"),
        "refund": ("refund", "float64"),
    }  # fmt: skip


def test_what_is_not_said_is_guessed_with_a_reason(csv) -> None:
    made = plan(look(csv()))
    assert (made.time.name, made.key.name, made.label.name, made.positive) == (
        "ordered_at",
        "order_id",
        "returned",
        "== 'yes'",
    )
    assert [c.name for c in made.features] == ["country", "amount", "items"]
    assert [c.name for c in made.later] == ["refund"]  # it tells the outcome
    assert [c.name for c in made.groups] == ["country"]
    assert (made.timing.step, made.timing.simulated_from.date().isoformat()) == (days(1), "2024-03-14")
    assert all(g.what and g.why and g.how for g in made.guesses)


def test_what_is_said_is_taken(csv) -> None:
    made = plan(look(csv()), label="refund", key="order_id")
    assert (made.label.name, made.positive.startswith("> ")) == ("refund", True)
    assert not [g for g in made.guesses if "--key" in g.how]
    assert [c.name for c in made.later] == ["returned"]


def test_half_a_year_and_more_is_lived_by_week(csv, long_orders) -> None:
    made = plan(look(csv(long_orders)))
    assert made.timing.step == days(7)
    assert made.timing.start.weekday() == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_that_of_scikit_learn(rows) -> None:
    values, truth = (np.array(column) for column in zip(*rows, strict=True))
    if truth.all() or not truth.any():
        assert _auc(values.astype(float), truth) == 0.5
    else:
        area = roc_auc_score(truth, values)
        assert _auc(values.astype(float), truth) == pytest.approx(max(area, 1 - area))


def without_time(lines: list[str]) -> list[str]:
    return [",".join(v for k, v in enumerate(line.split(",")) if k != 1) for line in lines]


def one_word(lines: list[str]) -> list[str]:
    cells = lines[16].split(",")
    return [*lines[:16], ",".join([*cells[:3], "many", *cells[4:]]), *lines[17:]]


def each(change: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    return lambda lines: [change(line) for line in lines]


BAD = [
    ({"change": without_time, "header": HEADER.replace("ordered at,", "")}, "no column tells when a row happened"),
    (
        {"change": one_word},
        "column 'amount' holds numbers, and in 1 of 1,000 rows something else: line 18 holds 'many'",
    ),
    ({"header": HEADER.replace("items", "amount")}, "several columns called 'amount'"),
    ({"change": lambda lines: lines[:3]}, "orders.csv has 3 rows; at least 500 are needed"),
    ({"change": each(lambda line: line.replace("yes", "no")), "label": "returned"}, "'returned' is no in every row"),
    ({"change": each(lambda line: line.replace("2024-", "2024-01-02 #"))}, "no column tells when a row happened"),
    (
        {"change": lambda lines: [*lines[:900], *(line[:9] for line in lines[900:])]},
        "100 of 1,000 lines cannot be read",
    ),
    ({"header": "a;b;c", "change": each(lambda line: line.replace(",", ";"))}, "separates columns by semicolons"),
    ({"change": each(lambda line: f"{line[:7]}2024-01-01 00:00:00{line[26:]}")}, "'ordered at' spans 0 days"),
    ({"label": "colour"}, "--label 'colour' is no column that is left; columns: country"),
    ({"time": "amount"}, "which is no time; write times as 2024-05-01"),
    ({"key": "country"}, "--key 'country' has 3 values in 1,000 rows"),
]


@pytest.mark.parametrize(("given", "why"), BAD, ids=[why for _, why in BAD])
def test_a_file_of_which_nothing_can_be_made_is_told_in_one_message_and_nothing_written(
    csv, capsys, monkeypatch, given: dict, why: str
) -> None:
    said = {name: given[name] for name in ("label", "time", "key") if name in given}
    path = csv(**{name: value for name, value in given.items() if name not in said})
    monkeypatch.chdir(path.parent)
    code = main(["new-system", "shop", "--from", "orders.csv", *(f"--{k}={v}" for k, v in said.items())])
    wrong = capsys.readouterr().err
    assert code == 1
    assert wrong.startswith("mlsys: ")
    assert why in wrong
    assert [p.name for p in path.parent.iterdir()] == ["orders.csv"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("my-shop", "a name must be of letters a-z"),
        ("2shops", "no digit first"),
        ("class", "means something else already"),
        ("mlsys_workspace", "means something else already"),
        ("random", "means something else already"),
        ("numpy", "there is a package 'numpy' already"),
        ("there", "nothing was changed; choose another name"),
    ],
)
def test_a_name_that_cannot_be_is_told_and_nothing_written(csv, capsys, monkeypatch, name: str, why: str) -> None:
    path = csv()
    (path.parent / "there").mkdir()
    monkeypatch.chdir(path.parent)
    assert main(["new-system", name, "--from", "orders.csv"]) == 1
    assert why in capsys.readouterr().err
    assert sorted(p.name for p in path.parent.iterdir()) == ["orders.csv", "there"]


@pytest.mark.parametrize("name", ["nowhere.csv", "orders.xlsx", "empty.csv", "bytes.csv"])
def test_a_file_that_is_none_is_told(csv, capsys, monkeypatch, name: str) -> None:
    folder: Path = csv().parent
    monkeypatch.chdir(folder)
    (folder / "orders.xlsx").write_bytes(b"PK")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "bytes.csv").write_bytes(b"a,at\n" + b"\xff\xfe,2024-01-01\n" * 600)
    assert main(["new-system", "shop", "--from", name]) == 1
    assert capsys.readouterr().err.startswith("mlsys: ")
    assert not (folder / "shop").exists()
