import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.gradient_boosting import LightGBM


@pytest.fixture(scope="module")
def predictor(train, validation):
    return LightGBM(rounds=20).fit(train, validation, seed=1, threads=1).predictor


def test_it_is_a_method_that_keeps_the_model_and_sheds_bytes(predictor, train, later):
    assert isinstance(OnnxExport(), CompressionMethod)
    made = OnnxExport(tolerance=1e-15).compress(predictor, train, seed=0, threads=1)
    assert made.kind == OnnxExport().kind_of("lightgbm") == "onnx"
    np.testing.assert_allclose(made.predict(later.features), predictor.predict(later.features), rtol=0, atol=1e-15)
    single = OnnxExport(double=False).compress(predictor, train, seed=0, threads=1)
    assert len(single.model) < len(made.model) < len(predictor.text)


def test_a_difference_beyond_the_tolerance_is_told_with_its_size(predictor, train):
    with pytest.raises(
        FitError, match=r"differs by \d\.?\d*e-0[78] in a probability of 1500 training rows; at most 1e-12"
    ):
        OnnxExport(tolerance=1e-12, double=False).compress(predictor, train, seed=0, threads=1)


def test_a_model_that_says_something_else_is_caught(predictor, train, monkeypatch):
    from mlsys_assets.models.compression import onnx_graphs

    monkeypatch.setattr(onnx_graphs, "border", lambda threshold: threshold + 0.5)
    with pytest.raises(FitError, match="differs by 0"):
        OnnxExport().compress(predictor, train, seed=0, threads=1)
    monkeypatch.setattr(onnx_graphs, "border", lambda threshold: threshold * np.nan)
    with pytest.raises(FitError, match="would be refused when it is read"):
        OnnxExport().compress(predictor, train, seed=0, threads=1)


def test_what_is_wrong_is_said(predictor, train, validation):
    assert OnnxExport().mistakes() == []
    for tolerance in (0, -1, 2, float("nan"), "small"):
        assert OnnxExport(tolerance=tolerance).mistakes()
    assert OnnxExport(double=1).mistakes() == ["ONNX export: double is 1; it must be bool"]
    with pytest.raises(FitError, match="kind 'zero_rule'"):
        OnnxExport().compress(ZeroRulePredictor(0.1), train, seed=0, threads=1)
    with pytest.raises(TypeError, match="a Train view only"):
        OnnxExport().compress(predictor, validation, seed=0, threads=1)
