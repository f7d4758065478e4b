import math
import re

import numpy as np
import pytest

from mlsys_assets.models.tuning.space import Choice, Dimension, Integers, Reals

SOUND = {
    "choice": Choice(("gbdt", "dart", None, True, 1.5)),
    "integers": Integers(3, 40),
    "integers_by_log": Integers(1, 1000, log=True),
    "reals": Reals(-1.0, 2.0),
    "reals_by_log": Reals(1e-4, 10.0, log=True),
    "one_number": Integers(5, 5),
}


@pytest.fixture(params=SOUND)
def dimension(request):
    return SOUND[request.param]


def test_a_dimension_is_soundly_declared_and_its_levels_lie_within_it(dimension):
    assert isinstance(dimension, Dimension)
    assert dimension.mistakes("x") == []
    for most in (1, 2, 3, 7):
        levels = dimension.levels(most)
        assert len(set(levels)) == len(levels) <= max(most, len(getattr(dimension, "options", ())))
        assert all(dimension.distribution()._contains(dimension.distribution().to_internal_repr(v)) for v in levels)


def test_levels_are_evenly_spread_with_both_ends_among_them():
    assert Integers(1, 9).levels(5) == (1, 3, 5, 7, 9)
    assert Integers(1, 3).levels(9) == (1, 2, 3)
    assert np.allclose(Reals(1e-4, 1.0, log=True).levels(5), np.geomspace(1e-4, 1.0, 5))
    assert Reals(1e-4, 0.3, log=True).levels(3)[::2] == (1e-4, 0.3)
    assert Reals(1.0, 100.0, log=True).levels(1) == (pytest.approx(10.0),)
    assert Choice((3, 1, 2)).levels(1) == (3, 1, 2)


@pytest.mark.parametrize(
    ("dimension", "said"),
    [
        (Choice(()), "options are empty; give two or more"),
        (Choice((1, 2, 1)), "hold a value twice"),
        (Choice([1, 2]), "must be a tuple"),
        (Choice((object(),)), r"options\[0\] is a object"),
        (Integers(5, 3), "low is 5 and high is 3; swap them"),
        (Integers(0, 3, log=True), "low is 0, which has no logarithm"),
        (Integers(1.5, 3), "low is 1.5; it must be a whole number"),
        (Reals(2.0, 1.0), "swap them"),
        (Reals(-1.0, 1.0, log=True), "has no logarithm"),
        (Reals(0.0, math.inf), "high is inf; it must be a number"),
        (Reals("0", 1.0), "low is '0'; it must be a number"),
    ],
)
def test_a_mistake_is_told(dimension, said):
    (mistake,) = dimension.mistakes("space['x']")
    assert mistake.startswith("space['x']: ")
    assert re.search(said, mistake)


@pytest.mark.parametrize("options", [(1, True), (0, 0.0), (2, 3, 2)])
def test_options_that_are_equal_are_one_for_a_search(options):
    (mistake,) = Choice(options).mistakes("x")
    assert "hold a value twice" in mistake
