"""The place as a feature takes what is due to the place out of what is learned."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mlsys_assets.production_monitoring.feedback.position import PositionFeature


def acted(rows: int, *, seed: int) -> tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]:
    """Return features, places, whether somebody acted, and how likely he would have at the first place.

    Lists of ten are ranked by what means nothing, ``habit``; what stands lower is acted on more seldom.
    """
    rng = np.random.default_rng(seed)
    worth, habit = rng.standard_normal((2, rows // 10, 10))
    place = 1.0 + np.argsort(np.argsort(-habit, axis=1), axis=1)
    first = worth.ravel() - 0.5
    label = rng.random(rows) < expit(first - 0.4 * (place.ravel() - 1))
    return pa.table({"worth": worth.ravel(), "habit": habit.ravel()}), place.ravel(), label, expit(first)


def fitted(features: pa.Table, label: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=1e6).fit(np.column_stack([features[n] for n in features.schema.names]), label)


def predicted(model: LogisticRegression, features: pa.Table) -> np.ndarray:
    return model.predict_proba(np.column_stack([features[n] for n in features.schema.names]))[:, 1]


@pytest.mark.parametrize("seed", range(3))
def test_the_bias_of_the_place_is_gone(seed: int) -> None:
    features, place, label, truth = acted(20_000, seed=seed)
    feature = PositionFeature()
    naive, aware = fitted(features, label), fitted(feature.trained(features, place), label)
    assert naive.coef_[0][1] > 0.7  # the old ranking's habit looks like worth
    assert abs(aware.coef_[0][1]) < 0.15
    assert aware.coef_[0][2] == pytest.approx(-0.4, abs=0.04)
    error = [np.abs(predicted(naive, features) - truth).mean()]
    error.append(np.abs(predicted(aware, feature.served(features)) - truth).mean())
    assert error[0] > 0.15
    assert error[1] < 0.02
    left = np.abs(predicted(aware, feature.trained(features, place)) - truth).mean()
    assert left > 0.15  # the place of the log, served, brings the bias back


def test_the_column_is_added_and_nothing_else() -> None:
    features = pa.table({"x": [1.0, 2.0]})
    trained, served = PositionFeature().trained(features, np.array([3, 1])), PositionFeature().served(features)
    assert trained.to_pydict() == {"x": [1, 2], "position": [3, 1]}
    assert served.to_pydict() == {"x": [1, 2], "position": [1, 1]}
    assert trained.schema == served.schema
    assert PositionFeature("place", served_as=4).served(features[:0]).schema.names == ["x", "place"]


def test_what_does_not_fit_is_refused() -> None:
    features = pa.table({"x": [1.0, 2.0]})
    for place in ([1.0], [1.0, np.nan], [0.0, 1.0]):
        with pytest.raises(ValueError, match="each row needs one, from 1 on"):
            PositionFeature().trained(features, np.array(place))
    with pytest.raises(ValueError, match="have a column 'x'"):
        PositionFeature("x").served(features)
    assert PositionFeature().mistakes() == []
    assert len(PositionFeature("a b", served_as=0).mistakes()) == 2
