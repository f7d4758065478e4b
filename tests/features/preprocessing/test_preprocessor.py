"""What is declared is what comes out: against a plain implementation, value by value, of the definition."""

import hashlib
import math
import statistics
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Codes, Frequency, Hashed, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant, Leave, Mean, Median, Mode
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import Drop, Preprocessor
from mlsys_assets.features.preprocessing.scaling import MinMax, Robust, Standard
from mlsys_assets.features.preprocessing.target_rate import TargetRate
from mlsys_assets.features.preprocessing.transform import Preprocessing

from .tables import NAMES, table_of

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
