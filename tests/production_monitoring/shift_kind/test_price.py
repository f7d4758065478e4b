"""What a change costs: by hand, and in a world whose cost is known."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.production_monitoring.shift_kind.price import realised_price

from .simulated import STILL, moved

COSTS = CostMatrix(false_positive=10.0, false_negative=40.0)


def test_nothing_costs_nothing() -> None:
    rows = STILL.rows(20_000, seed=1)
    price = realised_price(rows, rows.score, costs=COSTS, seed=0)
    assert price.money is not None
    assert price.log_loss.low < 0 < price.log_loss.high
    assert price.money.low < 0 < price.money.high


def test_flips_cost_what_they_cost() -> None:
    before, after = STILL.rows(20_000, seed=1), moved(flipped=0.2).rows(20_000, seed=1)
    price = realised_price(after, after.score, costs=COSTS)
    dearer = log_losses(after.label, after.score).mean() - log_losses(before.label, before.score).mean()
    money = COSTS.realised(after.label, after.score) - COSTS.realised(before.label, before.score)
    assert price.money is not None
    assert price.log_loss.low < dearer < price.log_loss.high
    assert price.money.low < money < price.money.high
    assert price.total == pytest.approx(price.money.value * 20_000)
    assert price.how == "realised"


def test_harder_rows_are_no_part_of_it() -> None:
    harder = moved(means=(1.0, 0.0, 0.0, 0.0)).rows(20_000, seed=2)
    found = realised_price(harder, harder.score).log_loss
    assert found.low < 0 < found.high


def test_labels_that_are_not_known_yet_tell_nothing_and_count_as_requests() -> None:
    rows = moved(flipped=0.2).rows(4_000, seed=1)
    half = replace(rows, label=np.where(np.arange(4_000) % 2, rows.label, np.nan))
    price = realised_price(half, half.score)
    assert (price.log_loss.rows, price.requests, price.money) == (2_000, 4_000, None)
    never = replace(rows, label=np.full(4_000, np.nan))
    assert not realised_price(never, never.score, costs=COSTS).log_loss.sufficient
    few = rows.take(np.arange(40))
    assert not realised_price(few, few.score).log_loss.sufficient
