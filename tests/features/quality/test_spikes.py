"""Numbers that stand for missing are found where they lie apart; what measurements pile up at is not."""

import numpy as np
import pytest

from mlsys_assets.features.quality.spikes import spikes
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import Severity

N = 4_000
RANDOM = np.random.default_rng(0)


def some(share: float, value: float, others: np.ndarray) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(N) < share, value, others)


CONTACTED = RANDOM.integers(0, 28, N).astype(float)
AMOUNTS = RANDOM.lognormal(8, 2, N)
WARM = RANDOM.normal(60, 15, N)
SENTINELS = {
    "days since a contact": (some(0.96, 999, CONTACTED), 999),
    "never, as -1": (some(0.8, -1, RANDOM.integers(1, 800, N)), -1),
    "nines below": (some(0.02, -9999, WARM), -9999),
    "few nines below": (some(0.003, -9999, WARM), -9999),
    "a thousand million": (some(0.01, 1e9, AMOUNTS), 1e9),
    "the largest of its type": (some(0.01, 2**31 - 1, WARM), 2**31 - 1),
    "any value, far away": (some(0.05, 1234, RANDOM.uniform(0, 10, N)), 1234),
    "nines not far above prices": (some(0.05, 999, RANDOM.uniform(0, 400, N)), 999),
    "99 of a scale of five": (some(0.05, 99, RANDOM.integers(1, 6, N)), 99),
}
VALUES = {
    "no rain": some(0.9, 0, RANDOM.exponential(0.1, N)),
    "as far as can be seen": some(0.8, 10, np.round(RANDOM.uniform(0, 10, N), 1)),
    "ages up to 99": np.minimum(RANDOM.integers(18, 110, N), 99),
    "a sign": RANDOM.integers(-1, 2, N),
    "a code": RANDOM.choice([0, 1, 5], N),
    "truth": RANDOM.integers(0, 2, N),
    "money, mostly none": some(0.6, 0, AMOUNTS),
    "a long tail": RANDOM.standard_cauchy(N),
    "minutes early and late": np.round(RANDOM.normal(5, 30, N)),
    "one outlier": np.where(np.arange(N) == 7, 9_999.0, WARM),
    "counts up to a million": RANDOM.integers(0, 1_000_000, N),
    "nothing at all": np.full(N, np.nan),
    "always 999": np.full(N, 999.0),
    "one of two amounts": some(0.5, 999, np.full(N, 5.0)),
}


@pytest.mark.parametrize("name", SENTINELS)
def test_what_stands_for_missing_is_named_with_its_value_share_and_remedy(view_of, name) -> None:
    values, sentinel = SENTINELS[name]
    found = spikes(view_of({"pdays": values, "other": WARM}))
    (one,) = found.found
    assert (one.column, one.value) == ("pdays", np.float32(sentinel))
    assert one.share == pytest.approx((values == sentinel).mean())
    assert not found.finding.passed
    assert found.finding.severity is Severity.WARN
    assert f"Column('pdays', ..., sentinels=({np.float64(np.float32(sentinel)):.10g},))" in found.finding.summary
    assert len(found.thumbnail()) < LIMIT
    assert "pdays" in found.plot()
    assert found.table()[0]["value"] == one.value


@pytest.mark.parametrize("name", VALUES)
def test_what_is_measured_is_not(view_of, name) -> None:
    found = spikes(view_of({"x": VALUES[name]}))
    assert found.found == ()
    assert found.finding.passed


def test_the_bank_is_told_in_a_sentence(view_of) -> None:
    columns = {
        "age": RANDOM.integers(18, 90, N),
        "pdays": np.where(np.arange(N) % 25 > 0, 999, CONTACTED),
        "job": ["maid"] * N,
    }
    assert spikes(view_of(columns)).finding.summary == (
        "pdays is 999 in 96.0% of its rows, and nearly always from 0 to 27 in the others. If it stands for missing, "
        "declare that where the source's raw column is: Column('pdays', ..., sentinels=(999,))"
    )


def test_two_marks_do_not_hide_each_other(view_of) -> None:
    values = some(0.1, -9999, np.where(RANDOM.random(N) < 0.1, -99999, WARM))
    assert {one.value for one in spikes(view_of({"x": values})).found} == {-9999, -99999}


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_handful_of_rows_says_nothing(view_of, n) -> None:
    assert spikes(view_of({"x": np.array([999.0, 1, 2])[:n]})).finding.passed
