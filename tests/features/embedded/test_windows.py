import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.aggregate import AggregateKind, mean, sum as total, variance as spread
from mlsys_assets.features.embedded import views
from mlsys_assets.features.embedded.ranges import distinct_values, extremes
from mlsys_assets.features.embedded.sums import prefix_sums
from mlsys_assets.features.embedded.views import pairs
from mlsys_assets.features.embedded.windows import (
    Span,
    extreme,
    first_rows,
    last_rows,
    latest,
    require_exact,
    share,
    variance,
)
from mlsys_assets.features.numpy_table import Values

values = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=30)
GRID, COARSE = 2.0**-20, 2.0**-4


def _column(found: list[float]) -> Values:
    array = np.array(found, dtype=np.float64)
    return Values(array, ~np.isnan(array) if np.isnan(array).any() else None)


def _sum(found: list[float], span: Span) -> float:
    prefix = prefix_sums(_column(found), total("x", resolution=GRID), None, "x")
    return float(span.total(prefix.steps)[0]) * prefix.grid


@given(found=values, data=st.data())
def test_sums_means_and_variances_are_those_of_the_numbers_on_the_grid(found: list[float], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(found)))
    end = data.draw(st.integers(start, len(found)))
    span = Span(np.array([start]), np.array([end]))
    numbers = [v for v in found[start:end] if not math.isnan(v)]
    exact = [math.floor(Fraction(v) / Fraction(GRID) + Fraction(1, 2)) * Fraction(GRID) for v in numbers]
    assert _sum(found, span) == float(sum(exact, Fraction(0)))
    prefix = prefix_sums(_column(found), mean("x", resolution=GRID), None, "x")
    known = span.rows() if prefix.known is None else span.total(prefix.known)
    average = share(span.total(prefix.steps) * GRID, known.astype(float))[0]
    prefix = prefix_sums(_column(found), spread("x", resolution=COARSE), None, "x")
    assert prefix.squares is not None
    squared = variance(span.total(prefix.steps), span.total(prefix.squares), known, COARSE)[0]
    if exact:
        assert average == float(sum(exact, Fraction(0))) / len(exact)
        assert average == pytest.approx(math.fsum(numbers) / len(exact), abs=GRID)
        stepped = [math.floor(Fraction(v) / Fraction(COARSE) + Fraction(1, 2)) * Fraction(COARSE) for v in numbers]
        largest = float(max(abs(v) for v in stepped))
        assert squared == pytest.approx(float(statistics.pvariance(stepped)), rel=1e-9, abs=1e-13 * largest**2)
    else:
        assert math.isnan(average)
        assert math.isnan(squared)


@given(found=values.filter(len), extra=values)
def test_a_window_sums_the_same_wherever_the_pass_began(found: list[float], extra: list[float]) -> None:
    alone = Span(np.array([0]), np.array([len(found)]))
    later = Span(np.array([len(extra)]), np.array([len(extra) + len(found)]))
    assert _sum(found, alone) == _sum(extra + found, later)


def _spans(random: np.random.Generator, n: int, m: int = 12) -> Span:
    start = random.integers(0, n + 1, m)
    return Span(start, start + random.integers(0, n + 1 - start))


@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 40))
def test_pairs_are_each_request_with_each_row_of_its_span(seed: int, batch: int) -> None:
    span = _spans(np.random.default_rng(seed), 30)
    of = np.flatnonzero(np.random.default_rng(seed).random(12) < 0.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "PAIRS_AT_ONCE", batch)
        found = [
            (int(chosen[i]), int(r))
            for chosen, request, row in pairs(span, of)
            for i, r in zip(request, row, strict=True)
        ]
    assert found == [(i, r) for i in of.tolist() for r in range(span.start[i], span.end[i])]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40))
def test_extremes_first_and_last_are_those_of_each_slice(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    numbers, counted, span = random.integers(-9, 9, n).astype(float), random.random(n) < 0.6, _spans(random, n)
    slices = list(zip(span.start.tolist(), span.end.tolist(), strict=True))
    assert extremes(numbers, span.start, span.end).tolist() == [min(numbers[a:b], default=np.inf) for a, b in slices]
    for kind, best in ((AggregateKind.MINIMUM, min), (AggregateKind.MAXIMUM, max)):
        wanted = [best([v for v, c in zip(numbers[a:b], counted[a:b], strict=True) if c], default=np.nan)
                  for a, b in slices]  # fmt: skip
        np.testing.assert_array_equal(extreme(kind, numbers, counted, span), wanted)
    places = [[i for i in range(a, b) if counted[i]] or [-1] for a, b in slices]
    assert last_rows(span, counted).tolist() == [p[-1] for p in places]
    assert first_rows(span, counted).tolist() == [p[0] for p in places]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60))
def test_distinct_values_are_those_of_a_set(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    code, found = np.sort(random.integers(0, 3, n)), random.choice(["a", "b", "c", "d"], n)
    spans = []
    for key in range(3):
        first, end = np.searchsorted(code, [key, key + 1]).tolist()
        for _ in range(6):
            start = random.integers(first, end + 1)
            spans.append((start, random.integers(start, end + 1)))
    start, end = np.array(spans).T
    assert distinct_values(found, code, start, end).tolist() == [len(set(found[a:b])) for a, b in spans]


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
    def summed(column: Values, grid: float = GRID) -> int:
        return int(prefix_sums(column, total("x", resolution=grid), None, "x").steps[-1])

    assert summed(_column([2.0**40])) == 2**60
    with pytest.raises(ValueError, match=r"x: values of 4\.39805e\+12 together"):
        summed(_column([2.0**42]))
    assert summed(_column([2.0**42]), 1.0) == 2**42
    with pytest.raises(ValueError, match="leave infinite values out"):
        summed(_column([math.inf]))
    with pytest.raises(ValueError, match="in steps of 1"):
        summed(Values(np.array([2**62]), None))


def test_squares_may_leave_the_range_together_but_not_in_one_window() -> None:
    found = prefix_sums(_column([1024.0] * 5), spread("x", resolution=2.0**-20), None, "x")
    assert found.squares is not None
    assert found.magnitude is not None
    require_exact(found.magnitude, Span(np.arange(3), np.arange(3) + 3), "x", found.grid)
    small = prefix_sums(_column([1.0, 3.0] + [1024.0] * 9), spread("x", resolution=2.0**-20), None, "x")
    assert small.squares is not None
    alone = Span(np.array([0]), np.array([2]))
    assert variance(alone.total(small.steps), alone.total(small.squares), np.array([2]), small.grid)[0] == 1.0
    with pytest.raises(ValueError, match="give a coarser resolution"):
        require_exact(found.magnitude, Span(np.array([0]), np.array([4])), "x", found.grid)
