"""Two sets of rows are told apart where they differ, and not where they do not."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.features.leakage.told_apart import (
    SAMPLED,
    adversarial_validation,
    column_aucs,
)
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-06-01", "2013-08-01")
TREES = LightGBM(rounds=15, leaves=8)


def rows(seed: int, *, days=range(20), shift: float = 0.0, n: int = 1_500, weather: float = 0.0) -> Validation:
    """Rows of some days, moved by ``shift``; each day has its own ``weather``, the same in all sets."""
    random = np.random.default_rng(seed)
    day = random.choice(list(days), size=n)
    x = random.normal(size=n) + shift
    own = np.random.default_rng(0).normal(size=100)[day] * weather + random.normal(size=n) * 0.01
    table = pa.table(
        {
            "x": x.astype(np.float32),
            "own": own.astype(np.float32),
            "text": pa.array(random.choice(["a", "b"], n).tolist(), pa.string()),
        }
    )
    at = np.datetime64("2013-06-01", "us") + day * np.timedelta64(1, "D")
    label = (random.random(n) < 0.3).astype(float)
    return Validation(pa.array([f"{seed}-{i}" for i in range(n)]), at, table, label, WINDOW)


@pytest.mark.parametrize("candidate", [TREES, LogisticRegression()], ids=lambda c: c.name)
def test_rows_of_one_distribution_are_not_told_apart(candidate):
    found = adversarial_validation((rows(1), rows(2)), candidate, seed=0)
    assert found.auc.value == pytest.approx(0.5, abs=0.04)
    assert found.auc.low < 0.5 < found.auc.high
    assert found.finding.passed
    assert all(auc < 0.53 for _, auc in found.columns)


@pytest.mark.parametrize("candidate", [TREES, LogisticRegression()], ids=lambda c: c.name)
def test_rows_that_are_moved_are_and_by_which_column(candidate):
    """By a shift of 2 standard deviations: an AUC of Φ(2 / √2) = 0.921."""
    found = adversarial_validation((rows(1), rows(2, shift=2.0)), candidate, seed=0)
    assert found.auc.value == pytest.approx(0.921, abs=0.02)
    assert not found.finding.passed
    assert found.columns[0] == ("x", pytest.approx(0.921, abs=0.02))
    assert "most by x (0.9" in found.finding.summary


def test_whole_days_in_a_fold_do_not_betray_each_other():
    """Of the same distribution, but of other days: by rows, a row is told by its day's weather; by days it is not."""
    sets = rows(1, days=range(0, 40, 2), weather=5.0), rows(2, days=range(1, 40, 2), weather=5.0)
    by_rows, by_days = (adversarial_validation(sets, TREES, seed=0, folds_of=unit) for unit in ("rows", "days"))
    assert by_rows.auc.value > 0.95
    assert by_days.auc.value < 0.7
    assert by_days.finding.passed


@pytest.mark.parametrize("seed", range(4))
def test_every_fold_gets_days_of_both_sets_where_they_have_as_many(seed):
    sets = rows(1, days=range(4)), rows(2, days=range(4, 8), shift=2.0)
    assert adversarial_validation(sets, LogisticRegression(), seed=seed).auc.value > 0.85


def test_labels_are_not_read():
    first, second = rows(1), rows(2, shift=0.5)
    expected = adversarial_validation((first, second), TREES, seed=0)
    blind = [replace(s, label=np.full(len(s), np.nan)) for s in (first, second)]
    assert adversarial_validation((blind[0], blind[1]), TREES, seed=0) == expected


@dataclass(frozen=True)
class Spy:
    """Fits a candidate, and writes down what it was given."""

    seen: list

    @property
    def name(self):
        return "spy"

    def fit(self, train, validation, *, seed, threads):
        self.seen.append((train, validation, []))
        fitted = LogisticRegression().fit(train, validation, seed=seed, threads=threads)
        return _Watched(fitted, self.seen[-1][2])


@dataclass(frozen=True)
class _Watched:
    fitted: object
    scored: list

    def predict(self, rows, *, threads):
        self.scored.append(rows)
        return self.fitted.predict(rows, threads=threads)


@pytest.mark.parametrize("unit", ["days", "rows"])
def test_no_row_is_scored_by_what_was_fitted_on_it(unit):
    spy = Spy([])
    sets = rows(1), rows(2)
    adversarial_validation(sets, spy, seed=0, folds_of=unit)
    everything = pa.concat_tables([s.features for s in sets])["x"].to_pylist()
    scored = []
    for train, validation, (table,) in spy.seen:
        assert (type(train), type(validation)) == (Train, Validation)
        parts = [set(t["x"].to_pylist()) for t in (train.features, validation.features, table)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(everything)
        assert train.label.mean() == pytest.approx(0.5, abs=0.1)  # the set, not the rows' own label of 0.3
        scored += table["x"].to_pylist()
        if unit == "days":
            assert not set(train.at.tolist()) & set(validation.at.tolist())
    assert sorted(scored) == sorted(everything)


def test_many_rows_are_sampled_and_the_same_again():
    sets = rows(1, n=5_000), rows(2, n=2_500)
    spy = Spy([])
    first = adversarial_validation(sets, spy, seed=3)
    assert first.auc.rows == 2 * SAMPLED
    assert first == adversarial_validation(sets, Spy([]), seed=3)
    assert first != adversarial_validation(sets, Spy([]), seed=4)


def test_what_cannot_be_told_is_insufficient():
    for few in (rows(2, n=3), rows(2, n=0)):
        found = adversarial_validation((rows(1), few), TREES, seed=0)
        assert not found.auc.sufficient
        assert found.finding.passed
        assert found.finding.summary.startswith("insufficient data")


def test_other_columns_are_refused():
    narrow = rows(2)
    narrow = replace(narrow, features=narrow.features.drop_columns(["own"]))
    with pytest.raises(ValueError, match=r"need the same columns in the same order; these differ:.*own"):
        adversarial_validation((rows(1), narrow), TREES, seed=0)


def test_a_columns_auc_is_scikit_learns():
    random = np.random.default_rng(1)
    member = (random.random(800) < 0.4).astype(float)
    table = pa.table({
        "up": pa.array(random.normal(size=800) + member),
        "down": pa.array(random.normal(size=800) - member),
        "ties": pa.array(np.round(random.normal(size=800) + member)),
        "gaps": pa.array(random.normal(size=800), mask=(random.random(800) < 0.3) & (member > 0)),
        "flag": pa.array(member > random.random(800)),
        "constant": pa.array(np.ones(800)),
    })  # fmt: skip
    found = column_aucs(table, member)
    assert list(found) == table.schema.names
    for name in table.schema.names:
        numbers = [-1e9 if v is None else float(v) for v in table[name].to_pylist()]
        area = roc_auc_score(member, numbers)
        assert found[name] == pytest.approx(max(area, 1 - area), abs=1e-12)


def test_a_category_tells_only_what_it_tells_of_rows_not_seen():
    random = np.random.default_rng(2)
    member = (random.random(4_000) < 0.5).astype(float)
    many = [f"v{k}" for k in random.integers(0, 1_000, size=4_000)]
    own = ["a" if m else None for m in member]
    mixed = ["a" if m > r else "b" for m, r in zip(member, random.random(4_000), strict=True)]
    found = column_aucs(pa.table({"many": many, "own": own, "mixed": mixed}), member)
    assert found["many"] < 0.53
    assert found["own"] == 1.0
    shares = np.array([v == "a" for v in mixed], dtype=float)
    assert found["mixed"] == pytest.approx(roc_auc_score(member, shares), abs=0.01)


def test_of_a_single_set_a_column_tells_nothing():
    table = rows(1).features
    assert column_aucs(table, np.ones(len(table))) == {"x": 0.5, "own": 0.5, "text": 0.5}
    assert isinstance(rows(1), View)
