"""Where residuals moved: the bin that was planted, and no bin by chance, however rare labels are."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from mlsys_assets.production_monitoring.shift_kind import regions
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.regions import Region, worst_region
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

from .simulated import STILL, moved


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


@pytest.mark.parametrize("rare", [1.0, 0.05])
def test_no_bin_is_found_by_chance(rare: float) -> None:
    smallest = []
    for seed in range(60):
        sides = []
        for rows in (moved(columns=30).rows(3_000, seed=2 * seed), moved(columns=30).rows(3_000, seed=2 * seed + 1)):
            score = rows.score * rare
            label = (np.random.default_rng(seed + len(sides)).random(3_000) < score).astype(np.float64)
            sides.append(replace(rows, score=score, label=label))
        found = worst(*sides)
        smallest.append(1.0 if found is None else found.p)
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
