"""A blend is the weighted mean of its parts, and another weight is another order without a fit."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.models.baselines import GroupRate, ZeroRule, ZeroRulePredictor
from mlsys_assets.models.blend import Blend, BlendPredictor
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.types import DeclarationError

WEIGHT = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))


@pytest.fixture(scope="module")
def parts(train, validation):
    candidates = (LogisticRegression(), LightGBM(rounds=8), GroupRate(by=("carrier",)))
    return {c.name: c.fit(train, validation, seed=1, threads=1).predictor for c in candidates}


@given(st.lists(WEIGHT, min_size=3, max_size=3).filter(lambda w: sum(w) > 0))
def test_it_is_numpys_weighted_average(parts, later, weights) -> None:
    by_name = dict(zip(parts, weights, strict=True))
    found = Blend(by_name).of(parts).predict(later.features)
    scores = [parts[name].predict(later.features) for name in parts]
    assert found == pytest.approx(np.average(scores, axis=0, weights=weights), rel=1e-9)
    assert ((found >= 0) & (found <= 1)).all()
    assert np.array_equal(found, Blend(by_name).combine(dict(zip(parts, scores, strict=True))))


def test_only_proportions_matter_and_not_the_order_they_are_written_in(parts, later) -> None:
    one = Blend({"lightgbm": 3, "logistic_regression": 1, "group_rate": 0}).of(parts)
    other = Blend({"group_rate": 0, "logistic_regression": 0.25, "lightgbm": 0.75}).of(parts)
    assert to_files(one) == to_files(other)
    assert np.array_equal(one.predict(later.features), other.predict(later.features))
    assert one.columns == ("carrier", "sched_hour", "precip", "noise", "dest")


def test_other_weights_are_another_order_and_no_fit(parts, later, monkeypatch) -> None:
    fits = []
    for kind in (LogisticRegression, LightGBM, GroupRate, ZeroRule):
        for method in ("fit", "refit"):
            monkeypatch.setattr(kind, method, lambda *a, **k: fits.append(a))
    one = Blend({"lightgbm": 1, "logistic_regression": 0, "group_rate": 0}).of(parts)
    other = one.reweighted({"lightgbm": 0, "logistic_regression": 1, "group_rate": 0})
    orders = [np.argsort(p.predict(later.features), kind="stable") for p in (one, other)]
    assert not np.array_equal(*orders)
    assert fits == []
    assert all(dict(other.parts)[name] is parts[name] for name in parts)
    assert one.predict(later.features).tolist() == parts["lightgbm"].predict(later.features).tolist()


def test_saved_and_loaded_it_gives_the_same_bits_row_by_row(parts, later) -> None:
    blend = Blend({"lightgbm": 0.3, "logistic_regression": 0.5, "group_rate": 0.1}).of(parts)
    files = to_files(blend)
    assert {"blend.json", "part.lightgbm.model.txt", "part.group_rate.rates.json"} < set(files)
    loaded = from_files({**files, "passport.json": b"not read", "part.other.rates.json": b"nor this"})
    assert isinstance(loaded, BlendPredictor)
    assert np.array_equal(loaded.predict(later.features), blend.predict(later.features))
    few = later.features[:20]
    singles = np.concatenate([loaded.predict(row) for row in few.to_pylist()])
    assert np.array_equal(singles, blend.predict(few))
    assert to_files(loaded) == files


def test_it_cannot_be_changed(parts) -> None:
    weights = {"lightgbm": 1.0, "logistic_regression": 1.0, "group_rate": 1.0}
    blend = Blend(weights).of(parts)
    before = to_files(blend)
    weights["lightgbm"] = 9.0
    assert to_files(blend) == before
    with pytest.raises(AttributeError):
        blend.shares = (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"a": -1, "b": 2}, "blend: a is -1"),
        ({"a": 0, "b": 0.0}, "no weight of .* is above 0"),
        ({}, "is above 0"),
        ({"a": np.nan}, "blend: a is nan"),
        ({"a.b": 1}, "a part is called 'a.b'"),
        ([("a", 1)], "weights is a list"),
    ],
)
def test_mistakes_are_told_when_declared_and_when_used(weights, words: str) -> None:
    blend = Blend(weights)
    assert len(blend.mistakes()) == 1
    with pytest.raises(DeclarationError, match=words):
        blend.combine({"a": np.zeros(2)})


def test_other_parts_than_weights_are_refused(parts) -> None:
    with pytest.raises(ValueError, match=r"weighs \['a', 'b'\], the models are \['group_rate'"):
        Blend({"a": 1, "b": 1}).of(parts)
    with pytest.raises(ValueError, match=r"scores are of \['a'\]"):
        Blend({"a": 1, "b": 1}).combine({"a": np.zeros(2)})
    with pytest.raises(ValueError, match=r"scored \[2, 3\] rows"):
        Blend({"a": 1, "b": 1}).combine({"a": np.zeros(2), "b": np.zeros(3)})
    whole = Blend({"a": 1}).of({"a": ZeroRulePredictor(0.2)})
    with pytest.raises(ValueError, match=r"parts \['whole'\] are blends themselves"):
        Blend({"whole": 1}).of({"whole": whole})
    with pytest.raises(ValueError, match="sum to 1"):
        BlendPredictor((("a", ZeroRulePredictor(0.2)),), (0.4,))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"share":0.5', b'"share":0.7', "sum to 1"),
        (b'"name":"b"', b'"name":"a"', "order of their names"),
        (b'"kind":"zero_rule"', b'"kind":"blend"', "is a blend itself"),
        (b'"kind":"zero_rule"', b'"kind":"pickle"', "kind 'pickle' is unknown"),
    ],
)
def test_shares_and_parts_that_are_none_are_refused(old: bytes, new: bytes, words: str) -> None:
    files = to_files(Blend({"a": 1, "b": 1}).of({"a": ZeroRulePredictor(0.2), "b": ZeroRulePredictor(0.4)}))
    assert old in files["blend.json"]
    with pytest.raises(BundleError, match=words):
        from_files({**files, "blend.json": files["blend.json"].replace(old, new, 1)})
