"""The reversals that textbooks tell are found; a mean over the same rows never reverses."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from mlsys_assets.measures.intervals import Support, bootstrap
from mlsys_assets.measures.metrics import Brier, LogLoss, RocAuc
from mlsys_assets.offline_evaluation.slicing.simpson import means_by_group, models_by_group

ADMITTED = {
    "A": ((512, 825), (89, 108)),
    "B": ((353, 560), (17, 25)),
    "C": ((120, 325), (202, 593)),
    "D": ((138, 417), (131, 375)),
    "E": ((53, 191), (94, 393)),
    "F": ((22, 373), (24, 341)),
}
"""Berkeley's six largest departments in 1973, men and women: admitted, applied (Bickel, Hammel and O'Connell 1975)."""
STONES = {"small": ((81, 87), (234, 270)), "large": ((192, 263), (55, 80))}
"""Kidney stones removed by open surgery and by nephrolithotomy: successes, patients (Charig et al. 1986)."""
FEW = Support(least_of_each_class=20)


def rows_of(table) -> tuple[np.ndarray, np.ndarray, list[tuple[str, np.ndarray]]]:
    values, first, group = [], [], []
    for name, sides in table.items():
        for is_first, (hits, n) in zip((True, False), sides, strict=True):
            values += [1.0] * hits + [0.0] * (n - hits)
            first += [is_first] * n
            group += [name] * n
    named = np.array(group)
    return np.array(values), np.array(first), [(name, named == name) for name in table]


def apart(table, *, support: Support = FEW):
    values, first, groups = rows_of(table)
    return means_by_group(values, first, groups, weights=bootstrap(np.arange(len(values)), seed=0), support=support)


def test_berkeley_admitted_more_men_and_its_departments_more_women() -> None:
    found = apart(ADMITTED)
    assert found.whole.value == pytest.approx(0.445 - 0.304, abs=1e-3)
    assert found.adjusted.value == pytest.approx(0.39 - 0.43, abs=5e-3)  # Freedman, Pisani and Purves, ch. 2
    assert found.whole.low > 0 > found.adjusted.high
    assert sum(e.value < 0 for e in found.groups.values()) == 4
    assert found.is_reversed
    finding = found.finding(what="admission rate of men minus women", by="department")
    assert not finding.passed
    assert "decide by department" in finding.summary
    assert finding.evidence["department=A"] == pytest.approx(512 / 825 - 89 / 108)


def test_a_treatment_that_is_better_for_every_patient_looks_worse() -> None:
    found = apart(STONES)
    assert found.whole.value < 0 < min(e.value for e in found.groups.values())
    assert found.adjusted.value == pytest.approx(0.0536, abs=1e-3)  # Pearl 2009: 0.8325 minus 0.7788
    assert not found.is_reversed  # on 700 patients the whole is not sure
    assert apart({k: tuple((8 * h, 8 * n) for h, n in v) for k, v in STONES.items()}).is_reversed


def test_groups_that_may_go_either_way_reverse_nothing() -> None:
    """The whole is surely above 0; within the groups 1 in 100 fewer is well within chance."""
    found = apart({"x": ((360, 400), (91, 100)), "y": ((10, 100), (44, 400))})
    assert found.whole.low > 0
    assert found.adjusted.value < 0 < found.adjusted.high
    assert not found.is_reversed
    assert found.finding().passed
    assert "not told apart" in found.finding().summary


def test_the_interval_of_a_difference_is_that_of_two_independent_rates() -> None:
    found = apart({"all": ((300, 600), (200, 600))}).whole
    spread = np.sqrt(0.25 / 600 + (1 / 3) * (2 / 3) / 600)
    assert [found.low, found.high] == pytest.approx(stats.norm(1 / 6, spread).interval(0.95), abs=0.01)


def test_groups_that_agree_with_the_whole_pass() -> None:
    found = apart({"x": ((300, 600), (200, 600)), "y": ((60, 100), (40, 100))})
    assert not found.is_reversed
    assert found.finding().passed
    assert found.adjusted.value == pytest.approx(found.whole.value, abs=0.01)


def test_groups_without_support_are_left_out_and_too_many_of_them_are_insufficient_data() -> None:
    found = apart(ADMITTED, support=Support(least_of_each_class=30))
    assert not found.groups["B"].sufficient
    assert found.covered == pytest.approx(1 - 585 / 4526)
    assert found.finding().evidence["group=B"] is None
    few = apart({"a": ((5, 10), (5, 10)), "b": ((30, 60), (5, 10)), "c": ((30, 60), (30, 60))}, support=FEW)
    assert few.covered == pytest.approx(120 / 210)
    none = apart({"a": ((5, 10), (5, 10)), "b": ((30, 60), (5, 10))}, support=FEW)
    assert none.covered == 0
    assert none.finding().passed
    assert none.finding().summary.startswith("insufficient data: groups with support hold 0% of the rows")


def two_models(n: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, groups, and the scores of a model that tells groups apart and of one that tells rows apart."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, size=n)
    inside = rng.normal(size=n)
    label = (rng.random(n) < 1 / (1 + np.exp(-(3.0 * (group - 0.5) + 1.0 * inside)))).astype(float)
    by_group = 1 / (1 + np.exp(-(3 * (group - 0.5) + 0.01 * rng.normal(size=n))))
    by_row = 1 / (1 + np.exp(-inside))
    return label, group, by_group, by_row


def test_an_auc_that_comes_from_the_groups_alone_is_found() -> None:
    label, group, by_group, by_row = two_models()
    weights = bootstrap(np.arange(len(label)) // 100, seed=0)
    masks = [("0", group == 0), ("1", group == 1)]
    found = models_by_group(RocAuc(), label, (by_group, by_row), masks, weights=weights)
    assert found.whole.low > 0
    assert found.adjusted.high < 0
    assert found.surely_reversed == 1.0
    assert not found.finding(what="AUC", by="origin").passed
    again = models_by_group(LogLoss(), label, (by_group, by_row), masks, weights=weights)
    assert again.whole.value == pytest.approx(again.adjusted.value)
    assert (again.whole.low, again.whole.high) == pytest.approx((again.adjusted.low, again.adjusted.high), rel=0.05)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), groups=st.integers(1, 5))
def test_a_mean_over_the_same_rows_is_the_mean_of_its_groups(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    label, group = (rng.random(n) < 0.4).astype(float), rng.binomial(groups - 1, 0.3, size=n)
    scores = (rng.uniform(0.1, 0.9, size=n), rng.uniform(0.1, 0.9, size=n))
    masks = [(str(g), group == g) for g in np.unique(group)]
    weights = bootstrap(np.arange(n) // 20, seed=0, draws=50)
    found = models_by_group(Brier(), label, scores, masks, weights=weights, support=Support(1, 1))
    known = [e for e in found.groups.values() if e.sufficient]
    assert found.covered == sum(e.rows for e in known) / n
    if found.covered == 1.0:
        assert found.adjusted.value == pytest.approx(found.whole.value)
        assert found.adjusted.error == pytest.approx(found.whole.error)
        assert [found.adjusted.low, found.adjusted.high] == pytest.approx([found.whole.low, found.whole.high])


def test_worse_in_most_groups_and_better_in_one_is_found_in_a_mean_too() -> None:
    rng = np.random.default_rng(1)
    n = 6_000
    group = rng.integers(0, 4, size=n)
    label = (rng.random(n) < 0.4).astype(float)
    good = np.where(label > 0, 0.7, 0.3)
    first = np.where(group == 0, np.where(label > 0, 0.9, 0.1), 0.45)
    second = np.where(group == 0, 0.5 - 0.45 * (label - 0.5), 0.5 + 0.1 * (good - 0.5))
    masks = [(str(g), group == g) for g in range(4)]
    weights = bootstrap(np.arange(n) // 200, seed=0)
    found = models_by_group(Brier(), label, (first, second), masks, weights=weights)
    assert found.whole.high < 0
    assert found.surely_reversed > 0.7
    assert not found.finding().passed


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="3 values, 2 rows dealt to the two and 3 weights"):
        means_by_group(np.zeros(3), np.zeros(2, dtype=bool), [], weights=bootstrap(np.arange(3), seed=0))
    label, weights = np.array([0.0, 1.0, 1.0]), bootstrap(np.arange(3), seed=0)
    with pytest.raises(ValueError, match="by group: 2 scores for 3 labels"):
        models_by_group(Brier(), label, (label, label[:2]), [], weights=weights)
    with pytest.raises(ValueError, match="by group: 1 labels or scores are not finite"):
        models_by_group(Brier(), label, (np.array([0.1, np.nan, 0.3]), label), [], weights=weights)
    empty = means_by_group(np.zeros(0), np.zeros(0, dtype=bool), [], weights=bootstrap(np.zeros(0, int), seed=0))
    assert empty.finding().passed
    assert not empty.sufficient
