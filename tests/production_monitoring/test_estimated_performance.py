"""What is estimated before labels come, held against what they say, and silence where it is not valid."""

import numpy as np
import pytest

from mlsys_assets.measures.metrics import LogLoss, RocAuc, value
from mlsys_assets.production_monitoring.estimated_performance import (
    compared,
    estimated_performance,
    mean_absolute_error,
    not_valid,
    silenced,
)
from mlsys_assets.production_monitoring.label_shift import label_shift
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

from .unlabelled_worlds import LEARNED, classes, reference_of_classes, reference_of_weather, weather

METRICS = (RocAuc(), LogLoss())


def realised_of(label: np.ndarray, score: np.ndarray) -> dict[str, float]:
    return {metric.name: value(metric, label, score) for metric in METRICS}


def test_estimates_are_held_against_what_was_realised() -> None:
    reference, estimated, realised = reference_of_weather(), {}, {}
    for week in range(6):
        score, label, at = weather(7_000, seed=week, moved=0.2 * week)
        estimated[week] = estimated_performance(reference, score, at, metrics=METRICS, seed=0)
        realised[week] = realised_of(label, score)
    realised[5] = {"roc_auc": None, "log_loss": np.nan}  # not yet known
    found = compared(estimated, realised)
    assert [(one.window, one.metric) for one in found] == [(w, m) for w in range(5) for m in ("roc_auc", "log_loss")]
    assert mean_absolute_error(found) < 0.015
    assert mean_absolute_error(found) == pytest.approx(np.mean([abs(one.error) for one in found]))
    assert found[0].error == pytest.approx(found[0].estimated.value - realised[0]["roc_auc"])
    assert sum(one.held for one in found) >= 8
    assert np.isnan(mean_absolute_error(()))


def test_under_label_shift_it_is_silent() -> None:
    reference, (score, label, at) = reference_of_classes(), classes(LEARNED + 0.11, 10_000, seed=0)
    found = estimated_performance(reference, score, at, metrics=METRICS, seed=0)
    assert not found["log_loss"].low < value(LogLoss(), label, score) < found["log_loss"].high
    reason = not_valid(label_shift(reference, score, at, seed=0), ())
    assert reason.startswith("not valid: label shift, 0.3")
    for one in silenced(found, reason).values():
        assert not one.sufficient
        assert np.isnan([one.value, one.low, one.high, one.error]).all()
        assert "not valid" in str(one)


def test_after_a_concept_shift_labels_that_land_silence_it() -> None:
    reference, (score, label, at) = reference_of_weather(), weather(7_000, seed=0)
    rng = np.random.default_rng(0)
    flipped = np.where(rng.uniform(size=7_000) < 0.1, 1 - label, label)
    found = estimated_performance(reference, score, at, metrics=METRICS, seed=0)
    assert not_valid(None, compared({0: found}, {0: realised_of(label, score)})) == ""
    reason = not_valid(None, compared({0: found}, {0: realised_of(flipped, score)}))
    assert reason.startswith("not valid: the last estimate missed (roc_auc of 0: ")


def test_without_a_reason_estimates_are_said() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(LEARNED, 7_000, seed=0)
    found = estimated_performance(reference, score, at, metrics=METRICS, seed=0)
    assert silenced(found, not_valid(label_shift(reference, score, at, seed=0), ())) == found


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_small_windows_are_insufficient_data(rows) -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.2, 500, seed=0)
    found = estimated_performance(reference, score[:rows], at[:rows], metrics=METRICS, seed=0)
    assert set(found) == {"roc_auc", "log_loss"}
    assert not any(one.sufficient for one in found.values())
    assert compared({0: found}, {0: {"roc_auc": 0.7}}) == ()


def test_references_of_one_class_are_insufficient_data() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.2, 500, seed=0)
    wrong = ReferenceScores(reference.score, 0 * reference.label, reference.at)
    found = estimated_performance(wrong, score, at, metrics=METRICS, seed=0)
    assert "0 positive" in found["roc_auc"].note


def test_constant_scores_have_an_auc_of_one_half() -> None:
    _, _, at = classes(0.2, 500, seed=0)
    found = estimated_performance(reference_of_classes(), np.full(500, 0.3), at, metrics=METRICS, seed=0)
    assert found["roc_auc"].value == pytest.approx(0.5)
    assert found["log_loss"].sufficient
