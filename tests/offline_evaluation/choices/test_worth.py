"""Where no model gains what was asked over the best rule, it is said plainly that machine learning is not worth it."""

import numpy as np
import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.offline_evaluation.choices.worth import Worth, worth_it
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.types import DeclarationError, Finding

COSTS = CostMatrix(false_positive=20, false_negative=100, true_positive=40)
DAYS = 40


@pytest.fixture(scope="module")
def scored() -> Scored:
    """One model that knows the truth, one that knows as much as the better of two rules."""
    rng = np.random.default_rng(0)
    n = DAYS * 200
    p = rng.beta(1, 3, n)
    rate = np.round(p, 1).clip(0.05, 0.95)  # a rule that knows the truth to one digit
    near = np.clip(rate + rng.normal(0, 0.001, n), 0, 1)
    at = np.datetime64("2013-09-01", "us") + np.timedelta64(1, "D") * (np.arange(n) % DAYS)
    scores = {"zero_rule": np.full(n, p.mean()), "group_rate": rate, "same": near, "knowing": p}
    hashes = dict.fromkeys(scores, "0")
    return Scored("recent_test", "0", at, (rng.random(n) < p).astype(float), scores, hashes)


def only(scored: Scored, *names: str) -> Scored:
    kept = {name: scored.scores[name] for name in names}
    return Scored(scored.split, scored.data_hash, scored.at, scored.label, kept, scored.hashes)


def found(worth: Worth, scored: Scored, **more) -> Finding:
    return worth_it(worth, scored, ["zero_rule", "group_rate"], seed=0, **more)


def test_a_model_that_gains_nothing_over_the_best_rule_is_not_worth_it(scored) -> None:
    finding = found(Worth(LogLoss(), 0.0), only(scored, "zero_rule", "group_rate", "same"))
    assert not finding.passed
    assert finding.summary.startswith("machine learning is not worth it here: same surely gains -")
    assert "over group_rate" in finding.summary
    assert finding.evidence["log_loss of same minus group_rate high"] > 0


def test_one_that_gains_is_until_more_is_asked_than_its_interval_holds(scored) -> None:
    part = only(scored, "zero_rule", "knowing")
    assert found(Worth(LogLoss(), 0.0), part).passed
    gain = -float(found(Worth(LogLoss(), 0.0), part).evidence["log_loss of knowing minus zero_rule high"])
    assert found(Worth(LogLoss(), gain), part).passed
    asked = found(Worth(LogLoss(), gain * 1.001), part)
    assert not asked.passed
    assert f"at least {gain * 1.001:g} is asked" in asked.summary


def test_a_metric_that_is_better_higher_is_gained_upwards(scored) -> None:
    part = only(scored, "zero_rule", "knowing")
    assert found(Worth(RocAuc(), 0.1), part).passed
    assert not found(Worth(RocAuc(), 0.45), part).passed


def test_what_is_saved_must_be_above_the_price(scored) -> None:
    part = only(scored, "zero_rule", "knowing")
    cheap = found(Worth(LogLoss(), 0.0, COSTS, price=0.01), part)
    assert cheap.passed
    saved = -float(cheap.evidence["expected_cost of knowing minus zero_rule high"])
    dear = found(Worth(LogLoss(), 0.0, COSTS, price=saved + 0.01), part)
    assert not dear.passed
    assert "USD in expected_cost over zero_rule" in dear.summary
    assert "log_loss" not in dear.summary


def test_one_good_model_is_enough(scored) -> None:
    finding = found(Worth(LogLoss(), 0.0), only(scored, "zero_rule", "same", "knowing"))
    assert finding.passed
    worse = Scored(
        scored.split, "0", scored.at, scored.label, {"zero_rule": scored.scores["zero_rule"], "knowing":
        scored.scores["knowing"], "wrong": 1 - scored.scores["knowing"]}, scored.hashes,
    )  # fmt: skip
    told = found(Worth(LogLoss(), 0.0), worse)
    assert told.passed
    assert told.summary.startswith("knowing: gains more")


def test_too_few_rows_speak_against_no_model(scored) -> None:
    finding = found(Worth(LogLoss(), 0.0), only(scored, "zero_rule", "same"), support=Support(1_000_000))
    assert finding.passed
    assert "insufficient data" in finding.summary
    one_day = scored.unseen_since(np.datetime64("2013-10-10", "us").astype(object))
    assert "insufficient data" in found(Worth(LogLoss(), 0.0), one_day).summary


@pytest.mark.parametrize(
    ("worth", "words"),
    [
        (Worth(LogLoss(), -1), "least_gain is -1"),
        (Worth(LogLoss(), 0.0, price=1), "no costs to hold it against"),
        (Worth("auc", 0.0), "metric is 'auc'"),
        (Worth(LogLoss(), 0.0, CostMatrix(1, 0)), "acting must cost less"),
        (Worth(LogLoss(), 0.0, COSTS, price=np.inf), "price is inf"),
    ],
)
def test_mistakes_are_told(scored, worth, words: str) -> None:
    assert len(worth.mistakes()) == 1
    with pytest.raises(DeclarationError, match=words):
        found(worth, scored)


def test_without_a_rule_or_a_model_there_is_nothing_to_compare(scored) -> None:
    for names in (("zero_rule", "group_rate"), ("knowing",)):
        with pytest.raises(ValueError, match="at least one model and one baseline"):
            found(Worth(LogLoss(), 0.0), only(scored, *names))
