"""What is declared is what comes out: against a plain implementation, value by value, of the definition."""

import hashlib
import math
import statistics
import typing
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Codes, Frequency, Hashed, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant, Leave, Mean, Median, Mode
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Drop, Preprocessor
from mlsys_assets.features.preprocessing.scaling import MinMax, Robust, Standard
from mlsys_assets.features.preprocessing.target_rate import TargetRate
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.types import utc

NAMES = ("a", "b", "c", "d")
LIMIT = 1e9


@dataclass
class Oracle:
    """The definition, one value after the other: nothing of NumPy, nothing of what is tested but the declaration."""

    declared: Preprocessor
    rows: list[dict]
    label: list[float]

    def outputs(self, row: dict) -> list[float]:
        numbers, marks, categories, amounts, hashed = [], [], [], [], []
        for name in ("a", "b"):
            one = self.declared.columns.get(name, self.declared.numbers)
            if isinstance(one, Numeric):
                value, marked = self._number(name, one, row[name])
                numbers.append(value)
                marks += marked
        parts = [((n,), self.declared.columns.get(n, self.declared.categories)) for n in ("c", "d")]
        for names, said in parts + [(c.columns, c.encoding) for c in self.declared.crosses]:
            if isinstance(said, Drop):
                continue
            one = said
            value, seen = self._key(row, names), [self._key(r, names) for r in self.rows]
            where = hashed if isinstance(one, Hashed) else categories if isinstance(one, OneHot | Codes) else amounts
            if isinstance(one, OneHot) and self._all_rare(one, seen):
                where, one = hashed, Hashed(min(said.most, 256))
            where += self._category(one, value, seen)
        return numbers + marks + categories + amounts + hashed

    @staticmethod
    def _key(row, names):
        parts = tuple(row[n] for n in names)
        return None if None in parts else parts

    @staticmethod
    def _all_rare(one, seen):
        counts = Counter(v for v in seen if v is not None)
        return len(counts) > one.most and max(counts.values()) < one.least

    def _met(self, x, log):
        """A number after the rule for what is beyond the limit; None if missing."""
        if x is None or math.isnan(x):
            return None
        low, high = (0.0 if log else -LIMIT), LIMIT
        if x < low or x > high:
            if self.declared.beyond == "reject":
                raise ColumnError
            return None if self.declared.beyond == "missing" else min(max(x, low), high)
        return x

    def _number(self, name, one, x):
        seen = [self._met(r[name], one.log) for r in self.rows]
        there = [v for v in seen if v is not None]
        x = self._met(x, one.log)
        fill = self._fill(one.missing, there)
        marked = [float(x is None)] if one.indicator and None in seen else []
        if not there and fill is not None:
            x = None  # nothing was learned of any value: it is as if missing
        filled = [v for v in (fill if v is None else v for v in seen) if v is not None]
        x = fill if x is None else x
        if x is None:
            return math.nan, marked
        if one.log:
            filled, x = [math.log1p(v) for v in filled], math.log1p(x)
        if one.scale is None or not filled:
            return x, marked
        return self._scaled(one.scale, sorted(filled), x), marked

    @staticmethod
    def _fill(missing, there):
        counts = Counter(there)
        match missing:
            case Leave():
                return None
            case Constant():
                return missing.value
            case Mean():
                return statistics.fmean(there) if there else 0.0
            case Median():
                return statistics.median(there) if there else 0.0
        return min((v for v, n in counts.items() if n == max(counts.values())), default=0.0)

    @staticmethod
    def _scaled(scale, values, x):
        def quantile(q):
            at = q * (len(values) - 1)
            below = math.floor(at)
            above = min(below + 1, len(values) - 1)
            return values[below] + (values[above] - values[below]) * (at - below)

        match scale:
            case Standard():
                mean = statistics.fmean(values)
                found = (x - mean) / (statistics.pstdev(values, mean) if values[0] < values[-1] else 1.0)
            case Robust():
                found = (x - quantile(0.5)) / (quantile(0.75) - quantile(0.25) or 1.0)
            case MinMax():
                share = (x - values[0]) / (values[-1] - values[0] or 1.0)
                found = scale.low + share * (scale.high - scale.low)
                if scale.clip:
                    found = min(max(found, scale.low), scale.high)
        return min(max(found, -1e6), 1e6)

    def _category(self, one, value, seen):
        counts = Counter(v for v in seen if v is not None)
        match one:
            case Codes():
                return [float(sorted(counts).index(value)) if value in counts else math.nan]
            case OneHot():
                frequent = sorted((-n, v) for v, n in counts.items() if n >= one.least)[: one.most]
                kept = sorted(v for _, v in frequent)
                other = [float(value is not None and value not in kept)] if len(kept) < len(counts) else []
                missing = [float(value is None)] if None in seen else []
                return [float(value == v) for v in kept] + other + missing
            case Frequency():
                return [seen.count(value) / len(seen)]
            case Hashed():
                data = b""
                for text in value or ():
                    data += len(text.encode()).to_bytes(8, "little") + text.encode()
                digest = hashlib.blake2b(data, digest_size=8, key=one.seed.to_bytes(8, "little")).digest()
                bucket = int.from_bytes(digest, "little") % one.buckets
                return [float(value is not None and j == bucket) for j in range(one.buckets)]
        prior = statistics.fmean(self.label)
        own = [y for v, y in zip(seen, self.label, strict=True) if v == value]
        weight = one.smoothing
        if weight == "auto" and own:
            spread = statistics.pvariance(self.label)
            weight = statistics.pvariance(own) / spread if spread else math.inf
        return [(sum(own) + weight * prior) / (len(own) + weight) if own and weight < math.inf else prior]


number = st.none() | st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan]) | st.floats(-2e3, 2e3, width=32)
positive = st.none() | st.sampled_from([0.0, -0.0, 5.0]) | st.floats(0, 2e3, width=32)
text = st.none() | st.sampled_from(["p", "q", "", "é"])
later_number = number | st.sampled_from([math.inf, -math.inf, 1e10, -1e10, 1e9, -3.0])
later_text = text | st.sampled_from(["new", "[", "pq"])
training = st.lists(st.tuples(number, positive, text, text, st.sampled_from([0.0, 1.0])), max_size=12)
serving = st.lists(st.tuples(later_number, later_number, later_text, later_text), min_size=1, max_size=6)

fills = st.sampled_from([Leave(), Mean(), Median(), Mode(), Constant(-5e3), Constant(1.0, possible=True)])
scales = st.sampled_from([None, Standard(), MinMax(), MinMax(-1, 1), MinMax(-1, 1, clip=True), Robust()])
numerics = st.builds(Numeric, missing=fills, indicator=st.booleans(), scale=scales)
never_negative = fills.filter(lambda one: one != Constant(-5e3))
logarithms = st.builds(Numeric, missing=never_negative, indicator=st.booleans(), scale=scales, log=st.just(True))
encodings = st.one_of(
    st.builds(OneHot, least=st.integers(1, 3), most=st.integers(1, 3)),
    st.builds(Hashed, buckets=st.integers(1, 4), seed=st.integers(0, 2)),
    st.builds(TargetRate, folds=st.integers(2, 3), smoothing=st.sampled_from(["auto", 0.0, 2.5])),
    st.sampled_from([Codes(), Frequency()]),
)
declarations = st.builds(
    Preprocessor,
    numbers=numerics | st.just(Drop()),
    categories=encodings | st.just(Drop()),
    columns=st.fixed_dictionaries(
        {}, optional={"a": numerics | st.just(Drop()), "b": numerics | logarithms, "c": encodings, "d": encodings}
    ),
    crosses=st.just(()) | st.tuples(st.builds(Cross, st.sampled_from([("c", "d"), ("d", "c")]), encodings)),
    limit=st.just(LIMIT),
    beyond=st.sampled_from(["reject", "clip", "missing"]),
)


def table_of(rows):
    kinds = [pa.float32(), pa.float32(), pa.string(), pa.string()]
    columns = {n: pa.array([r[j] for r in rows], k) for j, (n, k) in enumerate(zip(NAMES, kinds, strict=True))}
    return pa.table(columns)


def disguised(table, cut, order):
    """The same rows in chunks, wider, as dictionaries and large strings, in another order, with a further column."""
    table = pa.concat_tables([table[:cut], table[cut:]])
    table = table.set_column(0, "a", table["a"].cast(pa.float64()))
    table = table.set_column(2, "c", table["c"].dictionary_encode())
    table = table.set_column(3, "d", table["d"].cast(pa.large_string()))
    return table.append_column("extra", pa.array([object.__name__] * len(table))).select(order)


@settings(max_examples=150)
@given(declarations, training, serving, st.integers(0, 6), st.permutations([*NAMES, "extra"]))
def test_every_declaration_does_what_its_definition_says(view_of, bits, declared, rows, later, cut, order):
    assert declared.mistakes() == []
    rows = [*rows, (1.0, 1.0, "p", "q", 0.0), (2.5, 3.0, "q", "p", 1.0)]
    train = table_of(rows)
    label = [r[4] for r in rows]
    prepared = declared.fit(view_of(train, label))
    fitted = prepared.preprocessing
    oracle = Oracle(declared, train.to_pylist(), label)
    assert Preprocessing.from_json(fitted.to_json()) == fitted
    assert prepared.matrix.shape == (len(rows), len(fitted.names))
    told = [j for j, name in enumerate(fitted.names) if name not in [c.name for c in fitted.amounts]]
    assert bits(prepared.matrix[:, told]) == bits(fitted.transform(train)[:, told])
    table = table_of(later)
    dictionaries = table.to_pylist()
    try:
        expected = [oracle.outputs(row) for row in dictionaries]
    except ColumnError:
        for wrong in (table, disguised(table, cut, order)):
            with pytest.raises(ColumnError, match=r"beyond|below 0"):
                fitted.transform(wrong)
        return
    found = fitted.transform(table)
    np.testing.assert_allclose(found, np.array(expected).reshape(found.shape), rtol=1e-5, atol=1e-6)
    assert bits(found) == bits(np.concatenate([fitted.transform(row) for row in dictionaries]))
    assert bits(found) == bits(fitted.transform(disguised(table, cut, order)))


def test_the_oracle_finds_planted_bugs(view_of):
    """A median for a mean, a code off by one, a bucket of another seed: each differs from what is declared."""
    rows = [(1.0, 0.0, "p", "q"), (2.0, 1.0, "q", "q"), (6.0, 8.0, "q", None)]
    table, label = table_of(rows), [0.0, 1.0, 1.0]
    plain = Preprocessor(numbers=Numeric(Mean()), categories=Codes())
    for wrong in (
        replace(plain, numbers=Numeric(Mean(), scale=Robust())),
        replace(plain, categories=Frequency()),
        replace(plain, columns={"d": TargetRate()}),
        replace(plain, columns={"b": Numeric(log=True)}),
    ):
        found = wrong.fit(view_of(table, label)).preprocessing.transform(table)
        expected = [Oracle(plain, table.to_pylist(), label).outputs(row) for row in table.to_pylist()]
        assert not np.allclose(found, expected, equal_nan=True)


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
