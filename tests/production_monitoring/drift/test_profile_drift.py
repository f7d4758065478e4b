"""Changes are seen, what chance gives is no change, and what cannot be told is null."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import LARGE, MODERATE, expected_psi
from mlsys_assets.production_monitoring.drift.profile_drift import DRIFT_SCHEMA, drift, psi_of_scores, unmatched


def of(before: object, now: object) -> dict:
    """The drift of one column."""
    first, second = (pa.table({"x": column}) for column in (before, now))
    (row,) = drift(profile(first), second).to_pylist()
    return row


@pytest.mark.parametrize(("n", "m"), [(2_000, 200), (1_000, 1_000), (5_000, 400)])
def test_under_no_change_a_column_has_what_is_expected(n: int, m: int) -> None:
    """With the deciles of the sample itself as edges, as monitoring has them."""
    rng = np.random.default_rng(1)
    rows = [of(rng.normal(size=n), rng.normal(size=m)) for _ in range(400)]
    expected = np.mean([row["expected_psi"] for row in rows])
    assert expected == pytest.approx(expected_psi(10, n, m))
    assert np.mean([row["psi"] for row in rows]) == pytest.approx(expected, rel=0.08)
    assert np.mean([row["psi"] > row["chance_psi"] for row in rows]) < 0.01
    assert np.std([row["mean_shift"] for row in rows]) == pytest.approx(np.sqrt(1 / n + 1 / m), rel=0.1)


def test_a_small_sample_is_large_by_chance_and_expected_to_be() -> None:
    rng = np.random.default_rng(2)
    row = of(rng.normal(size=5_000), rng.normal(size=25))
    assert row["psi"] > LARGE
    assert row["psi"] < row["chance_psi"]


def test_a_shift_is_seen_with_its_size() -> None:
    rng = np.random.default_rng(3)
    row = of(rng.normal(3, 2, 20_000), rng.normal(4, 2, 20_000))
    assert row["mean_shift"] == pytest.approx(0.5, abs=0.03)
    assert row["psi"] == pytest.approx(0.25, rel=0.1)  # of two normals, continuous: the shift squared
    assert row["rows"] == 20_000


def test_the_mean_shift_is_the_difference_in_deviations() -> None:
    rng = np.random.default_rng(4)
    before, now = rng.gamma(2, 3, 800), rng.gamma(3, 2, 500)
    expected = (now.mean() - before.mean()) / np.sqrt((before.var() + now.var()) / 2)
    assert of(before, now)["mean_shift"] == pytest.approx(expected, abs=1e-12)


ALWAYS = np.full(400, 0.1)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(ALWAYS, ALWAYS + 1, id="a constant becomes another"),
        pytest.param(ALWAYS, ALWAYS - 1e-9, id="a constant falls a little"),
        pytest.param([10.0] * 390 + [3.0] * 10, [10.0] * 280 + [3.0] * 120, id="nearly always full"),
        pytest.param([10.0] * 390 + [3.0] * 10, [10.0] * 280 + [13.0] * 120, id="more than ever"),
        pytest.param([0] * 390 + [1] * 10, [0] * 280 + [1] * 120, id="rarely true"),
        pytest.param([False] * 10 + [True] * 390, [False] * 120 + [True] * 280, id="nearly always true"),
        pytest.param([1.0] * 400, [1.0] * 300 + [None] * 100, id="values go missing"),
        pytest.param([None] * 100 + [1.0] * 300, [1.0] * 400, id="values no longer miss"),
        pytest.param([1.0] * 400, [1.0] * 300 + [np.nan] * 100, id="values become NaN"),
        pytest.param(["a"] * 200 + ["b"] * 200, ["a"] * 100 + ["b"] * 300, id="another mix"),
        pytest.param(["a"] * 200 + ["b"] * 200, ["a"] * 150 + ["b"] * 150 + ["c"] * 100, id="a category never seen"),
        pytest.param(["a"] * 400, ["a"] * 300 + [None] * 100, id="texts go missing"),
        pytest.param(pa.nulls(400, pa.float64()), [1.0] * 400, id="values where there were none"),
        pytest.param(pa.nulls(400, pa.string()), ["a"] * 400, id="texts where there were none"),
    ],
)
def test_a_change_is_large_and_no_change_is_nothing(before: object, now: object) -> None:
    assert of(before, now)["psi"] > LARGE
    same = of(before, before)
    assert same["psi"] == 0.0
    assert same["mean_shift"] in (0.0, None)


def test_missing_shares_are_those_before_and_now() -> None:
    row = of([1.0, None, np.nan, 2.0], [None, 1.0, 2.0, 2.0, 3.0])
    assert (row["missing_share_before"], row["missing_share_now"]) == (0.5, 0.2)
    row = of(["a", "b", None, None], ["a", "c"])
    assert (row["missing_share_before"], row["missing_share_now"], row["mean_shift"]) == (0.5, 0.0, None)


def test_a_constant_does_not_seem_to_vary() -> None:
    """Summed, 0.1 rounds another way in another number of rows."""
    assert of(np.full(20_000, 0.1), np.full(6_001, 0.1))["mean_shift"] == 0.0
    assert of(np.full(20_000, 0.1), np.full(6_001, 0.2))["mean_shift"] is None  # how far, nothing says


def mixed(seed: int, n: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "delay": pa.array(rng.normal(seed, 10, n), mask=rng.uniform(size=n) < 0.1),
            "origin": pa.array(rng.choice(["EWR", "JFK", "LGA"], n), mask=rng.uniform(size=n) < 0.1),
            "hour": rng.integers(5, 23, n).astype(np.int32),
            "late": rng.uniform(size=n) < 0.2,
            "sign": rng.choice([0.0, -0.0, 1.0], n),
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_rows_changes_no_bit(seed: int) -> None:
    before, now, rng = mixed(0, 3_000), mixed(1, 777), np.random.default_rng(seed)
    expected = drift(profile(before), now)
    assert expected.schema == DRIFT_SCHEMA
    assert expected["column"].to_pylist() == before.schema.names
    shuffled = profile(before.take(rng.permutation(len(before))))
    again = drift(shuffled.take(rng.permutation(len(shuffled))), now.take(rng.permutation(len(now))))
    assert again.equals(expected)


def test_no_rows_now_are_insufficient_data() -> None:
    for row in drift(profile(mixed(0, 50)), mixed(1, 0)).to_pylist():
        assert row["rows"] == 0
        assert {row[name] for name in ("psi", "expected_psi", "chance_psi", "mean_shift", "missing_share_now")} == {
            None
        }
        assert row["missing_share_before"] is not None


@pytest.mark.parametrize(
    ("then", "now", "both", "found"),
    [
        (["hour"], ["hour", "late"], ["hour"], (["late"], [])),
        (["hour", "late"], ["late"], ["late"], ([], ["hour"])),
        (["hour"], ["late"], [], (["late"], ["hour"])),
        (["hour", "late"], ["hour", "late"], ["hour", "late"], ([], [])),
    ],
)
def test_a_column_that_only_one_has_is_left_out_and_named(
    then: list[str], now: list[str], both: list[str], found: tuple[list[str], list[str]]
) -> None:
    before, after = profile(mixed(0, 50).select(then)), mixed(1, 50).select(now)
    assert drift(before, after)["column"].to_pylist() == both
    assert unmatched(before, after) == found


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ([1.0], ["a"], "'x' holds text, and was a number at training"),
        (["a"], [1.0], "'x' holds double, and was text at training"),
    ],
)
def test_a_column_of_another_kind_is_named(before: list, now: list, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        of(before, now)


def test_scores_are_compared_as_a_column_is() -> None:
    rng = np.random.default_rng(5)
    before, now = rng.beta(2, 4, 3_000), rng.beta(3, 4, 1_000)
    assert psi_of_scores(before, now) == of(before, now)["psi"] > MODERATE
    assert psi_of_scores(before, rng.permutation(before)) == 0.0
    assert psi_of_scores(before, now) == psi_of_scores(rng.permutation(before), rng.permutation(now))


@pytest.mark.parametrize("scores", [[], [0.5, np.nan], [np.inf]], ids=str)
def test_what_is_no_score_is_refused(scores: list[float]) -> None:
    for pair in ((scores, [0.5]), ([0.5], scores)):
        with pytest.raises(ValueError, match="at least one, all finite"):
            psi_of_scores(*(np.array(one) for one in pair))
