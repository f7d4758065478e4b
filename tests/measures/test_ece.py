"""The calibration error equals what other libraries publish and compute."""

import numpy as np
import pytest
from mapie.metrics.calibration import expected_calibration_error
from sklearn.calibration import calibration_curve

from mlsys_assets.measures.metrics import Ece, value


@pytest.mark.parametrize(
    ("label", "score", "published"),
    [
        # TorchMetrics' binary_calibration_error: the example of its documentation, and a case of its tests.
        ([0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75], 0.29),
        ([0, 0, 1, 1, 1], [1.0, 1.0, 1.0, 1.0, 0.0], 0.6),
    ],
)
def test_equal_to_torchmetrics_worked_cases(label, score, published) -> None:
    assert value(Ece(bins=2), np.array(label, dtype=float), np.array(score)) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("bins", [1, 7, 20, 50])
@pytest.mark.parametrize("bold", [0.5, 1.0, 2.0])
def test_equal_to_mapies_and_to_scikit_learns_curve(bins, bold) -> None:
    rng = np.random.default_rng(bins)
    score = rng.beta(1, 3, 3_000)
    label = (rng.uniform(size=3_000) < score**bold).astype(float)
    found = value(Ece(bins=bins), label, score)
    mapies = expected_calibration_error(label, score, num_bins=bins + 1, split_strategy="uniform")  # it counts edges
    assert found == pytest.approx(mapies, abs=1e-12)
    observed, predicted = calibration_curve(label, score, n_bins=bins)
    rows = np.histogram(score, np.linspace(0, 1, bins + 1))[0]
    assert found == pytest.approx(np.abs(observed - predicted) @ (rows[rows > 0] / len(score)), abs=1e-12)
