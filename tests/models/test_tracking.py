"""A run tells the losses, the machine and a sample of what was scored, of every candidate alike."""

import csv
import io

import numpy as np
import pytest
from sklearn.metrics import log_loss as by_scikit_learn

from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.tracking import SAMPLES, TRAIN_LOSS, VALIDATION_LOSS, log_loss, sample_log, track
from mlsys_assets.models.usage import CPU, MEMORY, measured


@pytest.mark.parametrize("candidate", [ZeroRule(), LogisticRegression(), LightGBM(rounds=5)], ids=lambda c: c.name)
def test_five_things_are_told_of_every_candidate(candidate, train, validation) -> None:
    with measured() as used:
        fitted = candidate.fit(train, validation, seed=0, threads=1)
    told = track(fitted, used, train=train, validation=validation, threads=1)
    scores = fitted.predict(validation.features)
    assert told.curves[VALIDATION_LOSS][-1] == pytest.approx(by_scikit_learn(validation.label, scores), rel=1e-6)
    assert told.curves[TRAIN_LOSS][-1] == pytest.approx(
        by_scikit_learn(train.label, fitted.predict(train.features)), rel=1e-6
    )
    assert len(told.curves[TRAIN_LOSS]) == (5 if candidate.name == "lightgbm" else 1)
    assert len(told.curves[CPU]) == len(told.curves[MEMORY]) >= 1
    assert told.metrics["fit rows_per_s"] == pytest.approx(len(train) / told.metrics["fit wall_s"])
    assert told.metrics["fit cpu_s"] > 0
    assert told.metrics["fit peak_memory_mb"] > 10
    assert len(told.artifacts[SAMPLES].splitlines()) == 201
    assert np.array_equal(told.scores, scores)


def test_the_sample_says_what_was_scored(validation) -> None:
    scores = np.linspace(0.0, 1.0, len(validation))
    rows = list(csv.DictReader(io.StringIO(sample_log(validation, scores, most=7).decode())))
    where = [validation.ids.to_pylist().index(row["id"]) for row in rows]
    assert len(where) == 7
    assert where == sorted(where)
    assert (where[0], where[-1]) == (0, len(validation) - 1)
    for row, i in zip(rows, where, strict=True):
        assert float(row["label"]) == validation.label[i]
        assert float(row["score"]) == pytest.approx(scores[i], abs=1e-5)
        assert row["predict_at"] == f"{np.datetime_as_string(validation.at[i], unit='s')}Z"
        right = scores[i] if validation.label[i] else 1 - scores[i]
        assert float(row["log_loss"]) == pytest.approx(-np.log(max(right, 1e-300)), rel=1e-4) or right == 0


def test_fewer_rows_than_asked_are_all_told(validation) -> None:
    few = validation.take(np.arange(3))
    assert len(sample_log(few, np.array([0.1, 0.5, 0.9])).splitlines()) == 4


def test_a_certain_error_has_a_finite_loss() -> None:
    assert np.isfinite(log_loss(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
