import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Codes, Frequency, Hashed, OneHot
from mlsys_assets.features.preprocessing.hashed_category import bucket_of
from mlsys_assets.features.preprocessing.preprocessor import Drop, Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing

ALONE = Drop()


def fit(view_of, table, *crosses):
    return Preprocessor(categories=ALONE, crosses=crosses).fit(view_of(table))


def test_a_pair_of_values_is_one_category(view_of):
    table = pa.table({"carrier": ["UA", "UA", "AA", None], "dest": ["IAH", "ORD", "IAH", "IAH"]})
    prepared = fit(view_of, table, Cross(("carrier", "dest"), OneHot(least=1)))
    fitted = prepared.preprocessing
    assert fitted.columns == ("carrier", "dest")
    assert fitted.names == (
        'carrier × dest = ["AA","IAH"]', 'carrier × dest = ["UA","IAH"]', 'carrier × dest = ["UA","ORD"]',
        "carrier × dest is missing",
    )  # fmt: skip
    assert prepared.matrix.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    new = {"carrier": "AA", "dest": "ORD"}
    assert fitted.transform(new).tolist() == [[0, 0, 0, 0]]
    assert fitted.encode(new).unseen == {"carrier × dest": 1}
    assert fitted.unseen(table) == {"carrier × dest": 0}
    assert Preprocessing.from_json(fitted.to_json()) == fitted


def test_its_columns_stand_beside_it_as_they_are_declared(view_of):
    table = pa.table({"c": ["a", "b"] * 50, "d": ["x"] * 100})
    declared = Preprocessor(crosses=(Cross(("d", "c"), Codes()),), columns={"c": Codes()})
    fitted = declared.fit(view_of(table)).preprocessing
    assert fitted.names == ("c", "d = x", "d × c")
    assert fitted.columns == ("c", "d")
    assert fitted.code_outputs == (0, 2)
    assert fitted.made_of == (("c",), ("d",), ("d", "c"))


texts = st.text(alphabet='a" ×,[]\\:1', max_size=4)


@pytest.mark.parametrize("encoding", [OneHot(least=1), Codes()], ids=str)
@given(st.sets(st.tuples(texts, texts), min_size=2, max_size=8).map(sorted))
def test_no_separator_makes_two_pairs_one(view_of, encoding, pairs):
    """Neither outputs nor their names: ("a", "b × c") is not ("a × b", "c")."""
    table = pa.table({"c": [p[0] for p in pairs], "d": [p[1] for p in pairs]})
    prepared = fit(view_of, table, Cross(("c", "d"), encoding))
    assert len(set(prepared.preprocessing.names)) == len(prepared.preprocessing.names)
    assert len(np.unique(prepared.matrix, axis=0)) == len(pairs)
    assert len({bucket_of(pair, 1 << 64, 0) for pair in pairs}) == len(pairs)


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", None])] * 3), min_size=1, max_size=20))
def test_three_columns_are_taken_together_as_well(view_of, rows):
    table = pa.table({n: pa.array([r[j] for r in rows], pa.string()) for j, n in enumerate("cde")})
    prepared = fit(view_of, table, Cross(("e", "c", "d"), Frequency()))
    expected = [sum((None in o) == (None in r) and (None in r or o == r) for o in rows) / len(rows) for r in rows]
    np.testing.assert_allclose(prepared.matrix[:, 0], expected, rtol=1e-6)


def test_what_could_make_a_million_outputs_is_refused_and_not_tried(view_of):
    n = 1_000
    table = pa.table({"tail": [f"N{i}" for i in range(n)], "flight": [f"F{i}" for i in range(n)]})
    with pytest.raises(ColumnError, match=r"'tail × flight' could make 1,000,000 outputs .*Hashed"):
        fit(view_of, table, Cross(("tail", "flight"), OneHot(least=1)))
    assert fit(view_of, table, Cross(("tail", "flight"), Hashed(32))).matrix.shape == (n, 32)
    assert fit(view_of, table, Cross(("tail", "flight"), Frequency())).matrix.shape == (n, 1)


def test_more_pairs_than_outputs_share_one_and_it_is_told(view_of):
    table = pa.table({"c": [f"{i % 30}" for i in range(900)], "d": [f"{i // 30}" for i in range(900)]})
    prepared = fit(view_of, table, Cross(("c", "d"), OneHot(least=1, most=100)))
    assert prepared.matrix.shape == (900, 101)
    assert prepared.matrix.sum() == 900
    assert prepared.notes == (
        "'c × d' has 900 values of at least 1 rows: the 100 most frequent have an output, the others share one",
    )
    hashed = fit(view_of, table, Cross(("c", "d"), OneHot(most=100)))
    assert hashed.matrix.shape == (900, 100)
    assert hashed.notes == ("'c × d' has 900 values, none of them 50 times: they are hashed",)


def test_numbers_are_not_crossed_and_mistakes_are_told(view_of):
    with pytest.raises(ColumnError, match="'x' must hold text, got int64"):
        Preprocessor(crosses=(Cross(("c", "x")),)).fit(view_of(pa.table({"c": ["a"], "x": [1]})))
    assert Cross(("c", "d")).mistakes("crosses[0]") == []
    assert "crosses[0]: columns is 'cd'" in Cross("cd").mistakes("crosses[0]")[0]
    for columns in (("c",), ("c", "c"), ("a", "b", "c", "d")):
        assert "it must be two or three different ones" in Cross(columns).mistakes("crosses[0]")[0]
    assert "encoding is None" in Cross(("c", "d"), None).mistakes("crosses[0]")[0]
    assert "encoding: least is 0" in Cross(("c", "d"), OneHot(least=0)).mistakes("crosses[0]")[0]
