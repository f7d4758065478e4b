"""Text is read as the declared type or rejected, alike whatever stands beside it."""

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.casting import cast, read_moments

NUMBERS = st.one_of(
    st.text("0123456789+-.eExX nNaAiIfF_", max_size=8), st.integers().map(str), st.floats().map(repr), st.none()
)
KINDS = ["int64", "float64", "float32", "bool", "timestamp"]


def read(values: list[str | None], kind: str) -> list[tuple[str, bool]]:
    typed, unreadable = cast(pa.chunked_array([pa.array(values, pa.string())]), kind)
    broken = [False] * len(values) if unreadable is None else unreadable.tolist()
    return [(str(value), bad) for value, bad in zip(typed, broken, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(NUMBERS, max_size=8))
def test_a_value_is_read_alike_whatever_stands_beside_it(kind: str, values: list[str | None]) -> None:
    assert read(values, kind) == [read([value], kind)[0] for value in values]


@pytest.mark.parametrize("text", ["0x1f", "0X1F", "-0X1", "five", "5.5", "+5", " 5", "5 ", "", "9223372036854775808"])
@pytest.mark.parametrize("beside", [[], ["much"]], ids=["alone", "beside what cannot be read"])
def test_what_is_no_whole_number(text: str, beside: list[str]) -> None:
    assert read([text, *beside], "int64")[0] == ("None", True)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_whole_number_is_read(number: int) -> None:
    typed, unreadable = cast(pa.chunked_array([[str(number), "much"]]), "int64")
    assert typed.to_pylist() == [number, None]
    assert unreadable.tolist() == [False, True]


@given(st.floats(allow_nan=False))
def test_every_decimal_is_read(number: float) -> None:
    typed, _ = cast(pa.chunked_array([[repr(number), "much"]]), "float64")
    assert typed[0].as_py() == number


def test_moments_that_do_not_exist_are_null() -> None:
    text = ["2013-01-05T06:00:00Z", "2013-02-30T06:00:00Z", "2013-01-05 06:00:00", "", None, "soon"]
    moments = read_moments(pa.chunked_array([pa.array(text)]))
    assert moments.is_valid().to_pylist() == [True] + [False] * 5
