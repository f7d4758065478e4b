"""A stack as files: the same bits again, and hostile ones refused."""

import json

import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.bundle import DEEPEST, from_files, to_files
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor, SigmoidMap
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.stack_predictor import Line, StackPredictor

PARTS = (("a", ZeroRulePredictor(0.2)), ("b", ZeroRulePredictor(0.4)))
PLAIN = StackPredictor(PARTS, Line(0.5, {"a": 0.25, "b": 2.0}))


def test_it_is_the_logistic_function_of_the_weighted_log_odds(train, validation, later) -> None:
    fitted = [c.fit(train, validation, seed=0, threads=1).predictor for c in (LogisticRegression(), LightGBM(rounds=9))]
    stack = StackPredictor((("line", fitted[0]), ("trees", fitted[1])), Line(-0.3, {"line": 0.4, "trees": 0.7}))
    odds = [log_odds(one.predict(later.features)) for one in fitted]
    assert stack.predict(later.features) == pytest.approx(logistic(-0.3 + 0.4 * odds[0] + 0.7 * odds[1]), rel=1e-12)
    assert set(stack.columns) == set(later.features.schema.names)


def test_blends_and_calibrated_models_within_it_come_back_too() -> None:
    within = CalibratedPredictor(Blend({"x": 1, "y": 3}).of({"x": PARTS[0][1], "y": PARTS[1][1]}), SigmoidMap(2.0, 0.1))
    stack = StackPredictor((("deep", within), PARTS[1]), Line(0.0, {"deep": 1.0, "b": 1.0}))
    files = to_files(stack)
    assert "part.deep.within.part.x.rates.json" in files
    again = from_files(files)
    assert to_files(again) == files
    assert again.predict({})[0] == stack.predict({})[0]


def test_a_stack_cannot_be_made_wrongly() -> None:
    for parts, line, words in (
        (PARTS, Line(0.0, {"b": 1.0, "a": 1.0}), "the line weighs"),
        (PARTS[:1], Line(0.0, {"a": 1.0, "b": 1.0}), "the line weighs"),
        ((), Line(0.0, {}), "0 weights"),
        (PARTS, Line(np.inf, {"a": 1.0, "b": 1.0}), "may not be finite"),
        ((("a", PLAIN),), Line(0.0, {"a": 1.0}), "are stacks themselves"),
    ):
        with pytest.raises(ValueError, match=words):
            StackPredictor(parts, line)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"a":0.25', b'"c":0.25', "tells the kinds of"),
        (b'"b":2.0', b'"a":2.0', "tells the kinds of"),
        (b'"b":2.0', b'"b":1e308,"c":1e308', "may not be finite"),
        (b'"b":2.0', b'"b":null', "is not what was written"),
        (b'"b":2.0', b'"b":NaN', "is not what was written"),
        (b'"zero_rule"', b'"stack"', "is a stack itself"),
        (b'"zero_rule"', b'"pickle"', "kind 'pickle' is unknown"),
        (b'"zero_rule"', b'"linear"', "without"),
        (b'"intercept":0.5', b'"intercept":0.5,"more":1', "is not what was written"),
        (b'"a":', b'"../a":', "parts called"),
        (b'"a":0.25,"b":2.0', b"", "0 weights"),
    ],
)
def test_hostile_content_is_refused(old: bytes, new: bytes, words: str) -> None:
    files = to_files(PLAIN)
    assert old in files["meta.json"]
    with pytest.raises(BundleError, match=words):
        from_files({**files, "meta.json": files["meta.json"].replace(old, new, 1)})


def test_thousands_of_parts_are_refused_before_any_is_read() -> None:
    names = {f"p{i}": 1.0 for i in range(100_000)}
    content = json.dumps({"line": {"intercept": 0, "weights": names}, "kinds": dict.fromkeys(names, "zero_rule")})
    with pytest.raises(BundleError, match="100000 weights"):
        from_files({**to_files(PLAIN), "meta.json": content.encode()})


def test_depth_is_counted_through_it() -> None:
    """Models within models, deeper than anything writes: kinds alternate so that none holds its own."""
    files = {"rates.json": b'{"rate":0.2}'}
    kind = "zero_rule"
    for level in range(DEEPEST + 2):
        if level % 2:
            told = {"line": {"intercept": 0.0, "weights": {"a": 1.0}}, "kinds": {"a": kind}}
            files = {f"part.a.{n}": c for n, c in files.items()} | {"meta.json": json.dumps(told).encode()}
            kind = "stack"
        else:
            blend = {"parts": [{"name": "a", "kind": kind, "share": 1.0}]}
            files = {f"part.a.{n}": c for n, c in files.items()} | {"blend.json": json.dumps(blend).encode()}
            kind = "blend"
    header = {"format": 1, "kind": kind, "columns": [], "output": "probability"}
    with pytest.raises(BundleError, match="deep"):
        from_files({**files, "bundle.json": json.dumps(header).encode()})
