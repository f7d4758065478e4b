"""Where residuals moved: the bin that was planted, and no bin by chance, however rare labels are."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom, t

from mlsys_assets.production_monitoring.shift_kind import regions
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.regions import Region, worst_region
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

from .simulated import START, STILL, moved


def worst(reference: ScoredRows, window: ScoredRows) -> Region | None:
    return worst_region(reference, window, (reference.score, window.score), Days.of(reference.at, window.at))


def flipped_where(rows: ScoredRows, chosen: np.ndarray) -> ScoredRows:
    return replace(rows, label=np.where(chosen, 1 - rows.label, rows.label))


def test_a_bin_of_a_number_is_named_with_what_it_holds() -> None:
    reference, window = STILL.rows(8_000, seed=1), STILL.rows(8_000, seed=2)
    top = window.features["x5"].to_numpy() > np.quantile(reference.features["x5"].to_numpy(), 7 / 8)
    window = flipped_where(window, top)
    found = worst(reference, window)
    assert found is not None
    assert (found.column, found.told[0]) == ("x5", ">")
    residual = (window.label - window.score)[top].mean() - 0.0
    assert found.residual == pytest.approx(residual, abs=0.06)
    assert found.rows == pytest.approx(top.sum(), rel=0.1)
    assert found.p < 1e-6
    assert 0.02 < found.gain < 0.3


def test_missing_values_and_rare_categories_are_bins_too() -> None:
    reference, window = (
        replace(
            rows, features=rows.features.append_column("gap", pa.array(np.where(rows.at.astype(int) % 5, 1.0, np.nan)))
        )
        for rows in (STILL.rows(8_000, seed=1), STILL.rows(8_000, seed=2))
    )
    gone = np.isnan(window.features["gap"].to_numpy())
    found = worst(reference, flipped_where(window, gone))
    assert found is not None
    assert (found.column, found.told, found.rows) == ("gap", "missing", gone.sum())
    others = np.isin(window.features["place"].to_pylist(), ["0", "1", "2"])
    names = {worst(reference, flipped_where(window, others)).told}  # type: ignore[union-attr]
    assert names <= {"0", "1", "2", "others"}


@pytest.mark.parametrize(("rare", "rows", "worlds"), [(1.0, 3_000, 60), (0.05, 12_000, 25)])
def test_no_bin_is_found_by_chance(rare: float, rows: int, worlds: int) -> None:
    smallest = []
    for seed in range(worlds):
        sides = []
        for side in (2 * seed, 2 * seed + 1):
            drawn = moved(columns=30).rows(rows, seed=side)
            score = drawn.score * rare
            label = (np.random.default_rng(1_000 + side).random(rows) < score).astype(np.float64)
            sides.append(replace(drawn, score=score, label=label))
        found = worst(*sides)
        assert found is not None  # bins of so many rows are asked, however rare labels are
        smallest.append(found.p)
    assert np.mean(np.array(smallest) < 0.05) <= 0.1
    assert min(smallest) > 1e-4


@pytest.mark.parametrize(("rows", "share"), [(200, 0.05), (1_000, 0.02), (500, 0.5)])
def test_the_tail_of_rare_labels_is_no_thinner_than_the_binomial(rows: int, share: float) -> None:
    from scipy.special import ndtr

    for count in range(int(rows * share) + 5, int(rows * share) + 40, 5):
        moved_by = np.array([count / rows - share])
        error = regions._exact(moved_by, np.array([share]), np.array([float(rows)]))
        assert 2 * ndtr(-moved_by / error)[0] >= binom.sf(count, rows, share)


def test_columns_that_tell_nothing_leave_it_open() -> None:
    rows = STILL.rows(300, seed=1)
    empty = replace(rows, features=pa.table({"one": pa.array(np.ones(300)), "none": pa.array(np.full(300, np.nan))}))
    assert worst(empty, empty) is None


def two_bins(positives: np.ndarray, *, rows: int, foretold: float, first_day: int) -> ScoredRows:
    """(days, 2) so many positives on each day in each of the two bins of one column, of as many rows everywhere."""
    days, _ = positives.shape
    label = (np.arange(rows) < positives[:, :, None]).astype(np.float64).ravel()
    column = np.broadcast_to(np.array(["a", "b"])[:, None], (days, 2, rows)).ravel()
    at = START + np.repeat(first_day + np.arange(days), 2 * rows) * np.timedelta64(1, "D")
    return ScoredRows(at, pa.table({"one": pa.array(column)}), np.full(len(label), foretold), label)


def test_chance_is_students_t_of_the_days_of_a_bin() -> None:
    """Whole days were right or wrong together: each is one draw, as in Welch's test of days."""
    shares = np.array([[80, 20], [60, 40], [90, 30], [70, 10], [85, 45], [65, 35]])
    before = two_bins(shares, rows=100, foretold=0.5, first_day=0)
    kept = worst(before, two_bins(shares + np.array([0, 30]), rows=100, foretold=0.5, first_day=50))
    error = np.sqrt(2 * (shares[:, 1] / 100).var(ddof=1) / len(shares))
    assert kept.residual == pytest.approx(0.3)
    assert kept.told == "b"
    assert kept.p == pytest.approx(min(2 * t.sf(0.3 / error, len(shares) - 1) * 2, 1.0))


def test_so_few_labels_are_no_rarer_than_the_binomial_says_though_days_are_alike() -> None:
    """Forty of 600 where twelve were foretold, two on each day: by days alone there would be no doubt at all."""
    before = two_bins(np.full((20, 2), 60), rows=3_000, foretold=0.02, first_day=0)
    now = two_bins(np.tile([2, 0], (20, 1)), rows=30, foretold=0.02, first_day=50)
    found = worst(before, now)
    assert (found.told, found.rows) == ("a", 600)
    assert binom.sf(39, 600, 0.02) < found.p < 1e-4


def test_a_bin_of_two_days_is_not_asked() -> None:
    before = two_bins(np.full((20, 2), 10), rows=50, foretold=0.2, first_day=0)
    now = two_bins(np.full((20, 2), 10), rows=50, foretold=0.2, first_day=50)
    days = (now.at - now.at.min()).astype("timedelta64[D]").astype(int)
    rare = (now.features["one"].to_numpy(zero_copy_only=False) == "b") & (days > 1)
    assert worst(before, now.take(~rare)) is None  # one bin is left, and says no more than the level


def test_what_is_gained_is_nothing_in_the_mean_where_nothing_changed() -> None:
    gains = []
    for seed in range(40):
        sides = [rows.take(np.arange(1_500)) for rows in (STILL.rows(2_000, seed=s) for s in (2 * seed, 2 * seed + 1))]
        one = [replace(rows, features=rows.features.select(["x5"])) for rows in sides]
        gains.append(worst(*one).gain)
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(40)
    assert np.std(gains) < 8 / 1_500
