import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from sklearn.preprocessing import TargetEncoder

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Encoding
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.target_rate import TargetRate

rows_of = st.lists(
    st.tuples(st.sampled_from([*"abc", None]), st.sampled_from([0.0, 1.0]), st.integers(0, 6)), min_size=3, max_size=40
).filter(lambda rows: len({day for _, _, day in rows}) > 1)
declared = st.builds(
    TargetRate,
    folds=st.integers(2, 5),
    smoothing=st.just("auto") | st.sampled_from([0.0, 0.5, 20.0]),
    seed=st.integers(0, 3),
)


def fit(view_of, encoding, rows, label=None):
    table = pa.table({"c": pa.array([r[0] for r in rows], pa.string())})
    labels = [r[1] for r in rows] if label is None else label
    return Preprocessor(categories=encoding).fit(view_of(table, labels, [r[2] for r in rows]))


@given(rows_of, st.just("auto") | st.sampled_from([0.0, 0.5, 20.0]))
def test_for_all_later_rows_it_is_scikit_learns_target_encoder(view_of, rows, smoothing):
    prepared = fit(view_of, TargetRate(smoothing=smoothing), rows)
    asked = ["a", "b", "c", None, "new"]
    found = prepared.preprocessing.transform(pa.table({"c": asked}))[:, 0]
    x = np.array([r[0] for r in rows], dtype=object)[:, None]
    y = np.array([r[1] for r in rows])
    theirs = TargetEncoder(smooth=smoothing, target_type="continuous", cv=2).fit(x, y)
    known = {r[0] for r in rows}
    expected = [theirs.transform(np.array([[v]], dtype=object))[0, 0] if v in known else y.mean() for v in asked]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(rows_of, declared, st.data())
def test_a_rows_own_label_changes_nothing_it_gets_nor_what_its_fold_gets(view_of, rows, encoding, data):
    """Whichever label is another: all rows of that day stay as they were, to the last bit."""
    label = np.array([r[1] for r in rows])
    day = np.array([r[2] for r in rows])
    before = fit(view_of, encoding, rows, label).matrix[:, 0]
    flipped = data.draw(st.integers(0, len(rows) - 1))
    label[flipped] = 1 - label[flipped]
    after = fit(view_of, encoding, rows, label).matrix[:, 0]
    assert before[day == day[flipped]].tobytes() == after[day == day[flipped]].tobytes()
    changed = {int(d) for d in day[before != after]}
    folds = min(encoding.folds, len(set(day)))
    dealt = np.random.default_rng(encoding.seed).permutation(len(set(day))) % folds
    fold = dict(zip(sorted(set(day.tolist())), dealt.tolist(), strict=True))
    assert all(fold[d] != fold[int(day[flipped])] for d in changed)


def test_what_the_others_get_does_change(view_of):
    """Else a constant would pass: of two days each gets the rate of the other one."""
    rows = [("a", 1.0, 0), ("a", 0.0, 0), ("b", 0.0, 0), ("a", 1.0, 1), ("b", 1.0, 1), (None, 0.0, 1)]
    prepared = fit(view_of, TargetRate(folds=5, smoothing=0.0), rows)
    np.testing.assert_allclose(prepared.matrix[:, 0], [1, 1, 1, 0.5, 0, 1 / 3], rtol=1e-6)
    found = prepared.preprocessing.transform(pa.table({"c": ["a", "b", None, "new"]}))[:, 0]
    np.testing.assert_allclose(found, [2 / 3, 1 / 2, 0, 1 / 2], rtol=1e-6)
    assert not np.array_equal(prepared.matrix, prepared.preprocessing.transform(pa.table({"c": [r[0] for r in rows]})))
    assert prepared.preprocessing.encode({"c": "new"}).unseen == {"c": 1}
    assert prepared.preprocessing.encode({"c": None}).unseen == {}


def test_out_of_the_fold_a_name_of_its_own_tells_nothing(view_of):
    """A category a row: within the fold its rate would be the label itself."""
    rng = np.random.default_rng(0)
    rows = [(f"id {i}", float(rng.random() < 0.3), i % 10) for i in range(500)]
    prepared = fit(view_of, TargetRate(), rows)
    label = np.array([r[1] for r in rows])
    assert abs(np.corrcoef(prepared.matrix[:, 0], label)[0, 1]) < 0.25
    within = prepared.preprocessing.transform(pa.table({"c": [r[0] for r in rows]}))[:, 0]
    assert np.corrcoef(within, label)[0, 1] > 0.9


def test_a_cross_can_be_a_rate_beside_its_columns(view_of):
    n = 60
    table = pa.table({"c": ["a", "b"] * (n // 2), "d": ["x", "x", "y"] * (n // 3)})
    label = [float(c == "a" and d == "x") for c, d in zip(*table.to_pydict().values(), strict=True)]
    declared = Preprocessor(columns={"c": TargetRate(smoothing=0.0)}, crosses=(Cross(("c", "d"), TargetRate()),))
    prepared = declared.fit(view_of(table, label))
    assert prepared.preprocessing.names == ("d is other", "c", "c × d")
    assert set(prepared.matrix[:, 2].round(3)) == {0.0, 1.0}
    assert 0 < prepared.matrix[:, 1].max() < 1


def test_one_day_is_too_few_and_labels_must_be_numbers(view_of):
    with pytest.raises(ColumnError, match=r"'c' becomes the rate of labels on other days, and training has 1 day"):
        fit(view_of, TargetRate(), [("a", 1.0, 3), ("b", 0.0, 3)])
    with pytest.raises(ColumnError, match="not finite"):
        fit(view_of, TargetRate(), [("a", np.nan, 3), ("b", 0.0, 4)])
    with pytest.raises(ColumnError, match="'c' becomes the rate of labels, some of which are not finite, or beyond"):
        fit(view_of, TargetRate(), [("a", 1e200, 3), ("b", 0.0, 4)])


def test_mistakes_are_told():
    assert isinstance(TargetRate(), Encoding)
    assert TargetRate().mistakes("c") == TargetRate(smoothing=0.0).mistakes("c") == []
    assert "folds is 1; it must be a whole number, at least 2" in TargetRate(folds=1).mistakes("c")[0]
    assert TargetRate(smoothing="much").mistakes("c") == [
        "c: smoothing is 'much'; it must be a number, at least 0, or 'auto'"
    ]
    assert "seed is None" in TargetRate(seed=None).mistakes("c")[0]
