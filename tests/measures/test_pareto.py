"""The front is what the definition says, by brute force, and whoever is off it knows by whom."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.measures.pareto import BETTER, dominators, pareto_front

VALUE = st.one_of(st.integers(0, 4).map(float), st.sampled_from([-0.0, np.inf, -np.inf, 0.1, 1e-300]))


@st.composite
def fields(draw: st.DrawFn) -> tuple[np.ndarray, tuple[str, ...]]:
    n, k = draw(st.integers(0, 25)), draw(st.integers(1, 4))
    values = draw(st.lists(st.lists(VALUE, min_size=k, max_size=k), min_size=n, max_size=n))
    return np.array(values).reshape(n, k), tuple(draw(st.lists(st.sampled_from(BETTER), min_size=k, max_size=k)))


def dominates(a: np.ndarray, b: np.ndarray, better: tuple[str, ...]) -> bool:
    """Whether a is nowhere worse and somewhere better, dimension by dimension."""
    worse = [x < y if way == "higher" else x > y for x, y, way in zip(a, b, better, strict=True)]
    gains = [x > y if way == "higher" else x < y for x, y, way in zip(a, b, better, strict=True)]
    return not any(worse) and any(gains)


@given(fields())
def test_the_front_is_that_of_the_definition(field: tuple[np.ndarray, tuple[str, ...]]) -> None:
    points, better = field
    expected = [not any(dominates(other, point, better) for other in points) for point in points]
    assert pareto_front(points, better).tolist() == expected


@given(fields())
def test_whoever_is_off_the_front_is_told_by_whom(field: tuple[np.ndarray, tuple[str, ...]]) -> None:
    points, better = field
    found, front = dominators(points, better), pareto_front(points, better)
    assert ((found == -1) == front).all()
    for point, by in enumerate(found):
        if by != -1:
            assert front[by]
            assert dominates(points[by], points[point], better)


@given(fields(), st.randoms(use_true_random=False))
def test_the_order_of_the_points_changes_nothing(field: tuple[np.ndarray, tuple[str, ...]], random) -> None:
    points, better = field
    order = np.array(random.sample(range(len(points)), len(points)), dtype=int)
    assert (pareto_front(points[order], better) == pareto_front(points, better)[order]).all()


def test_equal_points_stand_on_the_front_together() -> None:
    points = np.array([[1.0, 1], [1, 1], [0, 1]])
    assert pareto_front(points, ("higher", "higher")).tolist() == [True, True, False]
    assert dominators(points, ("higher", "higher"))[2] in {0, 1}


def test_of_several_the_best_in_the_first_dimension_dominates() -> None:
    points = np.array([[1.0, 3], [2, 2], [3, 1], [0, 0]])
    assert dominators(points, ("higher", "higher")).tolist() == [-1, -1, -1, 2]
    assert dominators(points[:, ::-1], ("higher", "higher")).tolist() == [-1, -1, -1, 0]


def test_many_points_of_a_short_front_take_no_time() -> None:
    points = np.random.default_rng(0).normal(size=(5_000, 2))
    front = np.flatnonzero(pareto_front(points, ("higher", "lower")))
    rising = points[front][np.argsort(points[front][:, 0])]
    assert (np.diff(rising[:, 1]) > 0).all()  # in two dimensions a front is a staircase


@pytest.mark.parametrize(
    ("points", "better", "words"),
    [
        ([[1.0, np.nan], [1, 2]], ("higher", "lower"), r"1 of 2 points hold NaN \(the first is number 0\).*leave out"),
        ([[1.0, 2]], ("higher",), r"shape \(1, 2\); 1 directions need \(n, 1\)"),
        ([1.0, 2], ("higher", "lower"), r"shape \(2,\)"),
        ([[1.0, 2]], ("higher", "up"), "must say 'higher' or 'lower'"),
        ([[1.0]], "higher", "must say 'higher' or 'lower'"),
        (np.zeros((3, 0)), (), r"\(3, 0\)"),
    ],
)
def test_what_has_no_front_is_refused(points, better, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pareto_front(np.array(points), better)
