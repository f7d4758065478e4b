"""A slice that was made wrong is found first; where nothing is wrong, the finder is silent."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from mlsys_assets.offline_evaluation.slicing.excess_loss import relative, surprise
from mlsys_assets.offline_evaluation.slicing.found_slices import SliceSearch
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder, _normal, _standardised

from .drawn_flights import World, world

FINDER = SliceFinder()
TRIES = 100
MOST_FALSE = 5


@pytest.fixture(scope="module")
def fortnight() -> World:
    """12,000 rows of 14 days."""
    return world(12_000, days=14, seed=0)


def search(drawn: World, label: np.ndarray, finder: SliceFinder = FINDER) -> SliceSearch:
    return finder.find(drawn.features, surprise(label, drawn.score), drawn.at)


def false_alarms(drawn: World, seeds: range, *, by_day: float) -> int:
    return sum(bool(search(drawn, drawn.labels(seed, by_day=by_day)).found) for seed in seeds)


def test_a_small_slice_with_flipped_labels_is_found_first_and_alone(fortnight: World) -> None:
    wrong = fortnight.where(carrier="EV", origin="LGA", hour=17.0)
    assert 25 < wrong.sum() < 60
    label = fortnight.labels(0)
    found = search(fortnight, np.where(wrong, 1 - label, label))
    (first,) = found.found
    assert first.values == {"carrier": "EV", "origin": "LGA", "hour": "17"}
    assert (first.rows, first.p_value < 1e-3, first.low > 0) == (wrong.sum(), True, True)
    assert first.low < first.excess < first.high
    finding = found.finding()
    assert not finding.passed
    assert "carrier=EV & origin=LGA & hour=17" in finding.summary
    assert finding.evidence["slices looked at"] == found.looked_at > 500


@pytest.mark.parametrize("wrong", [{"origin": "EWR"}, {"carrier": "EV", "origin": "LGA"}, {"hour": 17.0}], ids=" ".join)
def test_a_coarse_slice_is_told_whole_not_in_pieces(fortnight: World, wrong: dict[str, object]) -> None:
    label = fortnight.labels(1, shift=np.where(fortnight.where(**wrong), 1.5, 0.0))
    found = search(fortnight, label).found
    assert found[0].values == {k: f"{v:.0f}" if isinstance(v, float) else v for k, v in wrong.items()}
    assert not any(set(found[0].values.items()) < set(one.values.items()) for one in found[1:])


def test_a_finer_slice_is_told_too_if_it_is_worse_than_the_coarser(fortnight: World) -> None:
    coarse, fine = fortnight.where(origin="LGA"), fortnight.where(origin="LGA", carrier="B6")
    label = fortnight.labels(2, shift=np.where(fine, 4.0, np.where(coarse, 1.0, 0.0)))
    names = {one.name for one in search(fortnight, label).found}
    assert {"origin=LGA", "carrier=B6 & origin=LGA"} <= names


def test_of_two_names_for_the_same_rows_the_shorter_is_told(fortnight: World) -> None:
    small = fortnight.where(carrier="MQ")
    features = fortnight.features.set_column(
        1, "origin", pa.array(np.where(small, "JFK", fortnight.features["origin"]))
    )
    label = fortnight.labels(7, shift=np.where(small, 1.5, 0.0))
    found = SliceFinder(columns=("origin", "carrier")).find(features, surprise(label, fortnight.score), fortnight.at)
    assert [one.name for one in found.found] == ["carrier=MQ"]


def test_two_slices_are_found_though_they_overlap(fortnight: World) -> None:
    first, second = fortnight.where(carrier="UA"), fortnight.where(hour=9.0)
    label = fortnight.labels(3, shift=1.5 * first + 2.0 * second)
    assert {one.name for one in search(fortnight, label).found} == {"carrier=UA", "hour=9"}


def test_it_is_silent_where_labels_are_drawn_from_the_scores(fortnight: World) -> None:
    assert false_alarms(fortnight, range(20), by_day=0.0) <= 2


@pytest.mark.parametrize("days", [14, 63])
def test_it_is_silent_where_the_rows_of_a_day_share_an_effect(days: int) -> None:
    assert false_alarms(world(12_000, days=days, seed=2), range(20), by_day=1.0) <= 2


@pytest.mark.prove
@pytest.mark.parametrize("by_day", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("n", [2_000, 12_000, 60_000])
def test_it_is_silent_in_ninety_five_of_a_hundred_tries(n: int, by_day: float) -> None:
    drawn = world(n, days=14 if n < 60_000 else 61, seed=1)
    assert false_alarms(drawn, range(TRIES), by_day=by_day) <= MOST_FALSE


def test_scores_that_are_uncertain_or_too_high_everywhere_are_no_slice(fortnight: World) -> None:
    uncertain = fortnight.where(origin="JFK")
    drawn = replace(fortnight, score=np.where(uncertain, 0.5, fortnight.score))
    label = drawn.labels(4, shift=0.8)
    assert search(drawn, label).found == ()
    plain = -np.where(label > 0, np.log(drawn.score), np.log1p(-drawn.score))
    by_loss = FINDER.find(drawn.features, relative(plain), drawn.at)
    assert by_loss.found[0].name == "origin=JFK"  # as a loss by itself would have it


def test_the_intervals_hold_the_truth_all_at_once(fortnight: World) -> None:
    wrong = fortnight.where(carrier="EV")
    finder, shift = SliceFinder(columns=("carrier", "origin"), depth=1), np.where(wrong, 1.0, 0.0)
    q = 1 / (1 + np.exp(-(np.log(fortnight.score / (1 - fortnight.score)) + shift)))
    held = []
    for seed in range(30):
        loss = surprise(fortnight.labels(seed, shift=shift), fortnight.score)
        found = finder.find(fortnight.features, loss, fortnight.at).found
        truth = np.mean((loss.excess + (fortnight.labels(seed, shift=shift) - q) * _logit(fortnight.score))[wrong])
        held.append(found[0].name == "carrier=EV" and found[0].low <= truth <= found[0].high)
    assert sum(held) >= 28


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def test_the_cube_root_makes_skewed_sums_normal() -> None:
    for shape in (4.0, 25.0):
        gamma = stats.gamma(shape)
        p = np.array([0.5, 1e-2, 1e-4, 1e-6])
        standardised = (gamma.isf(p) - shape) / np.sqrt(shape)
        skew = np.full(4, 2 / np.sqrt(shape))
        np.testing.assert_allclose(_normal(standardised, skew), stats.norm.isf(p), atol=0.11)
        np.testing.assert_allclose(_normal(-standardised, -skew), -stats.norm.isf(p), atol=0.11)
    np.testing.assert_allclose(_normal(np.array([1.7]), np.zeros(1)), 1.7)
    for skew in (-1.0, 0.0, 0.3, 2.0):
        assert _normal(np.array([_standardised(2.5, skew)]), np.array([skew])) == pytest.approx(2.5)


def test_numbers_with_many_values_are_cut_into_bands_when_they_are_named(fortnight: World) -> None:
    far = np.array(fortnight.features["distance"].to_pylist()) >= np.quantile(fortnight.features["distance"], 0.8)
    label = fortnight.labels(5, shift=np.where(far, 1.5, 0.0))
    (first, *_) = search(fortnight, label, SliceFinder(columns=("distance", "origin"))).found
    assert first.rows == far.sum()
    assert first.name.endswith("and more")
    assert "distance" not in "".join(one.name for one in search(fortnight, label).found)  # many values, not named


def test_it_is_the_same_however_the_rows_lie(fortnight: World) -> None:
    wrong = fortnight.where(carrier="EV", origin="LGA")
    label = fortnight.labels(6, shift=np.where(wrong, 2.0, 0.0))
    order = np.random.default_rng(0).permutation(len(label))
    loss = surprise(label[order], fortnight.score[order])
    again = FINDER.find(fortnight.features.take(order), loss, fortnight.at[order])
    first = search(fortnight, label)
    assert again.looked_at == first.looked_at
    assert [one.name for one in again.found] == [one.name for one in first.found]
    assert again.found[0].excess == pytest.approx(first.found[0].excess)


@pytest.mark.parametrize("n", [0, 3, 20])
def test_too_few_rows_are_insufficient_data(fortnight: World, n: int) -> None:
    rows = np.arange(n)
    loss = surprise(np.zeros(n), fortnight.score[:n])
    found = FINDER.find(fortnight.features.take(rows), loss, fortnight.at[:n])
    assert (found.found, found.looked_at) == ((), 0)
    assert found.finding().passed
    assert found.finding().summary.startswith(f"insufficient data: none of the slices of {n} rows")


def test_one_class_and_constant_columns_and_scores_find_nothing(fortnight: World) -> None:
    n = len(fortnight.at)
    features = pa.table({"same": ["x"] * n, "none": pa.nulls(n, pa.float32()), "origin": fortnight.features["origin"]})
    for label, score in ((np.zeros(n), fortnight.score), (fortnight.labels(0), np.full(n, 0.5))):
        found = FINDER.find(features, surprise(label, score), fortnight.at)
        assert found.found == ()
        assert found.looked_at == 3


def test_rows_that_do_not_fit_together_and_columns_that_are_not_there_are_refused(fortnight: World) -> None:
    loss = surprise(np.zeros(5), np.full(5, 0.5))
    with pytest.raises(ValueError, match="12000 rows of features, 5 losses and 12000 times"):
        FINDER.find(fortnight.features, loss, fortnight.at)
    with pytest.raises(KeyError, match="no feature column 'dest'"):
        search(fortnight, fortnight.labels(0), SliceFinder(columns=("dest",)))


@pytest.mark.parametrize(
    ("finder", "told"),
    [
        (SliceFinder(columns=("orign",)), "Did you mean 'origin'?"),
        (SliceFinder(columns="origin"), "must be a tuple of str"),
        (SliceFinder(depth=5), "depth is 5; it must be a whole number, at least 1, at most 4"),
        (SliceFinder(least_rows=1), "least_rows is 1"),
        (SliceFinder(least_days=1), "least_days is 1"),
        (SliceFinder(alpha=0), "alpha is 0; it must be a number, above 0, at most 0.5"),
        (SliceFinder(columns=("origin",) * 17), "17 columns; at most 16"),
    ],
    ids=str,
)
def test_mistakes_are_told(finder: SliceFinder, told: str) -> None:
    (mistake,) = finder.mistakes(["origin", "carrier"])
    assert told in mistake
    assert FINDER.mistakes(["origin", "carrier"]) == []
