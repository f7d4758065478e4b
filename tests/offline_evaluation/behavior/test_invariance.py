"""What must not change a score, against models that are known to break it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import FunctionScorer, Probe
from mlsys_assets.offline_evaluation.behavior.invariance import PERMUTATIONS, Invariant, RowsAlone
from mlsys_assets.offline_evaluation.verdict import Verdict


@pytest.fixture(scope="module")
def probe(read_view, scorer):
    return Probe(scorer(lambda x: x[0] - 0.7, "temp"), read_view, threshold=0.4, seed=1)


def _with(probe, function, columns=("temp",)) -> Probe:
    return replace(probe, model=FunctionScorer(function, columns))


def test_a_column_that_is_not_read_flips_nothing_and_that_is_said(probe):
    for column in ("carrier", "tailnum"):
        found = Invariant(column).run(probe)
        assert found.verdict is Verdict.PASS
        assert (found.evidence["flips"], found.evidence["largest change"], found.evidence["read"]) == (0, 0.0, False)
        assert "the model does not read it" in found.summary


def test_flips_are_those_of_a_count_by_hand(probe):
    found = Invariant("temp", at_most=1.0).run(probe)
    temp, flips, largest = probe.rows.features["temp"].to_numpy(), 0, 0.0
    random = probe.random("permutation", "temp")
    for _ in range(PERMUTATIONS):
        for old, new in zip(temp.tolist(), temp[random.permutation(len(temp))].tolist(), strict=True):
            before, after = (1 / (1 + np.exp(0.7 - x)) for x in (old, new))
            flips += (before >= 0.4) != (after >= 0.4)
            largest = max(largest, abs(before - after))
    assert found.evidence["flips"] == flips
    assert found.evidence["largest change"] == pytest.approx(largest)
    assert found.evidence["share"] == flips / (PERMUTATIONS * len(temp))
    assert found.evidence["read"]


def test_so_many_may_flip_as_are_allowed(probe):
    share = Invariant("temp", at_most=1.0).run(probe).evidence["share"]
    assert 0.3 < share < 0.6
    assert Invariant("temp", at_most=share).run(probe).verdict is Verdict.PASS
    failed = Invariant("temp", at_most=share - 1e-6).run(probe)
    assert failed.verdict is Verdict.FAIL
    assert "leave the column out" in failed.summary


def test_a_column_that_is_read_in_secret_is_found(probe):
    """A model that says it reads ``temp`` alone and looks at ``seats``: one score in a million would be enough."""

    def secret(rows):
        temp, seats = read_numbers(rows, ["temp", "seats"]).astype(float)
        return 1 / (1 + np.exp(0.7 - temp)) * (1 - 1e-9 * (seats > 190))

    found = Invariant("seats", at_most=0.5).run(_with(probe, secret))
    assert found.verdict is Verdict.FAIL
    assert "and yet its scores change" in found.summary


def test_every_permutation_is_another_and_keeps_the_values(probe):
    tables = [t["temp"].to_numpy() for t in Invariant("temp").permuted(probe)]
    assert len({t.tobytes() for t in tables}) == PERMUTATIONS
    for table in tables:
        np.testing.assert_array_equal(np.sort(table), np.sort(probe.rows.features["temp"].to_numpy()))


def test_columns_are_handed_on_together(probe):
    rows = probe.rows.features
    pairs = set(zip(rows["carrier"].to_pylist(), rows["seats"].to_pylist(), strict=True))
    for table in Invariant("carrier", together=("seats",)).permuted(probe):
        assert set(zip(table["carrier"].to_pylist(), table["seats"].to_pylist(), strict=True)) == pairs
        assert table["temp"].equals(rows["temp"])
    apart = next(Invariant("carrier").permuted(probe))
    assert set(zip(apart["carrier"].to_pylist(), apart["seats"].to_pylist(), strict=True)) != pairs


def test_mistakes_are_told():
    assert Invariant("tailnum").mistakes(["temp"], request=["tailnum"]) == []
    assert Invariant("temp").mistakes(["temp"]) == []
    assert Invariant("tailnum").mistakes(["temp"], request=["temp", "id"])[0].endswith("no column; there are temp, id")
    together = Invariant("temp", together=("tailnum",)).mistakes(["temp"], request=["tailnum"])
    assert "names ['tailnum'], which are no feature columns" in together[0]
    assert "at_most is 1.5" in Invariant("temp", at_most=1.5).mistakes(["temp"])[0]
    assert "together is 'wind'" in Invariant("temp", together="wind").mistakes(["temp", "wind"])[0]
    assert "column is 3" in Invariant(3).mistakes(["temp"])[0]
    assert RowsAlone().mistakes([]) == []


def _temp(rows) -> np.ndarray:
    return 1 / (1 + np.exp(0.7 - read_numbers(rows, ["temp"])[0].astype(float)))


def _by_the_table(rows):
    temp = read_numbers(rows, ["temp"])[0].astype(float)
    return 1 / (1 + np.exp(-(temp - temp.mean())))


def _by_the_row_before(rows):
    score = _temp(rows)
    return (score + np.concatenate([score[:1], score[:-1]])) / 2


def _by_position(rows):
    if not isinstance(rows, pa.Table):
        return _temp(rows)
    read_numbers(rows, ["temp"])
    return 1 / (1 + np.exp(-np.nan_to_num(rows.column(2).to_numpy().astype(float))))


def _by_the_number_of_columns(rows):
    return _temp(rows) * (0.5 if len(rows.schema.names if isinstance(rows, pa.Table) else rows) > 6 else 1.0)


def _rounded_of_a_mapping(rows):
    return _temp(rows) if isinstance(rows, pa.Table) else np.round(_temp(rows), 12)


def _whatever_the_name(rows):
    name = "temp" if not isinstance(rows, pa.Table) or "temp" in rows.schema.names else "temp renamed"
    return 1 / (1 + np.exp(0.7 - read_numbers(rows, [name])[0].astype(float)))


@pytest.mark.parametrize(
    ("model", "broken"),
    [
        (_by_the_table, "the rows beside"),
        (_by_the_row_before, "the order of rows"),
        (_by_position, "the order of columns"),
        (_by_the_number_of_columns, "a further column"),
        (_rounded_of_a_mapping, "a mapping for a table"),
        (_whatever_the_name, "a column's other name"),
    ],
)  # fmt: skip
def test_a_model_that_looks_beside_a_row_is_found(probe, model, broken):
    found = RowsAlone().run(_with(probe, model))
    assert found.verdict is Verdict.FAIL
    assert broken in found.evidence["broken"]
    assert "read columns by name" in found.summary


def test_a_model_that_does_not_is_left_in_peace(probe):
    found = RowsAlone().run(_with(probe, _temp))
    assert found.verdict is Verdict.PASS, found.summary
    assert found.evidence["broken"] == ""


def _refuses_by_its_own_error(rows):
    if isinstance(rows, pa.Table) and "temp" not in rows.schema.names:
        raise RuntimeError("no temp")
    return _temp(rows)


def test_any_error_is_a_refusal_and_named(probe):
    assert RowsAlone().run(_with(probe, _temp)).evidence["refused by"] == "ColumnError"
    found = RowsAlone().run(_with(probe, _refuses_by_its_own_error))
    assert found.verdict is Verdict.PASS, found.summary
    assert found.evidence["refused by"] == "RuntimeError"
