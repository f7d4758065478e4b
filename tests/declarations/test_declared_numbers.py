"""What is no number that can be computed with is a mistake in words, however odd."""

import numpy as np
import pytest

from mlsys_assets.mistakes import out_of_range


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10**400, "a number of 1,329 bits"),
        (-(10**5000), "a number of 16,610 bits"),  # which Python would not even write out
        (np.timedelta64(1, "D"), "timedelta64"),  # a whole number to NumPy
        (float("inf"), "inf"),
        (True, "True"),
        ("1", "'1'"),
    ],
    ids=["large", "too large to be written", "duration", "infinite", "boolean", "text"],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_no_number_can_be_is_told(value, shown, whole) -> None:
    (found,) = out_of_range("share", value, whole=whole, least=-1)
    assert f"{'a whole number' if whole else 'a number'}, at least -1" in found
    assert shown in found


@pytest.mark.parametrize("value", [1, 10**30, np.int64(5)])
def test_what_is_a_number_is_none(value) -> None:
    assert out_of_range("share", value, whole=True, least=1) == []
