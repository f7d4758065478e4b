"""A person's rule equals a chain of ifs; what it leaves open is learned; it is data that cannot run."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.human_rule import COMPARISONS, HumanRule, RulePredictor, When
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.types import TimeWindow

STORM = HumanRule((When("visib", "<", 2.0, 0.6), When("origin", "==", "EWR"), When("hour", ">=", 17, 0.4)), strength=10)


def rows(n: int = 900) -> Train:
    random = np.random.default_rng(0)
    table = pa.table({
        "visib": pa.array(np.round(random.uniform(0, 10, n), 1), pa.float32(), mask=random.random(n) < 0.1),
        "hour": pa.array(random.integers(5, 23, n), pa.float32()),
        "origin": pa.array(random.choice(["EWR", "JFK", None], n).tolist(), pa.string()),
    })  # fmt: skip
    at = np.datetime64("2013-01-01", "us") + np.arange(n)
    label = (random.random(n) < 0.3).astype(float)
    return Train(pa.array([str(i) for i in range(n)]), at, table, label, TimeWindow.of("2013-01-01", "2013-02-01"))


def test_it_is_a_chain_of_ifs_with_rates_learned_where_they_are_open() -> None:
    train = rows()
    fitted = STORM.refit(train, recipe={}, seed=0, threads=1)
    caught = {"storm": [], "newark": [], "evening": [], "rest": []}
    for row, label in zip(train.features.to_pylist(), train.label, strict=True):
        if row["visib"] is not None and row["visib"] < 2:
            caught["storm"].append(label)
        elif row["origin"] == "EWR":
            caught["newark"].append(label)
        else:
            caught["evening" if row["hour"] >= 17 else "rest"].append(label)
    mean = train.label.mean()
    newark, rest = ((sum(caught[k]) + 10 * mean) / (len(caught[k]) + 10) for k in ("newark", "rest"))
    values, counts = np.unique(fitted.predict(train.features), return_counts=True)
    expected = {0.6: len(caught["storm"]), newark: len(caught["newark"]), 0.4: len(caught["evening"])}
    assert dict(zip(values, counts, strict=True)) == pytest.approx(expected | {rest: len(caught["rest"])})
    assert fitted.params["rules"] == "visib < 2.0; origin == EWR; hour >= 17"


@pytest.mark.parametrize("how", COMPARISONS)
def test_every_comparison_is_pythons_and_nothing_meets_none(how: str) -> None:
    values = [1.0, 2.0, 3.0, None]
    table = pa.table({"x": pa.array(values, pa.float32())})
    expected = [v is not None and eval(f"{v} {how} 2") for v in values]
    assert When("x", how, 2).met(table).tolist() == expected
    assert [bool(When("x", how, 2).met({"x": v})[0]) for v in values] == expected
    if how in {"==", "!="}:
        texts = ["a", "b", None]
        expected = [v is not None and eval(f"v {how} 'a'", {"v": v}) for v in texts]
        assert When("c", how, "a").met(pa.table({"c": texts})).tolist() == expected
        assert [bool(When("c", how, "a").met({"c": v})[0]) for v in texts] == expected


def test_a_condition_that_no_row_meets_has_the_rate_of_all() -> None:
    train = rows()
    for strength in (0, 20):
        rule = HumanRule((When("hour", ">", 100),), strength=strength)
        never = rule.refit(train, recipe={}, seed=0, threads=1).predict({"hour": 101.0})[0]
        assert never == pytest.approx(train.label.mean())


def test_mistakes_are_listed_all_at_once() -> None:
    wrong = HumanRule((When("x", "=<", 1, 1.5), When("c", "<", "a"), When("y", ">", float("nan"))), otherwise=-1)
    found = "\n".join(wrong.mistakes())
    for said in ("compares is '=<'", "rules[0]: rate is 1.5", "the text 'a'", "rules[2]: to is nan", "otherwise is -1"):
        assert said in found
    assert "which is what ZeroRule() does" in HumanRule(()).mistakes()[0]
    assert "was a comma forgotten" in HumanRule(When("x", "<", 1)).mistakes()[0]
    assert "to is 1e+39" in HumanRule((When("x", "<", 1e39, 0.5),)).mistakes()[0]  # infinite as float32
    assert STORM.mistakes() == []


@pytest.mark.parametrize(
    "bad",
    [
        b'{"rules":[],"otherwise":1.5}',
        b'{"rules":[{"column":"x","compares":"<","to":1.0,"rate":null}],"otherwise":0.5}',
        b'{"rules":[{"column":"x","compares":"exec","to":1.0,"rate":0.5}],"otherwise":0.5}',
        b'{"rules":[{"column":"x","compares":"<","to":"a","rate":0.5}],"otherwise":0.5}',
        b'{"rules":[{"column":"x","compares":"<","to":1e39,"rate":0.5}],"otherwise":0.5}',
    ],
)
def test_a_bundle_that_is_no_rule_is_refused(bad: bytes) -> None:
    with pytest.raises(BundleError):
        RulePredictor.from_contents({"rules.json": bad})
