"""What another policy would achieve, told from a log: within the interval of the truth, which the log's mean is not."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.production_monitoring.feedback.exploration import Beliefs, EpsilonGreedy, Greedy, draw
from mlsys_assets.production_monitoring.feedback.propensity import LoggedRows, OutcomeModel, PolicyValue, policy_value

ITEMS, SHOWN, DAYS, SEEDS = 20, 4, 90, 300
RATE = np.linspace(0.1, 0.7, ITEMS)
ERROR = np.zeros(ITEMS)
RNG = np.random.default_rng(0)
LOGGING = EpsilonGreedy(0.5).inclusion(Beliefs(RATE[::-1], ERROR), SHOWN, RNG)
"""The list that was shown believed the wrong way round, and explored half of its places."""
TARGET = 0.5 * Greedy().inclusion(Beliefs(RATE, ERROR), SHOWN, RNG) + 0.5 * SHOWN / ITEMS
TRUTH = float(TARGET @ RATE / SHOWN)
MODEL = RATE**2
"""What a model expects: wrong of every item."""


def logged(seed: int, *, days: int = DAYS) -> tuple[LoggedRows, np.ndarray]:
    """Return the rows of a simulated log, and the item of each."""
    rng = np.random.default_rng(seed)
    item = np.concatenate([draw(LOGGING, rng) for _ in range(days)])
    outcome = (rng.random(len(item)) < RATE[item]).astype(float)
    return LoggedRows(outcome, LOGGING[item], np.repeat(np.arange(days), SHOWN)), item


def told(seed: int, expected: np.ndarray = MODEL, **more: float) -> PolicyValue:
    rows, item = logged(seed)
    model = OutcomeModel(expected[item], np.full(len(item), TARGET @ expected / SHOWN))
    return policy_value(rows, TARGET[item], model=model, **more)


@pytest.fixture(scope="module")
def seeds() -> list[PolicyValue]:
    return [told(seed) for seed in range(SEEDS)]


@pytest.mark.parametrize("estimator", ["ips", "self_normalised", "doubly_robust"])
def test_intervals_hold_the_truth_in_93_to_97_of_100_seeds(seeds: list[PolicyValue], estimator: str) -> None:
    found = [getattr(one, estimator) for one in seeds]
    assert 0.93 <= np.mean([e.low <= TRUTH <= e.high for e in found]) <= 0.97
    values = np.array([e.value for e in found])
    assert values.mean() == pytest.approx(TRUTH, abs=3 * values.std() / np.sqrt(SEEDS))
    assert values.std() == pytest.approx(np.mean([e.error for e in found]), rel=0.1)


def test_the_mean_of_the_log_is_not_the_other_policys(seeds: list[PolicyValue]) -> None:
    assert all(one.naive.high < TRUTH for one in seeds)
    assert np.mean([one.naive.value for one in seeds]) == pytest.approx(LOGGING @ RATE / SHOWN, abs=0.005)


def test_a_right_model_narrows_and_a_wrong_one_does_not_mislead(seeds: list[PolicyValue]) -> None:
    right = [told(seed, RATE).doubly_robust for seed in range(100)]
    spread = np.std([e.value for e in right if e is not None])
    assert spread < 0.9 * np.std([one.ips.value for one in seeds])
    nonsense = [told(seed, 1 - RATE).doubly_robust for seed in range(100)]
    assert np.mean([e.value for e in nonsense if e is not None]) == pytest.approx(TRUTH, abs=0.02)


def test_estimators_equal_their_formulas_row_by_row() -> None:
    rows, item = logged(0)
    model = OutcomeModel(MODEL[item], np.full(len(item), TARGET @ MODEL / SHOWN))
    found = policy_value(rows, TARGET[item], model=model)
    w = [TARGET[i] / LOGGING[i] for i in item]
    n, r = len(item), rows.outcome
    assert found.ips.value == pytest.approx(sum(w[i] * r[i] for i in range(n)) / n)
    assert found.self_normalised.value == pytest.approx(sum(w[i] * r[i] for i in range(n)) / sum(w))
    robust = sum(TARGET @ MODEL / SHOWN + w[i] * (r[i] - MODEL[item[i]]) for i in range(n)) / n
    assert found.doubly_robust is not None
    assert found.doubly_robust.value == pytest.approx(robust)
    assert found.effective_rows == pytest.approx(sum(w) ** 2 / sum(x * x for x in w))
    assert found.mean_weight.low < 1 < found.mean_weight.high
    assert (found.clip, found.clipped) == (None, 0)
    own = policy_value(rows, LOGGING[item])
    assert own.ips.as_dict() == own.self_normalised.as_dict() == own.naive.as_dict()
    assert own.effective_rows == pytest.approx(n)


def test_clipping_is_declared_and_lowers() -> None:
    free, clipped = told(0), told(0, clip=2.0)
    assert clipped.clip == 2
    assert 0.1 < clipped.clipped < 0.9
    assert clipped.ips.value < free.ips.value
    assert clipped.ips.error < free.ips.error
    assert clipped.mean_weight == free.mean_weight
    assert told(0, clip=1e9).ips == free.ips


def test_days_whose_rows_go_together_make_wider_intervals() -> None:
    """The same rows, each eight times on its day: as wide as once, not narrower by √8."""
    rows, item = logged(0)
    again = LoggedRows(*(np.repeat(part, 8) for part in (rows.outcome, rows.propensity, rows.block)))
    once, more = policy_value(rows, TARGET[item]), policy_value(again, np.repeat(TARGET[item], 8))
    assert more.ips.error == pytest.approx(once.ips.error)


def test_what_no_propensity_was_logged_of_is_refused_with_its_reason() -> None:
    rows, item = logged(0)
    assert rows.propensity is not None
    broken = rows.propensity.copy()
    for propensity, words in (
        (None, "no propensities were logged"),
        (np.where(np.arange(len(item)) == 3, 0.0, broken), "1 of 360 propensities are not in (0, 1], such as 0;"),
        (np.where(item < 2, np.nan, broken), "such as nan"),
        (np.full(len(item), 1.5), "such as 1.5"),
        (broken * 0.5, "weights are"),
        (np.ones(len(item)), "weights are"),
    ):
        found = policy_value(replace(rows, propensity=propensity), TARGET[item])
        assert found.naive.sufficient
        for one in (found.ips, found.self_normalised):
            assert not one.sufficient
            assert np.isnan([one.value, one.low, one.high]).all()
            assert words in str(one)
        assert found.doubly_robust is None


def test_policies_that_hardly_agree_and_logs_too_short_are_insufficient() -> None:
    rows, item = logged(0)
    never = policy_value(rows, np.where(item == 19, 0.001, 0.0))
    assert "effective rows, 30 are needed" in str(never.ips)
    assert "0 effective rows" in str(policy_value(rows, np.zeros(len(item))).ips)
    short, items = logged(0, days=6)
    for found in (
        policy_value(short, TARGET[items]),
        policy_value(LoggedRows(np.empty(0), np.empty(0), np.empty(0, dtype=np.intp)), np.empty(0)),
        policy_value(replace(rows, outcome=np.ones(len(item))), TARGET[item]),
    ):
        assert not found.ips.sufficient
        assert not found.naive.sufficient


def test_what_does_not_fit_is_refused() -> None:
    rows, item = logged(0)
    for target, words in ((TARGET, "20 target probabilities for 360 rows"), (2 * np.ones(len(item)), r"in \[0, 1\]")):
        with pytest.raises(ValueError, match=words):
            policy_value(rows, target)
    with pytest.raises(ValueError, match=r"clip is 0\.5"):
        policy_value(rows, TARGET[item], clip=0.5)
    with pytest.raises(ValueError, match="the model expects 3 and 2 outcomes of 360 rows"):
        policy_value(rows, TARGET[item], model=OutcomeModel(np.zeros(3), np.zeros(2)))
    with pytest.raises(ValueError, match="of the same rows"):
        replace(rows, propensity=np.ones(3))
    with pytest.raises(ValueError, match="outcomes must be finite"):
        replace(rows, outcome=np.full(len(item), np.nan))
