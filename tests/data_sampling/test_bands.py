"""Nearly the same: as many equal bands as pairs of rows, looked at one by one, have."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings, strategies as st

from mlsys_assets.data_sampling.bands import ALIKE, BANDS, VOID, band_hashes, joined, near_matches, within

value = st.sampled_from([0.0, -0.0, 1.0, 1.0001, 1.5, 2.0, None, float("nan")])
row = st.tuples(*[value] * 13, st.sampled_from(["a", "b", None]))


def table_of(rows):
    columns = {f"x{j}": pa.array([r[j] for r in rows], pa.float32()) for j in range(13)}
    return pa.table(columns | {"s": pa.array([r[13] for r in rows], pa.string())})


def coarse(v):
    """A value as rounding leaves it; None for what is missing, 0 included: it tells nothing."""
    if v is None or (isinstance(v, float) and np.isnan(v)):
        return None
    return "1" if v in {1.0, 1.0001} else v


def alike(one, other):
    """How many bands two rows share, looked at by hand."""
    shared = 0
    for k in range(BANDS):
        pairs = [(coarse(one[j]), coarse(other[j])) for j in range(k, 14, BANDS)]
        telling = [sum(p[side] not in {None, 0.0} for p in pairs) for side in (0, 1)]
        enough = all(t >= max(len(pairs) / 2, 1) for t in telling)
        shared += enough and all(a == b for a, b in pairs)
    return shared


def test_neither_the_sign_of_a_zero_nor_the_bits_of_nothing_make_a_difference():
    nothing = np.array([0x7FC00000, 0xFFC00001], dtype=np.uint32).view(np.float32)
    columns = {f"x{j}": pa.array([1.5, 1.5], pa.float32()) for j in range(BANDS)}
    for odd in (pa.array([0.0, -0.0], pa.float32()), pa.array(nothing), pa.array([None, nothing[1]], pa.float32())):
        found = band_hashes(pa.table(columns | {f"y{j}": odd for j in range(BANDS)}))
        assert (found[:, 0] == found[:, 1]).all()
        assert (found != VOID).all()


@given(st.lists(row, max_size=8), st.lists(row, max_size=8))
@settings(max_examples=60)
def test_matches_are_those_found_pair_by_pair(earlier, later):
    found = near_matches(band_hashes(table_of(earlier)), band_hashes(table_of(later)))
    assert found.tolist() == [any(alike(a, b) >= ALIKE for a in earlier) for b in later]


@given(st.lists(row, min_size=2, max_size=8))
@settings(max_examples=30)
def test_joined_hashes_are_shared_by_rows_that_are_alike(rows):
    hashes = np.array(list(joined(band_hashes(table_of(rows)))))
    for i in range(len(rows)):
        for j in range(i):
            shared = ((hashes[:, i] == hashes[:, j]) & (hashes[:, i] != VOID)).any()
            assert shared == (alike(rows[i], rows[j]) >= ALIKE)


def wide(n=400, columns=30, seed=0):
    random = np.random.default_rng(seed)
    return {f"x{j}": random.normal(size=n).astype(np.float32) for j in range(columns)}


def matches(changed):
    return near_matches(band_hashes(pa.table(wide())), band_hashes(pa.table(changed)))


def test_any_four_columns_may_change():
    random = np.random.default_rng(1)
    for _ in range(20):
        changed = wide()
        for name in random.choice(list(changed), 4, replace=False):
            changed[name] = random.normal(size=400).astype(np.float32)
        assert matches(changed).all()


def test_all_columns_may_be_rounded_or_move_a_little():
    random = np.random.default_rng(2)
    rounded = {n: np.array([float(f"{v:.4g}") for v in x], dtype=np.float32) for n, x in wide().items()}
    moved = {n: x * (1 + 1e-4 * random.normal(size=400)).astype(np.float32) for n, x in wide().items()}
    assert matches(rounded).mean() > 0.9
    assert matches(moved).mean() > 0.9


def test_other_rows_are_not_nearly_the_same():
    assert not matches(wide(seed=3)).any()


def test_what_is_missing_or_0_throughout_is_like_nothing():
    empty = {n: np.zeros(400, dtype=np.float32) for n in wide()}
    half = {n: x if k < 4 else np.full(400, np.nan, np.float32) for k, (n, x) in enumerate(wide().items())}
    for table in (empty, half):
        hashes = band_hashes(pa.table(table))
        assert (hashes == VOID).all()
        assert not near_matches(hashes, hashes).any()


def test_types_and_lengths():
    few = pa.table({"i": [10, 2_000_000], "t": pa.array([1, 2], pa.timestamp("us")), "b": [True, False]})
    hashes = band_hashes(few)
    assert hashes.shape == (BANDS, 2)
    assert (hashes[3:] == VOID).all()  # of three columns there are three bands
    assert (hashes[:3, 0] != hashes[:3, 1]).all()
    assert band_hashes(few[:0]).shape == (BANDS, 0)
    doubles = pa.table({n: x.astype(np.float64) for n, x in wide().items()})
    assert near_matches(band_hashes(pa.table(wide())), band_hashes(doubles)).all()


def test_within_finds_what_is_there():
    known, asked = np.array([5, 1, 5], np.uint64), np.array([1, 2, 9, 5], np.uint64)
    assert within(known, asked).tolist() == [True, False, False, True]
    assert not within(known[:0], asked).any()
    assert len(within(known, asked[:0])) == 0
