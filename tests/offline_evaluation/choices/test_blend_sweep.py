"""A sweep over weights tells the front of two objectives, and trains nothing."""

import numpy as np
import pytest

from mlsys_assets.measures.metrics import LogLoss, PrAuc, RocAuc, value
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.offline_evaluation.choices.blend_sweep import Aim, evenly, sweep


@pytest.fixture(scope="module")
def rows() -> tuple[dict[str, np.ndarray], tuple[Aim, ...]]:
    """Two labels that have one cause in common, and a score for each."""
    rng = np.random.default_rng(0)
    common, own, other = rng.normal(size=(3, 2_000))
    late, very = (common + own > 1).astype(float), (common + other > 1.5).astype(float)
    scores = {"late": 1 / (1 + np.exp(-own - common / 2)), "very": 1 / (1 + np.exp(-other - common / 2))}
    return scores, (Aim("late", late, RocAuc()), Aim("very late", very, PrAuc()))


def test_the_front_is_that_of_a_search_through_all_pairs(rows) -> None:
    scores, aims = rows
    # A third part that tells nothing: whoever gives it weight may well be dominated.
    scores = scores | {"noise": np.random.default_rng(1).random(2_000)}
    blends = [Blend({"late": a, "very": 4 - a, "noise": n}) for a in range(5) for n in (0, 2)]
    points = sweep(scores, aims, blends)
    values = [tuple(p.values.values()) for p in points]
    for point, mine in zip(points, values, strict=True):
        better = [o for o in values if all(x >= y for x, y in zip(o, mine, strict=True)) and o != mine]
        assert point.on_front == (not better)
        if point.dominated_by is not None:
            assert values[point.dominated_by] in better
            assert points[point.dominated_by].on_front
    assert 0 < sum(p.on_front for p in points) < len(points)


def test_weights_trade_one_aim_for_the_other_without_a_fit(rows, monkeypatch) -> None:
    scores, aims = rows
    fits = []
    monkeypatch.setattr(LightGBM, "fit", lambda *a, **k: fits.append(a))
    points = sweep(scores, aims, evenly("late", "very", steps=4))
    assert fits == []
    assert points[0].values["late"] > points[-1].values["late"]
    assert points[0].values["very late"] < points[-1].values["very late"]
    assert [p.shares["late"] for p in points] == [1, 0.75, 0.5, 0.25, 0]
    middle = 0.5 * scores["late"] + 0.5 * scores["very"]
    assert points[2].values["late"] == pytest.approx(value(RocAuc(), aims[0].label, middle))


def test_an_aim_that_is_better_lower_is_turned(rows) -> None:
    scores, (late, _) = rows
    points = sweep(scores, (Aim("loss", late.label, LogLoss()),), evenly("late", "very", steps=4))
    best = min(range(5), key=lambda i: points[i].values["loss"])
    assert [i for i, p in enumerate(points) if p.on_front] == [best]
    assert {p.dominated_by for p in points} == {None, best}


def test_what_cannot_be_swept_is_told(rows) -> None:
    scores, aims = rows
    with pytest.raises(ValueError, match="cannot tell \\['none'\\]: both classes"):
        sweep(scores, (Aim("none", np.zeros(2_000), RocAuc()),), evenly("late", "very", steps=1))
    with pytest.raises(ValueError, match="the aim 'few' and the part 'late': 2000 scores for 3 labels"):
        sweep(scores, (Aim("few", np.zeros(3), RocAuc()),), evenly("late", "very", steps=1))
    broken = {**scores, "very": np.where(np.arange(2_000) == 5, np.nan, scores["very"])}
    with pytest.raises(ValueError, match="the part 'very': 1 labels or scores are not finite"):
        sweep(broken, aims, evenly("late", "very", steps=1))
    with pytest.raises(ValueError, match="a name of its own"):
        sweep(scores, (aims[0], aims[0]), evenly("late", "very", steps=1))
    with pytest.raises(ValueError, match="at least one step"):
        evenly("late", "late", steps=3)
    with pytest.raises(ValueError, match="give one of each"):
        sweep(scores, aims, evenly("late", "other", steps=1))
