"""The table of trade-offs greys what is dominated and says by whom."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.bundle import PREDICTOR_KINDS
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor, SigmoidMap
from mlsys_assets.models.stack_predictor import Line, StackPredictor
from mlsys_assets.offline_evaluation.choices.trade_offs import (
    RANKS,
    Interpretability,
    Option,
    interpretability,
    trade_offs,
)

RANK = {"trees": Interpretability.TREES, "linear": Interpretability.LINEAR, "constant": Interpretability.CONSTANT}


def told(value: float, *, sufficient: bool = True) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01, 1_000, 200, 14, sufficient)


def option(model: str, quality: float, latency: float, rank: str = "trees", **more) -> Option:
    return Option(model, told(quality), latency, more.pop("size", 1_000), RANK[rank], **more)


OPTIONS = (
    option("zero_rule", 0.50, 0.1, "constant", size=40),
    option("linear", 0.74, 2.0, "linear", size=9_000),
    option("lightgbm", 0.77, 6.0, size=900_000),
    option("slow", 0.76, 60.0, size=900_000),
    option("slower", 0.76, 61.0, size=900_000),
)


def test_whoever_is_dominated_is_told_by_whom() -> None:
    found = trade_offs(OPTIONS, quality=("roc_auc", "higher"))
    assert found.front == ("zero_rule", "linear", "lightgbm")
    assert {r.option.model: r.dominated_by for r in found.rows if r.dominated_by} == {
        "slow": "lightgbm", "slower": "lightgbm",
    }  # fmt: skip
    assert [r.option.model for r in found.rows] == [o.model for o in OPTIONS]


def test_every_objective_can_save_a_model_from_being_dominated() -> None:
    best = option("best", 0.8, 5.0, size=100, cost=told(10))
    worse = {"quality": 0.7, "latency": 6.0, "rank": "trees", "size": 200, "cost": told(12)}
    for name, saved in (
        ("quality", 0.9), ("latency", 4.0), ("rank", "linear"), ("size", 50), ("cost", told(9)),
    ):  # fmt: skip
        for changes, front in (({}, ("best",)), ({name: saved}, ("best", "other"))):
            mine = worse | changes
            other = option("other", mine.pop("quality"), mine.pop("latency"), mine.pop("rank"), **mine)
            assert trade_offs((best, other), quality=("roc_auc", "higher"), unit="USD").front == front


def test_a_metric_that_is_better_lower_is_compared_so() -> None:
    pair = (option("one", 0.4, 1.0), option("two", 0.5, 1.0))
    assert trade_offs(pair, quality=("log_loss", "lower")).front == ("one",)
    assert trade_offs(pair, quality=("roc_auc", "higher")).front == ("two",)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), max_size=8))
def test_the_front_is_that_of_the_definition(values) -> None:
    options = [
        Option(str(i), told(q), float(lat), size, Interpretability(r + 1)) for i, (q, lat, size, r) in enumerate(values)
    ]
    goods = [(q, -lat, -size, r) for q, lat, size, r in values]
    expected = tuple(
        str(i)
        for i, a in enumerate(goods)
        if not any(b != a and all(x >= y for x, y in zip(b, a, strict=True)) for b in goods)
    )
    assert trade_offs(options, quality=("roc_auc", "higher")).front == expected


def test_insufficient_data_is_compared_with_none() -> None:
    few = Option("few", told(np.nan, sufficient=False), 0.01, 1, Interpretability.CONSTANT)
    found = trade_offs((*OPTIONS, few), quality=("roc_auc", "higher"))
    assert found.front == ("zero_rule", "linear", "lightgbm")
    assert not found.rows[-1].on_front
    assert found.rows[-1].dominated_by is None
    assert trade_offs((few,), quality=("roc_auc", "higher")).front == ()
    assert trade_offs((), quality=("roc_auc", "higher")).rows == ()


def test_it_is_stored_as_json() -> None:
    found = trade_offs(OPTIONS, quality=("roc_auc", "higher"))
    rows = json.loads(json.dumps(found.as_dict(), allow_nan=False))["rows"]
    assert rows[3]["dominated_by"] == "lightgbm"
    assert rows[1]["interpretability"] == "linear"
    assert rows[1]["quality"]["low"] == pytest.approx(0.73)


def test_every_kind_has_its_rank_and_several_parts_that_of_the_worst() -> None:
    assert {*RANKS, "blend", "calibrated", "stack"} == set(PREDICTOR_KINDS)
    rule = ZeroRulePredictor(0.2)
    assert interpretability(rule) is Interpretability.CONSTANT
    trees = type("Trees", (), {"kind": "lightgbm", "columns": (), "predict": None, "contents": None})()
    assert interpretability(Blend({"a": 1, "b": 1}).of({"a": rule, "b": trees})) is Interpretability.TREES
    stack = StackPredictor((("a", rule), ("b", trees)), Line(0.0, {"a": 1.0, "b": 1.0}))
    assert interpretability(stack) is Interpretability.TREES
    assert interpretability(CalibratedPredictor(rule, SigmoidMap(1.0, 0.0))) is Interpretability.CONSTANT


@pytest.mark.parametrize(
    ("options", "quality", "words"),
    [
        (OPTIONS, ("roc_auc", "up"), "one of higher, lower"),
        ((*OPTIONS, OPTIONS[0]), ("roc_auc", "higher"), "2 options are named 'zero_rule'"),
        ((*OPTIONS, option("odd", 0.7, np.nan)), ("roc_auc", "higher"), r"\['odd'\] have a latency"),
        (
            (*OPTIONS, option("odd", 0.7, 1.0, cost=told(3))),
            ("roc_auc", "higher"),
            "'slower'.* have no cost and others",
        ),
    ],
)
def test_what_cannot_be_compared_is_told(options, quality, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trade_offs(options, quality=quality)
