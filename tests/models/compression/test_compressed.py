import time
from dataclasses import dataclass

import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.compressed import Compressed, compress, size_of
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.compression.table import CompressionStudy
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp


def test_it_is_the_candidates_model_compressed_and_its_recipe(train, validation, later):
    candidate = LightGBM(rounds=60, patience=5, learning_rate=0.3)
    own = Compressed(candidate, Truncation(share=0.5))
    whole, made = (one.fit(train, validation, seed=1, threads=1) for one in (candidate, own))
    by_hand = Truncation(share=0.5).compress(whole.predictor, train, seed=1, threads=1)
    np.testing.assert_array_equal(made.predict(later.features), by_hand.predict(later.features))
    assert (made.candidate, made.recipe, made.loss_curve) == (own.name, whole.recipe, whole.loss_curve)
    record = {k: v for k, v in made.params.items() if k not in whole.params}
    assert record == {
        "compression": "first_50_percent", "bytes_before": size_of(whole.predictor), "bytes_after": size_of(by_hand),
    }  # fmt: skip
    assert record["bytes_after"] < record["bytes_before"]


def test_it_is_of_the_methods_kind_where_that_has_one(train, validation):
    assert Compressed(LightGBM(), Truncation(rounds=1)).kind == "lightgbm"
    assert Compressed(LightGBM(), OnnxExport()).kind == "onnx"
    assert Compressed(ZeroRule(), Truncation(rounds=1)).baseline
    for method in (Quantization(), MagnitudePruning()):
        for candidate in (LogisticRegression(), Mlp((4,), epochs=2)):
            own = Compressed(candidate, method)
            assert own.kind == own.fit(train, validation, seed=1, threads=1).predictor.kind
    calibrated = Calibrated(Compressed(LightGBM(rounds=9), OnnxExport()))
    assert calibrated.fit(train, validation, seed=1, threads=1).predictor.within.kind == "onnx"


def test_a_method_that_does_not_apply_is_a_failed_candidate_with_its_name(train, validation):
    own = Compressed(ZeroRule(), Truncation(rounds=1))
    for fit in (
        lambda: own.fit(train, validation, seed=1, threads=1),
        lambda: own.refit(train, recipe={}, seed=1, threads=1),
    ):
        with pytest.raises(FitError, match=r"^zero_rule_first_1_trees: truncation cuts boosted trees"):
            fit()


@dataclass(frozen=True)
class Fails(Truncation):
    error: type[Exception] = RuntimeError

    def compress(self, predictor, train, *, seed, threads):
        raise self.error("no\nluck")


def test_what_a_library_raises_is_a_failure_of_the_candidate_or_of_the_method_alone(train, validation):
    candidate = LightGBM(rounds=3)
    with pytest.raises(FitError, match=r"^lightgbm_first_1_trees: first_1_trees failed: RuntimeError: no$"):
        Compressed(candidate, Fails(1)).fit(train, validation, seed=1, threads=1)
    study = CompressionStudy(time.process_time, time.perf_counter)
    predictor = candidate.fit(train, validation, seed=1, threads=1).predictor
    made = study.make(predictor, [Fails(1), Truncation(2)], train, seed=1)
    assert [one.reason for one in made] == ["", "first_1_trees failed: RuntimeError: no", ""]
    with pytest.raises(MemoryError):
        Compressed(candidate, Fails(1, error=MemoryError)).fit(train, validation, seed=1, threads=1)
    with pytest.raises(TypeError, match="fitted on a Train view only"):
        compress(Truncation(1), predictor, validation, seed=1, threads=1)


@dataclass(frozen=True)
class Nameless:
    def mistakes(self):
        return []


def test_mistakes_of_both_are_listed():
    found = Compressed(LightGBM(rounds=0), Truncation(rounds=0)).mistakes()
    assert len(found) == 2
    assert "truncation: rounds is 0" in found[0]
    assert "candidate 'lightgbm': rounds is 0" in found[1]
    assert "must be CompressionMethod, and lacks" in Compressed(LightGBM(), Nameless()).mistakes()[0]
    assert "is the class LightGBM" in Compressed(LightGBM, Truncation(rounds=1)).mistakes()[0]
