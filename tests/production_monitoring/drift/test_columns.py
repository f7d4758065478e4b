"""Distances of columns are SciPy's and Evidently's, weighted ones those of the definition; bad columns say why."""

import warnings
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.spatial import distance

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import psi
from mlsys_assets.production_monitoring.drift.columns import Distances, Reference
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.production_monitoring.drift.summary import QUANTILES


def of(before: object, now: object, *, weights: tuple = (None, None)) -> Distances:
    """The distances of one column."""
    first, second = (pa.table({"x": side}) for side in (before, now))
    return Reference.of(first, weights[0]).distances(second, weights[1])["x"]


def shapes(seed: int, n: int, m: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two samples of several shapes."""
    rng = np.random.default_rng(seed)
    return {
        "normal": (rng.normal(size=n), rng.normal(0.1, 1.1, m)),
        "single precision": (rng.normal(size=n).astype(np.float32), rng.normal(0.1, 1.1, m).astype(np.float32)),
        "far from 0": (1e6 + rng.normal(size=n), 1e6 + rng.normal(0.1, 1, m)),
        "heavy tail": (rng.lognormal(0, 2, n), rng.lognormal(0.1, 2, m)),
        "cauchy": (rng.standard_cauchy(n), rng.standard_cauchy(m)),
        "ties": (rng.poisson(3, n).astype(float), rng.poisson(3.3, m).astype(float)),
        "mostly 0": (rng.exponential(size=n) * (rng.random(n) < 0.1), rng.exponential(size=m) * (rng.random(m) < 0.13)),
        "two values": ((rng.random(n) < 0.2).astype(float), (rng.random(m) < 0.25).astype(float)),
        "apart": (rng.random(n), rng.random(m) + 2),
        "the same": (np.arange(n) / 7, np.arange(n) / 7),
    }


SIZES = [(40, 25), (20_000, 6_500), (15_000, 15_000), (210_001, 90_000)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_numbers_are_as_far_apart_as_scipy_says(sizes: tuple[int, int]) -> None:
    for name, (before, now) in shapes(0, *sizes).items():
        found = of(before, now)
        ks = stats.ks_2samp(before, now, method="asymp")
        assert found.ks == pytest.approx(ks.statistic, rel=1e-12), name
        assert found.ks_p == pytest.approx(ks.pvalue, rel=1e-6, abs=1e-300), name
        first, second = before.astype(float), now.astype(float)
        area = stats.wasserstein_distance(first, second)
        assert found.wasserstein == pytest.approx(area, rel=1e-9, abs=1e-12), name
        assert found.wasserstein_normed == pytest.approx(area / first.std(), rel=1e-6, abs=1e-12), name
        assert found.jensen_shannon == pytest.approx(distance.jensenshannon(*binned(before, now)), abs=1e-7), name


def binned(before: np.ndarray, now: np.ndarray) -> list[np.ndarray]:
    """Shares as Evidently counts them."""
    values = np.unique(before)
    if len(values) > 20:
        edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
        return [np.histogram(side, edges)[0] / len(side) for side in (before, now)]
    return [np.array([(side == v).mean() for v in np.union1d(values, now)]) for side in (before, now)]


def test_the_index_is_that_of_the_profile() -> None:
    rng = np.random.default_rng(1)
    columns = {
        name: pa.array(a, mask=rng.random(len(a)) < 0.1)
        for name, (a, b) in shapes(0, 3_000, 900).items()
        if name != "the same"
    }
    nows = {
        name: pa.array(b, mask=rng.random(len(b)) < 0.2)
        for name, (a, b) in shapes(0, 3_000, 900).items()
        if name != "the same"
    }
    before = pa.table(columns | {"text": rng.choice([f"c{i}" for i in range(40)], 3_000)})
    now = pa.table(nows | {"text": rng.choice([f"c{i}" for i in range(45)], 900)})
    found = Reference.of(before).distances(now)
    for row in drift(profile(before), now).to_pylist():
        name = row["column"]
        assert found[name].psi == pytest.approx(row["psi"], rel=1e-12), name
        assert found[name].before.missing_share == row["missing_share_before"]
        assert found[name].now.missing_share == row["missing_share_now"]
        if row["mean_shift"] is not None:
            assert found[name].mean_shift == pytest.approx(row["mean_shift"], rel=1e-6), name


def test_categories_are_as_far_apart_as_scipy_says() -> None:
    rng = np.random.default_rng(2)
    before = rng.choice(list("abcdef"), 9_000)
    now = rng.choice(list("abcdefg"), 4_000, p=[0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1])
    found = of(before, now)
    table = np.array([[(side == level).sum() for level in "abcdefg"] for side in (before, now)])
    assert found.chi_square_p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    assert found.jensen_shannon == pytest.approx(distance.jensenshannon(*table), rel=1e-9)
    assert found.total_variation == pytest.approx(np.abs(table[0] / 9_000 - table[1] / 4_000).sum() / 2)
    assert found.new_share == (now == "g").mean()


@pytest.mark.parametrize("form", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_text_is_counted_in_any_form(form: pa.DataType) -> None:
    before, now = ["a", "b", None, "a"], pa.chunked_array([["b", "c"], ["b", None, "a"]])
    assert of(pa.array(before).cast(form), now.cast(form)) == of(before, now)


def test_summaries_are_scipys() -> None:
    for name, (before, now) in shapes(3, 5_000, 777).items():
        found = of(before, now).now
        own = now.astype(float)
        assert found.mean == pytest.approx(own.mean(), rel=1e-9), name
        assert found.sd == pytest.approx(own.std(), rel=1e-6), name
        assert found.skew == pytest.approx(stats.skew(own), rel=1e-5, abs=1e-9), name
        assert found.kurtosis == pytest.approx(stats.kurtosis(own), rel=1e-5, abs=1e-9), name
        assert list(found.quantiles) == np.quantile(own, QUANTILES, method="inverted_cdf").tolist(), name


def test_bins_of_single_precision_have_edges_of_it() -> None:
    """A value on an edge is above it: of doubles, the edge may lie a little higher."""
    before = np.linspace(0.1, 0.9, 4_097, dtype=np.float32)
    now = np.histogram_bin_edges(np.concatenate([before, before[:1_000]]), bins="sturges")
    now = np.resize(now, 1_000).astype(np.float32)
    assert of(before, now).jensen_shannon == pytest.approx(distance.jensenshannon(*binned(before, now)), abs=1e-12)


VALUES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=30)
WEIGHTS = st.lists(st.integers(0, 4), min_size=30, max_size=30)


@settings(max_examples=40)
@given(before=VALUES, now=VALUES, first=WEIGHTS, second=WEIGHTS)
def test_a_row_that_counts_twice_is_two_rows(before, now, first, second) -> None:
    """A brute-force oracle of weights: repeated rows, which have the same distances and another size."""
    w, v = np.array(first[: len(before)], float), np.array(second[: len(now)], float)
    if not w.sum() or not v.sum():
        return
    found = of(before, now, weights=(w, v))
    repeated = of(np.repeat(before, w.astype(int)), np.repeat(now, v.astype(int)))
    for name in ("ks", "wasserstein", "mean_shift", "jensen_shannon"):
        if len(np.unique(before)) == len(np.unique(np.repeat(before, w.astype(int)))) or name != "jensen_shannon":
            assert getattr(found, name) == pytest.approx(getattr(repeated, name), abs=1e-9, nan_ok=True), name
    assert found.before.quantiles == repeated.before.quantiles
    assert found.before.sd == pytest.approx(repeated.before.sd, abs=1e-9)
    assert found.before.effective == pytest.approx(w.sum() ** 2 / (w**2).sum())
    n, m = found.before.effective, found.now.effective
    assert found.ks_p == pytest.approx(float(np.clip(stats.kstwo.sf(found.ks, max(round(n * m / (n + m)), 1)), 0, 1)))


def test_equal_weights_change_nothing() -> None:
    for name, (full, now) in shapes(4, 3_000, 1_000).items():
        before = np.where(np.arange(len(full)) % 9 == 0, np.nan, full)
        plain, weighted = of(before, now), of(before, now, weights=(np.full(len(full), 2.0), np.full(len(now), 0.3)))
        for measure, value in plain.measures.items():
            assert weighted.measures[measure] == pytest.approx(value, rel=1e-6, abs=1e-9), (name, measure)
    before, now = np.array(list("aab") * 100), np.array(list("abc") * 90)
    plain, weighted = of(before, now), of(before, now, weights=(np.full(300, 2.0), np.full(270, 0.3)))
    assert weighted.measures == pytest.approx(plain.measures)


def test_importance_weights_undo_a_shift() -> None:
    """Rows of N(0, 1) weighted by the ratio of the densities are rows of N(.5, 1)."""
    rng = np.random.default_rng(5)
    before, now = rng.normal(size=20_000), rng.normal(0.5, 1, 20_000)
    plain, weighted = of(before, now), of(before, now, weights=(np.exp(0.5 * before - 0.125), None))
    assert plain.ks_p < 1e-100
    assert weighted.ks_p > 0.01
    assert weighted.psi < 0.01
    assert plain.psi > 0.2
    assert weighted.wasserstein < 0.05
    assert plain.wasserstein > 0.45
    assert weighted.before.effective == pytest.approx(20_000 / np.exp(0.25), rel=0.05)  # of these weights, Kish's is so


NULLS, NUMBERS, TEXTS = pa.nulls(50, pa.float64()), np.arange(50.0), list("ab") * 25
BAD = [
    (NULLS, NUMBERS, "no values before", {"psi"}),
    (NUMBERS, NULLS, "no values now", {"psi"}),
    (NULLS, NULLS, "no values before and now", {"psi"}),
    (pa.nulls(50), NUMBERS, "no values before", {"psi"}),
    (pa.nulls(50), TEXTS, "no values before", {"psi"}),
    (TEXTS, pa.nulls(50), "no values now", {"psi"}),
    (NUMBERS[:0], NUMBERS, "no rows before", set()),
    (NUMBERS, NUMBERS[:0], "no rows now", set()),
    (TEXTS, pa.array([], pa.string()), "no rows now", set()),
    (NUMBERS, TEXTS, "was its type changed", set()),
    (TEXTS, NUMBERS, "was its type changed", set()),
    (pa.array([[1.0]] * 50), NUMBERS, "holds list", set()),
    (NUMBERS, pa.array([[1.0]] * 50), "holds list", set()),
    (NUMBERS, [7.0], "", {"psi", "ks", "wasserstein"}),
    (NUMBERS[:1], [7.0], "", {"psi", "ks", "wasserstein"}),
    (np.full(50, 3.0), np.full(9, 3.0), "", {"psi", "ks", "wasserstein", "mean_shift"}),
    (np.full(50, np.inf), np.full(9, -np.inf), "", {"psi", "ks"}),
    (NUMBERS, [np.inf, -np.inf, np.nan, 3.0], "", {"psi", "ks", "wasserstein", "mean_shift"}),
    ([1e308, -1e308] * 9, [1e308] * 9, "", {"psi", "ks"}),
    ([2**60 + 1, None], [2**60, 5], "", {"psi", "ks"}),
    ([True, False, None] * 9, [True] * 9, "", {"psi", "ks", "mean_shift"}),
]


@pytest.mark.parametrize(("before", "now", "untold", "told"), BAD)
def test_a_bad_column_says_why_and_what_can_be_told_is(before, now, untold: str, told: set[str]) -> None:
    found = of(before, now)
    assert untold in found.untold
    assert bool(untold) == bool(found.untold)
    assert told <= set(found.measures)
    if not told:
        assert not found.measures


def test_the_others_are_compared() -> None:
    before = pa.table({"gone": NUMBERS, "typed": NUMBERS, "fine": NUMBERS, "empty": NULLS})
    now = pa.table({"new": NUMBERS, "typed": TEXTS, "fine": NUMBERS + 10, "empty": NULLS})
    found = Reference.of(before).distances(now)
    assert list(found) == ["gone", "typed", "fine", "empty", "new"]
    assert [name for name, told in found.items() if not told.untold] == ["fine"]
    assert found["fine"].wasserstein == 10
    assert found["gone"].before.rows == 50


def test_single_and_double_precision_are_compared_in_single() -> None:
    tenths = np.arange(1_000) / 10
    assert of(tenths, tenths.astype(np.float32)).ks == 0
    assert of(tenths.astype(np.float32), tenths).ks == 0
    assert of(tenths.astype(np.float32), tenths).psi == 0


@pytest.mark.parametrize("weights", [np.ones(3), -np.ones(50), np.full(50, np.nan)], ids=["few", "negative", "none"])
def test_odd_weights_are_a_mistake(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="give each row one finite number"):
        of(NUMBERS, NUMBERS, weights=(weights, None))


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_the_rows_changes_no_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for before, now in shapes(0, 30_000, 20_000).values():
        expected = of(before, now)
        assert repr(of(rng.permutation(before), rng.permutation(now))) == repr(expected)


@pytest.fixture(scope="module")
def evidently() -> Callable[[str, object, object], float]:
    """What Evidently says of two samples, by the name of its test; its import alone takes ten seconds."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

    def told(test: str, before: object, now: object) -> float:
        first, second = pd.Series(before), pd.Series(now)
        kind = ColumnType.Numerical if pd.api.types.is_numeric_dtype(first) else ColumnType.Categorical
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(get_stattest(first, second, kind, test)(first, second, kind, 0.1).drift_score)

    return told


@pytest.mark.prove
@pytest.mark.parametrize("sizes", [(20_000, 6_500), (120_001, 90_000)], ids=str)
def test_numbers_are_as_far_apart_as_evidently_says(evidently, sizes: tuple[int, int]) -> None:
    for name, (before, now) in shapes(0, *sizes).items():
        found = of(before, now)
        assert found.ks_p == pytest.approx(evidently("ks", before, now), rel=1e-6, abs=1e-300), name
        assert found.wasserstein_normed == pytest.approx(evidently("wasserstein", before, now), rel=1e-5), name
        assert found.jensen_shannon == pytest.approx(evidently("jensenshannon", before, now), rel=1e-6, abs=1e-7), name


@pytest.mark.prove
def test_categories_are_as_far_apart_as_evidently_says(evidently) -> None:
    rng = np.random.default_rng(2)
    before, now = rng.choice(list("abcdef"), 9_000), rng.choice(list("abcdefg"), 4_000)
    assert of(before, now).jensen_shannon == pytest.approx(evidently("jensenshannon", before, now), rel=1e-9)
    # It takes the shares before as certain: of ever more rows before, both p-values are one.
    many, now = (
        np.repeat(list("abcdef"), 500_000),
        rng.choice(list("abcdef"), 4_000, p=[0.19, 0.17, 0.16, 0.16, 0.16, 0.16]),
    )
    assert of(pa.array(many), now).chi_square_p == pytest.approx(evidently("chisquare", many, now), rel=0.05)


@pytest.mark.prove
def test_evidentlys_index_has_bins_of_equal_width(evidently) -> None:
    """In its bins, where none is empty, both indices are one but for the half a row that ours adds to each."""
    rng = np.random.default_rng(0)
    before, now = rng.random(50_000), rng.beta(1.2, 1, 50_000)
    edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
    counts = [np.histogram(side, edges)[0].astype(float) for side in (before, now)]
    assert psi(*counts) == pytest.approx(evidently("psi", before, now), rel=0.01)


def test_a_text_that_a_dictionary_holds_twice_is_one_category_and_its_null_none() -> None:
    codes = pa.array([0, 0, 1, 2, 3, None], pa.int8())
    odd = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b", "a", None]))
    plain = pa.array(["a", "a", "b", "a", None, None])
    found = Reference.of(pa.table({"c": odd})).distances(pa.table({"c": plain}))["c"]
    assert (found.psi, found.total_variation, found.new_share) == (0.0, 0.0, 0.0)
    assert (found.before.levels, found.before.missing_share) == (2, pytest.approx(1 / 3))
