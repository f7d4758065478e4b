import time

import pytest

from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.compression.methods import methods_for
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.compression.table import CompressionStudy
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined


@pytest.mark.parametrize(
    "candidate",
    [
        LightGBM(rounds=20),
        LightGBM(rounds=8, objective=Combined(1, 0.1), name="own_loss"),
        LogisticRegression(),
        Mlp((32, 32), epochs=2),
    ],
    ids=lambda c: c.name,
)
def test_each_method_applies_to_what_it_is_named_for(candidate, train, validation):
    predictor = candidate.fit(train, validation, seed=1, threads=1).predictor
    methods = methods_for(predictor)
    assert [m for one in methods for m in one.mistakes()] == []
    made = CompressionStudy(time.process_time, time.perf_counter).make(predictor, methods, train, seed=1)
    assert [one.reason for one in made] == [""] * (len(methods) + 1)
    assert len({one.name for one in made}) == len(made) >= 5


def test_a_model_in_another_form_has_those_of_its_own_kind_and_one_that_holds_another_none(train, validation):
    fitted = LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
    compact = Quantization(16).compress(fitted, train, seed=1, threads=1)
    assert methods_for(compact) == methods_for(fitted)
    calibrated = Calibrated(LogisticRegression()).fit(train, validation, seed=1, threads=1).predictor
    assert methods_for(calibrated) == ()
