"""A refit on recent rows gains where labels follow otherwise than they did, and not where they follow as before."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LogisticRegression
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import RocAuc
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.production_monitoring.refit_comparison import RefitComparison, compare_refit
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

START = np.datetime64("2013-03-01", "us")
DAY = np.timedelta64(1, "D")
HELD_FROM = START + 28 * DAY


def recent(*, turned: float, n: int = 8_000, seed: int = 0) -> ScoredRows:
    """Six weeks of rows; the champion knows the weight of ``x`` as 1, which is now turned to another."""
    random = np.random.default_rng(seed)
    x, z = random.normal(size=(2, n))
    at = START + np.sort(random.integers(0, 42 * 86_400, n)).astype("timedelta64[s]").astype("timedelta64[us]")
    label = (random.random(n) < logistic(turned * x + 0.5 * z - 1)).astype(np.float64)
    features = pa.table({"x": pa.array(x, pa.float32()), "z": pa.array(z, pa.float32())})
    return ScoredRows(at, features, logistic(x + 0.5 * z - 1), label)


def test_a_refit_gains_where_labels_follow_otherwise() -> None:
    rows = recent(turned=-0.5)
    found = compare_refit(rows, LogisticRegression(), known_at=rows.at + DAY, held_from=HELD_FROM, seed=0)
    assert found.gains
    assert found.difference.value < -0.1
    by_rank = compare_refit(
        rows, LogisticRegression(), known_at=rows.at + DAY, held_from=HELD_FROM, seed=0, metric=RocAuc()
    )
    assert by_rank.gains
    assert by_rank.difference.value > 0.1


def test_a_refit_does_not_gain_where_labels_follow_as_before() -> None:
    gains = []
    for seed in range(8):
        rows = recent(turned=1.0, seed=seed)
        gains.append(compare_refit(rows, LogisticRegression(), known_at=rows.at, held_from=HELD_FROM, seed=0).gains)
    assert not any(gains)


@dataclass
class Watching:
    """A learner that keeps what it saw, and foretells one share or fails."""

    seen: list[np.ndarray] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    fails: bool = False

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> "Watching":
        if self.fails:
            raise FitError("no rows of mine")
        self.seen += [train.at, validation.at]
        self.seeds.append(seed)
        return self

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        return np.full(len(rows), 0.3)


def test_it_learns_from_labels_known_by_then_alone_and_watches_the_last() -> None:
    rows, learner = recent(turned=1.0), Watching()
    found = compare_refit(rows, learner, known_at=rows.at + 3 * DAY, held_from=HELD_FROM, seed=0)
    train, validation = learner.seen
    assert train.max() <= validation.min()
    assert HELD_FROM - 4 * DAY < validation.max() < HELD_FROM - 3 * DAY
    assert len(validation) == pytest.approx(0.2 * found.learned_from, abs=1)
    assert found.learned_from == len(train) + len(validation)
    assert found.held_out == (rows.at >= HELD_FROM).sum()


def test_rows_in_any_order_are_learned_from_in_that_of_time_by_the_seed() -> None:
    rows, learner = recent(turned=1.0), Watching()
    mixed = rows.take(np.random.default_rng(0).permutation(len(rows)))
    for one in (rows, mixed):
        compare_refit(one, learner, known_at=one.at, held_from=HELD_FROM, seed=7)
    assert all(np.array_equal(*pair) for pair in zip(learner.seen[:2], learner.seen[2:], strict=True))
    assert learner.seeds == [7, 7]


def test_the_moment_from_which_rows_are_held_out_is_held_out() -> None:
    rows = recent(turned=1.0)
    first = rows.at[rows.at >= HELD_FROM].min()
    found = compare_refit(rows, Watching(), known_at=rows.at, held_from=first, seed=0)
    assert (found.held_out, found.learned_from) == ((rows.at >= first).sum(), (rows.at < first).sum())


def test_a_gain_is_one_that_its_interval_leaves_no_doubt_of() -> None:
    doubtful, sure = (Estimate(-0.01, -0.02, high, 900, 200, 14, error=0.005) for high in (0.001, -0.001))
    assert [RefitComparison(one, 100, 900).gains for one in (doubtful, sure)] == [False, True]
    risen = [replace(one, value=0.01, low=-one.high, high=0.02) for one in (doubtful, sure)]
    assert [RefitComparison(one, 100, 900, higher_is_better=True).gains for one in risen] == [False, True]
    assert not RefitComparison(replace(sure, sufficient=False), 100, 900).gains


def test_the_difference_is_paired() -> None:
    rows = recent(turned=1.0)
    same = replace(rows, score=np.full(len(rows), 0.3) + np.arange(len(rows)) * 1e-12)
    found = compare_refit(same, Watching(), known_at=rows.at, held_from=HELD_FROM, seed=0)
    assert abs(found.difference.value) < 1e-6
    assert found.difference.error < 1e-6
    assert not found.gains or found.difference.high > -1e-6


def test_what_cannot_be_compared_says_why() -> None:
    rows = recent(turned=1.0, n=2_000)
    unknown = replace(rows, label=np.where(rows.at < HELD_FROM, rows.label, np.nan))
    one_class = replace(rows, label=np.where(rows.at < HELD_FROM, 0.0, rows.label))
    for odd, reason in ((unknown, "0 labelled rows held out"), (one_class, "labelled rows to learn from, 0 of them")):
        found = compare_refit(odd, Watching(), known_at=odd.at, held_from=HELD_FROM, seed=0)
        assert reason in found.reason
        assert not found.gains
    failed = compare_refit(rows, Watching(fails=True), known_at=rows.at, held_from=HELD_FROM, seed=0)
    assert failed.reason == "the refit failed: no rows of mine"
    two_days = compare_refit(rows, Watching(), known_at=rows.at, held_from=rows.at.max() - 3 * DAY, seed=0)
    assert not two_days.difference.sufficient
    assert two_days.reason
    never = np.full(2_000, np.datetime64("NaT"), dtype="datetime64[us]")
    assert "to learn from" in compare_refit(rows, Watching(), known_at=never, held_from=HELD_FROM, seed=0).reason
    with pytest.raises(ValueError, match="times"):
        compare_refit(rows, Watching(), known_at=rows.at[1:], held_from=HELD_FROM, seed=0)
