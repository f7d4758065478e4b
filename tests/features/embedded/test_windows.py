import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.aggregate import AggregateKind
from mlsys_assets.features.embedded import windows
from mlsys_assets.features.embedded.windows import Filtered, Span, aggregate_values, latest, prefix_sums
from mlsys_assets.features.numpy_table import Values

values = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=30)
GRID = 2.0**-20


def _column(found: list[float]) -> Values:
    array = np.array(found, dtype=np.float64)
    return Values(array, ~np.isnan(array) if np.isnan(array).any() else None)


@given(found=values, data=st.data())
def test_sums_and_means_are_those_of_the_numbers_on_the_grid(found: list[float], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(found)))
    end = data.draw(st.integers(start, len(found)))
    span = Span(np.array([start]), np.array([end]))
    prefix = prefix_sums(_column(found), GRID, "x")
    numbers = [v for v in found[start:end] if not math.isnan(v)]
    exact = [Fraction(round(Fraction(v) / Fraction(GRID))) * Fraction(GRID) for v in numbers]
    assert aggregate_values(AggregateKind.SUM, span, prefix)[0] == float(sum(exact, Fraction(0)))
    mean = aggregate_values(AggregateKind.MEAN, span, prefix)[0]
    if exact:
        assert mean == float(sum(exact, Fraction(0))) / len(exact)
        assert mean == pytest.approx(math.fsum(numbers) / len(exact), abs=GRID)
    else:
        assert math.isnan(mean)


@given(found=values.filter(len), extra=values)
def test_a_window_sums_the_same_wherever_the_pass_began(found: list[float], extra: list[float]) -> None:
    alone = prefix_sums(_column(found), GRID, "x")
    later = prefix_sums(_column(extra + found), GRID, "x")
    n = len(found)
    assert aggregate_values(AggregateKind.SUM, Span(np.array([0]), np.array([n])), alone) == aggregate_values(
        AggregateKind.SUM, Span(np.array([len(extra)]), np.array([len(extra) + n])), later
    )


@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 40))
def test_rows_filtered_one_by_one_are_those_known(seed: int, batch: int) -> None:
    random = np.random.default_rng(seed)
    known, steps = random.integers(0, 10, 30), random.integers(-5, 6, 30)
    start = random.integers(0, 30, 12)
    span = Span(start, start + random.integers(0, 31 - start))
    since, until = random.integers(-1, 9, 12), random.integers(0, 11, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "PAIRS_AT_ONCE", batch)
        picked = Filtered(span, known, since, until)
        total, rows = picked.total(np.append(0, np.cumsum(steps))), picked.rows()
    for i in range(12):
        inside = [s for s, k in list(zip(steps, known, strict=True))[span.start[i] : span.end[i]]
                  if since[i] < k <= until[i]]  # fmt: skip
        assert (total[i], rows[i]) == (sum(inside), len(inside))


@given(seed=st.integers(0, 2**32 - 1))
def test_the_latest_is_the_greatest_time_and_then_the_last_row(seed: int) -> None:
    random = np.random.default_rng(seed)
    code, happened = np.sort(random.integers(0, 3, 20)), random.integers(0, 6, 20)
    ends = random.integers(0, 21, 10)
    for end in ends:
        key = code[end - 1] if end else 0
        start = int(np.searchsorted(code, key))
        found = latest(happened, code, Span(np.array([start]), np.array([end])))[0]
        rows = range(start, end)
        assert found == (max(rows, key=lambda i: (happened[i], i)) if end > start else -1)


def test_what_cannot_be_summed_exactly_is_refused() -> None:
    assert prefix_sums(_column([2.0**40]), GRID, "x").steps[-1] == 2**60
    with pytest.raises(ValueError, match=r"x: values of 4\.39805e\+12 together"):
        prefix_sums(_column([2.0**42]), GRID, "x")
    assert prefix_sums(_column([2.0**42]), 1.0, "x").steps[-1] == 2**42
    with pytest.raises(ValueError, match="leave infinite values out"):
        prefix_sums(_column([math.inf]), GRID, "x")
    with pytest.raises(ValueError, match="in steps of 1"):
        prefix_sums(Values(np.array([2**62]), None), GRID, "x")
