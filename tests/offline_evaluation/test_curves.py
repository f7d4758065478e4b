"""The curves agree with scikit-learn's."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from sklearn import calibration, metrics

from mlsys_assets.charts import COLOURS
from mlsys_assets.offline_evaluation.curves import POINTS, calibration_curve, curves_plot, rates

SVG = "{http://www.w3.org/2000/svg}"


def drawn(n: int, *, grid: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    score = random.beta(2, 4, size=n)
    label = (random.uniform(size=n) < score**1.5).astype(float)
    return label, score if grid is None else np.round(score * grid) / grid


def test_the_calibration_curve_is_scikit_learns() -> None:
    label, score = drawn(2_004)  # so that no row lies on an edge, which the two deal to different sides
    observed, predicted = calibration.calibration_curve(label, score, n_bins=10, strategy="quantile")
    found = calibration_curve(label, score)
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.rows.sum() == len(score)
    assert found.rows.max() - found.rows.min() <= 1


@pytest.mark.parametrize("score", [[], [0.2], [0.2] * 9, [0.2] * 8 + [0.9]], ids=len)
def test_few_or_equal_scores_make_fewer_bins(score: list[float]) -> None:
    label = np.arange(len(score)) % 2.0
    found = calibration_curve(label, np.array(score))
    assert found.rows.sum() == len(score)
    assert (found.predicted * found.rows).sum() == pytest.approx(sum(score))
    assert (found.observed * found.rows).sum() == pytest.approx(label.sum())


@pytest.mark.parametrize("grid", [None, 20], ids=["no ties", "ties"])
def test_the_other_curves_are_scikit_learns(grid: int | None) -> None:
    label, score = drawn(500, grid=grid)
    false, true, precise = rates(label, score)
    their_false, their_true, _ = metrics.roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose(false, their_false[1:])
    np.testing.assert_allclose(true, their_true[1:])
    their_precise, their_recall, _ = metrics.precision_recall_curve(label, score)
    np.testing.assert_allclose(precise, their_precise[:-1][::-1])
    np.testing.assert_allclose(true, their_recall[:-1][::-1])


def test_the_picture_draws_each_models_curves_in_their_panels() -> None:
    label, score = drawn(300)
    page = ET.fromstring(curves_plot({"m": score, "prior": np.full(300, label.mean())}, label, title="recent"))
    assert {"recent", "calibration", "ROC", "precision–recall", "m", "prior"} <= {
        t.text for t in page.iter(f"{SVG}text")
    }
    drawn_lines = [line.attrib for line in page.iter(f"{SVG}polyline")]
    guides = [line for line in drawn_lines if "stroke-dasharray" in line]
    assert len(guides) == 3
    mine = [line for line in drawn_lines if line.get("stroke") == COLOURS[0]]
    assert [len(line["points"].split()) for line in mine] == [10, POINTS, POINTS]
    (left, bottom), (right, top) = (tuple(map(float, p.split(","))) for p in guides[1]["points"].split())
    x, y = zip(*(map(float, p.split(",")) for p in mine[1]["points"].split()), strict=True)
    drawn_area = np.trapezoid((bottom - np.array(y)) / (bottom - top), (np.array(x) - left) / (right - left))
    assert drawn_area == pytest.approx(metrics.roc_auc_score(label, score), abs=0.005)


def test_as_many_models_as_are_compared_have_colours_of_their_own_and_are_as_wide_as_the_page() -> None:
    label, score = drawn(300)
    page = ET.fromstring(curves_plot(dict.fromkeys("abcdefgh", score), label, title="t"))
    solid = [line.get("stroke") for line in page.iter(f"{SVG}polyline") if "stroke-dasharray" not in line.attrib]
    assert [solid.count(colour) for colour in dict.fromkeys(solid)] == [3] * 8
    assert float(page.get("width")) <= 1_120  # what Dagster shows of a picture


def test_no_picture_is_longer_for_more_rows() -> None:
    """It stands in the metadata of every training."""
    few, many = (
        curves_plot(dict.fromkeys("abcdef", score), label, title="t") for label, score in map(drawn, (400, 9_000))
    )
    assert len(many) < 1.1 * len(few) < 60_000
