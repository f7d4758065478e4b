"""Cost as a metric is the cost that the cost matrix realises, in every draw."""

import numpy as np
import pytest

from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support, bootstrap, difference, estimate
from mlsys_assets.measures.metrics import Metric, RocAuc, value
from mlsys_assets.offline_evaluation.challenger import Best
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.types import DeclarationError

COSTS = CostMatrix(false_positive=20, false_negative=100, true_positive=40, true_negative=-1)


def rows(n: int = 1_200, *, days: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    p = rng.beta(1, 3, n)
    return (rng.random(n) < p).astype(float), p, np.arange(n) * days // n


def test_of_all_rows_it_is_what_the_matrix_realises() -> None:
    label, p, _ = rows()
    metric = ExpectedCost(COSTS)
    assert isinstance(metric, Metric)
    assert value(metric, label, p) == pytest.approx(COSTS.realised(label, p), rel=1e-12)
    order = np.random.default_rng(0).permutation(len(p))
    assert value(metric, label[order], p[order]) == value(metric, label, p)


def test_each_draw_is_that_of_the_rows_drawn() -> None:
    label, p, block = rows()
    weights = bootstrap(block, seed=3)
    found = ExpectedCost(COSTS).draws(label, p, weights)
    assert len(found) == len(weights.counts)
    for draw in range(0, len(found), 37):
        drawn = np.repeat(np.arange(len(p)), weights.counts[draw].astype(int)[block])
        assert found[draw] == pytest.approx(COSTS.realised(label[drawn], p[drawn]), rel=1e-12)


def test_another_threshold_than_that_of_the_costs_may_be_asked_about() -> None:
    label, p, _ = rows()
    always, never = (value(ExpectedCost(COSTS, threshold=t), label, p) for t in (0.0, 1.1))
    assert always == pytest.approx(np.where(label > 0, 40, 20).mean())
    assert never == pytest.approx(np.where(label > 0, 100, -1).mean())


def test_the_cheaper_model_wins_where_cost_is_the_objective_though_it_ranks_worse() -> None:
    label, p, block = rows(6_000, days=30)
    timid, noisy = p / 6, np.clip(p + np.random.default_rng(0).normal(0, 0.05, len(p)), 0, 1)
    cost, auc = ExpectedCost(COSTS), RocAuc()
    at = np.datetime64("2013-06-01", "us") + block.astype("timedelta64[D]")
    both = Scored("validation", "rows", at, label, {"timid": timid, "noisy": noisy}, {})
    assert Best().choose(both, auc, seed=0, support=Support()).name == "timid"
    assert Best().choose(both, cost, seed=0, support=Support()).name == "noisy"
    weights = bootstrap(block, seed=0)
    assert difference(cost, label, (noisy, timid), weights=weights).high < 0
    assert estimate(cost, label, noisy, weights=weights).sufficient


def test_mistakes_are_told_and_no_rows_are_no_cost() -> None:
    assert ExpectedCost(COSTS).mistakes() == []
    assert "costs is 3" in ExpectedCost(3).mistakes()[0]  # type: ignore[arg-type]
    assert len(ExpectedCost(CostMatrix(1, 0), threshold=np.nan).mistakes()) == 2
    with pytest.raises(DeclarationError, match="acting must cost less"):
        value(ExpectedCost(CostMatrix(1, 0)), np.ones(2), np.ones(2))
    assert np.isnan(value(ExpectedCost(COSTS), np.zeros(0), np.zeros(0)))
