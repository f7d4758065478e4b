"""What a declared preprocessor takes and refuses: views, columns, names, and files that were not written here."""

import math
import typing
from dataclasses import replace

import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Codes, Hashed, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Drop, Preprocessor
from mlsys_assets.features.preprocessing.target_rate import TargetRate
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.types import utc

from .tables import table_of


@pytest.mark.parametrize("columns", [("a", "b"), ("c", "d"), ()])
@pytest.mark.parametrize("declared", [Preprocessor(), FOR_TREES])
def test_numbers_alone_categories_alone_and_no_columns_at_all(view_of, declared, columns):
    table = table_of([(1.0, 2.0, "p", "q")] * 3).select(columns)
    prepared = declared.fit(view_of(table))
    assert prepared.matrix.shape == (3, len(columns))
    assert prepared.preprocessing.transform(table[:0]).shape == (0, len(columns))


def test_a_dropped_column_is_not_read(view_of):
    table = table_of([(1.0, 2.0, "p", "q")]).append_column("day", pa.array([0], pa.date32()))
    fitted = Preprocessor(columns={"a": Drop(), "c": Drop(), "day": Drop()}).fit(view_of(table)).preprocessing
    assert fitted.columns == ("b", "d")
    assert fitted.transform({"b": 1.0, "d": "q"}).shape == (1, 2)


@pytest.mark.parametrize("kind", [Validation, OpenedTest])
def test_it_is_fitted_on_train_only(view_of, kind):
    table = table_of([(1.0, 2.0, "p", "q")])
    with pytest.raises(TypeError, match=f"preprocessing is fitted on a Train view only, got {kind.__name__}"):
        Preprocessor().fit(view_of(table, kind=kind))
    sealed = Test(view_of(table, kind=OpenedTest), name="t", content_hash="", as_of=utc("2013-02-01"))
    with pytest.raises(TypeError, match="got Test"):
        Preprocessor().fit(sealed)
    assert typing.get_type_hints(Preprocessor.fit)["train"] is Train
    assert not issubclass(kind, Train)


@pytest.mark.prove
def test_to_fit_on_other_than_train_is_a_type_error(tmp_path):
    """Of mypy, on the very call that is refused while it runs."""
    from mypy import api

    code = (
        "from mlsys_assets.data_sampling.views import Train, Validation\n"
        "from mlsys_assets.features.preprocessing.preprocessor import Preprocessor\n"
        "def right(train: Train) -> object: return Preprocessor().fit(train)\n"
        "def wrong(validation: Validation) -> object: return Preprocessor().fit(validation)\n"
    )
    file = tmp_path / "fits.py"
    file.write_text(code)
    told, _, status = api.run([str(file), "--strict"])
    assert status == 1
    assert told.count("error:") == 1
    assert 'Argument 1 to "fit" of "Preprocessor" has incompatible type "Validation"; expected "Train"' in told


def test_columns_that_are_not_there_are_named_with_what_is_meant(view_of):
    view = view_of(table_of([(1.0, 2.0, "p", "q")]).rename_columns(["speed", "b", "carrier", "d"]))
    with pytest.raises(ColumnError, match=r"names column\(s\) \['sped'\]; there are .*Did you mean 'speed'\?"):
        Preprocessor(columns={"sped": Numeric()}).fit(view)
    with pytest.raises(ColumnError, match=r"\['carier'\].*Did you mean 'carrier'\?"):
        Preprocessor(crosses=(Cross(("carier", "d")),)).fit(view)
    assert Preprocessor(columns={"x": Drop()}, crosses=(Cross(("x", "y")),)).needs == ("x", "y")


def test_what_is_made_for_another_type_is_refused(view_of):
    view = view_of(table_of([(1.0, 2.0, "p", "q")]))
    with pytest.raises(ColumnError, match=r"column 'c' holds string, for which Numeric\(\) is not made"):
        Preprocessor(columns={"c": Numeric()}).fit(view)
    with pytest.raises(ColumnError, match=r"column 'a' holds float, for which OneHot\(\) is not made"):
        Preprocessor(columns={"a": OneHot()}).fit(view)
    with pytest.raises(ColumnError, match=r"must be numbers or text, got \{'day': 'date32\[day\]'\}"):
        Preprocessor().fit(view_of(pa.table({"day": pa.array([0], pa.date32())})))


@pytest.mark.parametrize("declared", [Preprocessor(), Preprocessor(columns={"x": Drop()})])
def test_a_column_that_stands_twice_is_refused_as_nobody_can_say_which_is_meant(view_of, declared):
    table = pa.Table.from_arrays(
        [pa.array([1.0, 2.0]), pa.array([3.0, 4.0]), pa.array(["p", "q"])], names=["x", "x", "c"]
    )
    with pytest.raises(ColumnError, match=r"column\(s\) \['x'\] stand twice; rename or drop all but one"):
        declared.fit(view_of(table))
    fitted = declared.fit(view_of(pa.table({"x": [1.0, 2.0], "c": ["p", "q"]}))).preprocessing
    if "x" in fitted.columns:
        with pytest.raises(ColumnError, match=r"column\(s\) \['x'\] stand twice"):
            fitted.transform(table)
    else:
        assert fitted.transform(table).shape == (2, len(fitted.names))


def test_a_cross_named_as_a_column_is_refused_as_their_counts_would_be_one(view_of):
    table = pa.table({"a": ["x"], "b": ["u"], "a × b": ["k"]})
    with pytest.raises(ColumnError, match=r"names the columns \['a × b'\] twice; rename a column"):
        Preprocessor(crosses=(Cross(("a", "b"), Codes()),)).fit(view_of(table))


def test_outputs_of_one_name_or_too_many_are_refused_when_fitted(view_of):
    table = pa.table({"c": ["p", None], "c is missing": [1.0, 2.0]})
    with pytest.raises(ColumnError, match=r"names the outputs \['c is missing'\] twice; rename a column"):
        Preprocessor().fit(view_of(table))
    with pytest.raises(ColumnError, match="has 120001 outputs; at most 100000 are taken"):
        Preprocessor(columns={"d": Hashed(60_000)}, categories=Hashed(60_000)).fit(
            view_of(pa.table({"c": ["p"], "d": ["q"], "x": [1.0]}))
        )


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Preprocessor(numbers=OneHot()), "preprocessor: numbers is a OneHot; it must be Numeric or Drop"),
        (Preprocessor(numbers=Numeric(missing=None)), "preprocessor: numbers: missing is None"),
        (Preprocessor(categories=Numeric()), "preprocessor: categories is a Numeric; it must be Encoding or Drop"),
        (Preprocessor(categories=OneHot), "categories is the class OneHot; write OneHot(...)"),
        (Preprocessor(categories=OneHot(least=0)), "categories: least is 0"),
        (Preprocessor(columns=("a",)), "columns is a tuple; it must be Mapping"),
        (Preprocessor(columns={3: Drop()}), "a column's name is 3; it must be str"),
        (Preprocessor(columns={"a": None}), "columns['a'] is None; it must be Numeric or Encoding or Drop"),
        (Preprocessor(columns={"a": Hashed(0)}), "columns['a']: buckets is 0"),
        (Preprocessor(crosses=Cross(("a", "b"))), "was a comma forgotten?"),
        (Preprocessor(crosses=(Cross(("a",)),)), "crosses[0]: columns are ('a',)"),
        (Preprocessor(crosses=(Cross(("a", "b")), Cross(("b", "a")))), "'a × b' is crossed twice"),
        (Preprocessor(limit=0), "preprocessor: limit is 0; it must be a number, above 0"),
        (Preprocessor(limit=math.inf), "limit is inf"),
        (Preprocessor(beyond="rejct"), "Did you mean 'reject'?"),
    ],
)
def test_mistakes_are_told_all_at_once(declared, told):
    assert any(told in mistake for mistake in declared.mistakes()), declared.mistakes()


def test_a_sound_declaration_has_none_and_is_told_shortly():
    declared = Preprocessor(
        columns={"a": Numeric(Constant(-1.0), log=False, scale=None), "d": TargetRate(smoothing=5.0)},
        crosses=(Cross(("c", "d"), Hashed(16)),),
        beyond="missing",
    )
    assert declared.mistakes() == FOR_TREES.mistakes() == Preprocessor().mistakes() == []
    assert declared.described == (
        "Preprocessor(columns={'a': Numeric(missing=Constant(value=-1.0), scale=None), 'd': "
        "TargetRate(smoothing=5.0)}, crosses=(Cross(columns=('c', 'd'), encoding=Hashed(buckets=16)),), "
        "beyond='missing')"
    )
    assert Preprocessor().described == "Preprocessor()"
    assert hash(declared) == hash(replace(declared))
    assert FOR_TREES.described == (
        "Preprocessor(numbers=Numeric(missing=Leave(), indicator=False, scale=None), categories=Codes())"
    )


def test_notes_name_the_columns_that_tell_nothing(view_of):
    table = pa.table({"same": [4.0, 4.0], "none": pa.array([None, None], pa.float32()), "c": ["p", "p"], "x": [1, 2]})
    assert Preprocessor(categories=OneHot(least=1)).fit(view_of(table)).notes == (
        "'same' is 4 wherever it is known in training",
        "'none' has no value in training: its output is always the same",
        "'c' is 'p' in all training rows",
    )


@pytest.mark.parametrize(
    "written",
    [
        b'{"unknown": ' + b"[" * 100_000, b'{"limit": 0}', b'{"limit": 1e300}', b'{"limit": -1}',
        b'{"hashed": [{"name": "c", "buckets": 1000000000000}]}',
        b'{"hashed": [{"name": "c", "buckets": 8, "seed": -1}]}', b'{"categories": [{"name": "c", "values": [["a"]]}]}',
        b'{"amounts": [{"name": "c", "values": ["a"], "amounts": [], "unseen": 0, "missing": 0}]}',
        b'{"amounts": [{"name": "c", "values": ["a"], "amounts": [1e300], "unseen": 0, "missing": 0}]}',
        b'{"numbers": [{"name": "x", "bounds": [1, 0]}]}', b'{"numbers": [{"name": "x", "fill": 1e300}]}',
        b'{"numbers": [{"name": "x", "fill": -1, "log": true}]}', b'{"numbers": [{"name": "x", "center": 1e999}]}',
        b'{"numbers": [{"name": "x"}], "hashed": [{"name": "x", "buckets": 2}]}',
    ],
)  # fmt: skip
def test_a_file_that_was_not_written_here_is_refused(written):
    with pytest.raises(ValueError, match=r"."):
        Preprocessing.from_json(written)
