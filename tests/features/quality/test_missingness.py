"""Gaps of each kind are told for what they are, with what is known of them on the side."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from mlsys_assets.features.quality.explained import FOLDS, RIDGE, aucs, explain_missing
from mlsys_assets.features.quality.missingness import Mechanism, missingness
from mlsys_assets.features.quality.observed import Observed
from mlsys_assets.features.quality.shifts import _around
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import Severity


def late(days, *, by=0.0) -> np.ndarray:
    return (days.random.random(days.n) < np.clip(0.3 + 0.15 * np.tanh(days.x) + by, 0, 1)).astype(float)


def gapped(values: np.ndarray, gap: np.ndarray) -> np.ndarray:
    return np.where(gap, np.nan, values)


def test_missing_completely_at_random_is_not_refuted(view_of, days_of) -> None:
    """Of 60 tables with nine such columns each, no more are accused than the level allows."""
    accused = hinted = 0
    for seed in range(60):
        days = days_of(seed, days=40, each=24)
        gaps = {f"y{k}": gapped(days.own, days.random.random(days.n) < 0.2) for k in range(8)}
        by_day = gapped(days.slow, (days.random.random(days.days) < 0.5)[days.day])
        found = missingness(view_of(days.columns(z=by_day, **gaps), label=late(days), days=40), seed=0)
        accused += any(one.mechanism is Mechanism.NOT_MCAR for one in found.columns)
        hinted += any(one.hints for one in found.columns)
    assert accused <= stats.binom(60, 0.05).ppf(0.99)
    assert hinted <= stats.binom(60, 0.05).ppf(0.99)


def test_what_observed_columns_explain_is_not_suspect(view_of, days_of) -> None:
    days = days_of(1, days=120)
    gap = days.random.random(days.n) < 0.25 + 0.2 * np.tanh(days.x)
    found = missingness(view_of(days.columns(y=gapped(days.slow, gap)), label=late(days), days=120), seed=0)
    one = found.of("y")
    assert one.mechanism is Mechanism.NOT_MCAR
    assert one.p_value < 0.001
    assert one.differs[0][0] == "x"
    assert 0.6 < one.auc < 0.85
    assert one.label_difference.low > 0  # where it is missing, more are late
    assert abs(one.label_beyond.value) < 0.05  # which the observed columns explain
    assert not one.hints
    assert found.finding.passed
    assert "MAR is possible" in str(one)


def test_what_is_missing_for_its_own_value_is_suspect(view_of, days_of) -> None:
    days = days_of(2, days=120)
    gap = days.random.random(days.n) < 0.3 + 0.28 * np.tanh(2 * days.slow)
    found = missingness(view_of(days.columns(y=gapped(days.slow, gap)), label=late(days), days=120), seed=0)
    (hint,) = found.of("y").hints
    assert "values before and after differ" in hint
    assert not found.finding.passed
    assert found.finding.severity is Severity.WARN
    assert found.finding.evidence["mnar_suspect"] == "y"
    assert "MNAR cannot be told from data; it is suspect" in found.finding.summary


def test_what_is_missing_for_the_outcome_is_suspect(view_of, days_of) -> None:
    days = days_of(3, days=120)
    label = late(days)
    gap = days.random.random(days.n) < np.where(label > 0, 0.5, 0.2)
    found = missingness(
        view_of(days.columns(y=gapped(days.random.normal(size=days.n), gap)), label=label, days=120), seed=0
    )
    (hint,) = found.of("y").hints
    assert "the label still differs" in hint
    rates = found.of("y").label
    assert rates == (pytest.approx(label[gap].mean()), pytest.approx(label[~gap].mean()))


def test_what_is_left_given_the_observed_is_what_was_put_in(view_of, days_of) -> None:
    """Label = 0.3 + 0.2 where missing + 0.5 x; x makes values missing, so that the plain difference is too large."""
    covered, values, errors = 0, list[float](), list[float]()
    for seed in range(30):
        days = days_of(seed)
        gap = days.random.random(days.n) < 0.3 + 0.2 * np.clip(days.x / 3, -1, 1)
        label = 0.3 + 0.2 * gap + 0.5 * days.x + days.random.normal(scale=0.5, size=days.n)
        one = missingness(view_of(days.columns(y=gapped(days.own, gap)), label=label), seed=0).of("y")
        covered += one.label_beyond.low <= 0.2 <= one.label_beyond.high
        values.append(one.label_beyond.value)
        assert one.label_difference.value > 0.3
        errors.append(one.label_beyond.error)
    # Of the label only its own noise is left, of the gap what x does not tell (Robinson 1988).
    assert np.mean(errors) == pytest.approx(0.5 / np.sqrt(days.n * 0.3 * 0.7 * 0.95), rel=0.15)
    assert np.mean(values) == pytest.approx(0.2, abs=0.02)
    assert covered >= stats.binom(30, 0.95).ppf(0.001)


def test_the_explanation_is_scikit_learns_ridge_on_the_other_days(view_of, days_of) -> None:
    days = days_of(5)
    gap = days.random.random(days.n) < 0.2 + 0.1 * np.tanh(days.x)
    columns = days.columns(y=gapped(days.slow, gap), twin=gapped(days.own, gap | (days.own > 2.5)))
    observed = Observed.of(view_of(columns))
    ours = explain_missing(observed)
    j = observed.alike.index(("y",))
    tells = [k for k, name in enumerate(observed.source) if name not in ("y", "twin")]  # what y's gaps would give away
    fold = observed.block % FOLDS
    areas, pairs = [], []
    for k in range(FOLDS):
        others, mine = fold != k, fold == k
        ridge = Ridge(alpha=RIDGE * others.sum()).fit(
            observed.values[np.ix_(others, tells)], observed.missing[others, j]
        )
        expected = ridge.predict(observed.values[np.ix_(mine, tells)])
        np.testing.assert_allclose(ours[mine, j], expected, atol=1e-9)
        areas.append(roc_auc_score(observed.missing[mine, j], expected))
        pairs.append(observed.missing[mine, j].sum() * (~observed.missing[mine, j]).sum())
    assert aucs(observed, ours)[j] == pytest.approx(np.average(areas, weights=pairs))


def test_the_difference_and_its_error_are_those_of_days(view_of, days_of) -> None:
    days = days_of(7)
    gap, label = days.random.random(days.n) < 0.3, late(days)
    one = missingness(view_of(days.columns(y=gapped(days.own, gap)), label=label), seed=0).of("y")
    found = one.label_difference
    assert found.value == pytest.approx(label[gap].mean() - label[~gap].mean())
    # The delta method with sums by day (Liang & Zeger 1986).
    influence = np.where(gap, (label - label[gap].mean()) / gap.sum(), -(label - label[~gap].mean()) / (~gap).sum())
    error = np.sqrt((np.bincount(days.day, weights=influence) ** 2).sum())
    assert found.error == pytest.approx(error, rel=0.1)
    assert found.blocks == days.days


def test_the_values_around_a_row_are_those_before_and_after_it() -> None:
    random = np.random.default_rng(0)
    values, missing = random.normal(size=80), random.random(80) < 0.4
    for i, found in enumerate(_around(values, missing)):
        before = [values[k] for k in range(i) if not missing[k]][-1:]
        after = [values[k] for k in range(i + 1, 80) if not missing[k]][:1]
        assert found == pytest.approx(np.mean(before + after))
    assert _around(np.ones(3), np.ones(3, dtype=bool)).tolist() == [0.0, 0.0, 0.0]


def test_where_the_observed_columns_tell_all_nothing_is_suspect(view_of, days_of) -> None:
    """Rows with and without a value are never alike: what the label does elsewhere cannot be told from the gap."""
    days = days_of(8, days=120)
    gap = days.x > 1.5
    label = (days.random.random(days.n) < np.where(gap, 0.7, 0.2)).astype(float)
    one = missingness(view_of(days.columns(y=gapped(days.own, gap)), label=label, days=120), seed=0).of("y")
    assert one.auc > 0.99
    assert one.mechanism is Mechanism.NOT_MCAR
    assert one.label_beyond.low > 0.1  # what a straight line leaves
    assert not one.hints


def test_values_around_that_observed_columns_explain_are_no_hint(view_of, days_of) -> None:
    days = days_of(2, days=120)
    gap = days.random.random(days.n) < 0.3 + 0.28 * np.tanh(2 * days.slow)
    y = gapped(days.slow + 0.1 * days.own, gap)
    alone = missingness(view_of(days.columns(y=y), label=late(days), days=120), seed=0).of("y")
    beside = missingness(view_of(days.columns(y=y, twin=days.slow), label=late(days), days=120), seed=0).of("y")
    assert alone.hints
    assert not beside.hints
    assert abs(beside.neighbours.value) < 0.1
    assert alone.neighbours.value > 0.5


def test_columns_missing_in_the_same_rows_are_one_and_the_order_of_rows_is_none(view_of, days_of) -> None:
    days = days_of(9)
    gap, more = days.random.random(days.n) < 0.1, days.random.random(days.n) < 0.4
    columns = days.columns(y=gapped(days.own, gap), z=gapped(days.slow, gap), w=gapped(days.slow, more))
    view = view_of(columns, label=late(days))
    found = missingness(view, seed=0)
    assert [one.columns for one in found.columns] == [("w",), ("y", "z")]
    shuffled = view.take(np.random.default_rng(0).permutation(len(view)))
    again = missingness(shuffled, seed=0)
    assert [one.p_value for one in again.columns] == pytest.approx([one.p_value for one in found.columns])
    assert again.of("z").label_difference.value == pytest.approx(found.of("y").label_difference.value)
    with pytest.raises(KeyError, match="'own' has no missing values"):
        found.of("own")


def test_too_few_missing_rows_are_told(view_of, days_of) -> None:
    days = days_of(10)
    found = missingness(view_of(days.columns(y=gapped(days.own, np.arange(days.n) < 3)), label=late(days)), seed=0)
    one = found.of("y")
    assert one.mechanism is Mechanism.UNTOLD
    assert "insufficient data" in str(one)
    assert not one.label_difference.sufficient
    assert found.finding.passed


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_handful_of_rows_and_columns_without_values_are_no_crash(view_of, n) -> None:
    columns = {
        "a": np.arange(n) * 1.0,
        "b": np.full(n, np.nan),
        "c": [None] * n,
        "d": np.where(np.arange(n) > 0, 1, np.nan),
    }
    found = missingness(view_of(columns, days=1), seed=0)
    assert all(one.mechanism is Mechanism.UNTOLD for one in found.columns)
    assert "b" not in [name for one in found.columns for name in one.columns]
    assert found.finding.passed


def test_infinite_numbers_do_not_spoil_the_others(view_of, days_of) -> None:
    days = days_of(11)
    gap = days.random.random(days.n) < 0.25 + 0.2 * np.tanh(days.x)
    endless = np.where(np.arange(days.n) % 50 == 0, np.inf, days.slow)
    found = missingness(view_of(days.columns(e=endless, y=gapped(days.own, gap)), label=late(days)), seed=0)
    assert found.of("y").mechanism is Mechanism.NOT_MCAR
    assert np.isfinite(found.of("y").auc)


def test_it_is_shown(view_of, days_of) -> None:
    days = days_of(12)
    gaps = {f"column {i}": gapped(days.own, days.random.random(days.n) < 0.3) for i in range(20)}
    found = missingness(view_of(days.columns(**gaps), label=late(days)), seed=0)
    assert len(found.thumbnail()) < LIMIT
    assert found.plot().startswith("<svg")
    assert "given the others" in found.plot()
    assert pa.Table.from_pylist(found.table()).num_rows == 20
