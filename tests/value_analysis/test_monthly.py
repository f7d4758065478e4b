"""Monthly costs equal a loop over the rows; a saving is told only on the same requests."""

import json
from collections import defaultdict

import numpy as np
import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.types import DeclarationError
from mlsys_assets.value_analysis.monthly import LEAST_LABELLED, monthly

COST = CostMatrix(false_positive=10, false_negative=40, true_positive=5, unit="EUR")
NAMES = ("champion", "group_rate", "zero_rule")


def world(seed: int = 0, n: int = 600) -> dict[str, np.ndarray]:
    """Three models asked for the same requests of July to September, one in ten of which has no label."""
    rng = np.random.default_rng(seed)
    at = np.datetime64("2013-07-01", "us") + rng.integers(0, 92 * 24 * 60, n) * np.timedelta64(1, "m")
    p = rng.beta(1, 2, n)
    label = np.where(rng.uniform(size=n) < 0.1, np.nan, (rng.uniform(size=n) < p).astype(float))
    scores = (p, np.clip(p + rng.normal(0, 0.2, n), 0, 1), np.full(n, 0.1))
    return {
        "predict_at": np.tile(at, 3),
        "label": np.tile(label, 3),
        "score": np.concatenate(scores),
        "model": np.repeat(NAMES, n),
    }


def ask(rows: dict[str, np.ndarray], **more):
    columns = (rows[name] for name in ("predict_at", "label", "score", "model"))
    return monthly(*columns, **({"cost": COST} | more))


def by_hand(rows: dict[str, np.ndarray]) -> dict[tuple[str, str], list[float]]:
    found = defaultdict(list)
    for at, label, score, model in zip(*rows.values(), strict=True):
        if not np.isnan(label):
            acted = score >= 10 / (10 + 40 - 5)
            cost = (5 if acted else 40) if label else (10 if acted else 0)
            found[str(at)[:7], str(model)].append(cost)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_a_loop_over_the_rows(seed: int) -> None:
    rows = world(seed)
    found, expected = ask(rows), by_hand(rows)
    assert [(f.month, f.model) for f in found] == sorted(expected)
    assert [f.month for f in found[::3]] == ["2013-07", "2013-08", "2013-09"]
    for one in found:
        costs = expected[one.month, one.model]
        assert (one.labelled, one.total, one.unit, one.verdict) == (len(costs), sum(costs), "EUR", "told")
        assert one.mean == pytest.approx(np.mean(costs))
        others = {name: sum(expected[one.month, name]) - sum(costs) for name in NAMES if name != one.model}
        assert one.savings == others
    assert all(one.savings["zero_rule"] > 0 for one in found if one.model == "champion")


def test_months_are_of_utc() -> None:
    at = np.array(["2013-07-31T23:59:59.999999", "2013-08-01T00:00"], dtype="datetime64[us]")
    found = monthly(at, np.ones(2), np.ones(2), np.array(["m", "m"]), cost=COST, support=1)
    assert [(f.month, f.labelled) for f in found] == [("2013-07", 1), ("2013-08", 1)]


def test_the_order_of_the_rows_changes_no_bit() -> None:
    rows, cost = world(), CostMatrix(0.1, 0.7, true_positive=0.3)
    order = np.random.default_rng(0).permutation(len(rows["label"]))
    assert ask({name: column[order] for name, column in rows.items()}, cost=cost) == ask(rows, cost=cost)


def test_too_few_labels_are_insufficient_data() -> None:
    rows = world()
    kept = np.flatnonzero(~np.isnan(rows["label"]) & (rows["predict_at"] < np.datetime64("2013-08-01")))
    thin = np.concatenate([kept[rows["model"][kept] == name][: LEAST_LABELLED - 1] for name in NAMES])
    found = ask({name: column[thin] for name, column in rows.items()})
    assert [(f.labelled, f.mean, f.total, f.verdict) for f in found] == [
        (LEAST_LABELLED - 1, None, None, "insufficient data")
    ] * 3
    assert {saving for f in found for saving in f.savings.values()} == {None}


def test_a_month_without_labels_is_told_as_such() -> None:
    rows = world()
    rows["label"] = np.where(rows["predict_at"] >= np.datetime64("2013-09-01"), np.nan, rows["label"])
    last = ask(rows, support=0)[-1]
    assert (last.month, last.labelled, last.mean, last.verdict) == ("2013-09", 0, None, "insufficient data")


def test_other_requests_are_no_saving() -> None:
    """The champion changed within the month: each decided on its own part of it."""
    rows = world()
    early = rows["predict_at"] < np.datetime64("2013-07-15")
    kept = (rows["model"] == "zero_rule") | ((rows["model"] == "champion") == early)
    found = ask({name: column[kept] for name, column in rows.items()})
    assert found[0].total is not None
    assert {f.model: f.savings for f in found if f.month == "2013-07"} == {
        "champion": {"group_rate": None, "zero_rule": None},
        "group_rate": {"champion": None, "zero_rule": None},
        "zero_rule": {"champion": None, "group_rate": None},
    }


def test_no_rows_are_no_months() -> None:
    assert ask({name: column[:0] for name, column in world().items()}) == ()


def test_json_holds_it() -> None:
    (first, *_) = ask(world())
    assert json.loads(json.dumps(first.as_dict()))["savings"] == first.savings


def test_unequal_columns_and_a_wrong_cost_are_refused() -> None:
    rows = world()
    with pytest.raises(ValueError, match=r"\[1799, 1800\] rows"):
        ask(rows | {"label": rows["label"][1:]})
    with pytest.raises(DeclarationError, match="acting must cost less"):
        ask(rows, cost=CostMatrix(10, 40, true_positive=50))
