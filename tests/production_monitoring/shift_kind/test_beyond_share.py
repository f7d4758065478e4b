"""Columns that moved as another share of positives moves them are told from such as moved by themselves."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.production_monitoring.shift_kind.beyond_share import beyond_share

from .simulated import REFERENCE, STILL, moved

BEFORE = STILL.rows(REFERENCE, seed=1)
CHANCE = 0.01


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_at_the_share_that_it_has_nothing_is_left_of_a_label_shift(share: float) -> None:
    window = moved(share=share, days=7, first_day=30).rows(5_000, seed=2)
    assert beyond_share(BEFORE, window, share, chance=CHANCE) is None
    unlabelled = replace(window, label=np.full(5_000, np.nan))
    assert beyond_share(BEFORE, unlabelled, share, chance=CHANCE) is None
    assert beyond_share(BEFORE, window, 1 - share, chance=CHANCE) is not None


@pytest.mark.parametrize("means", [(0.6, 0.0, 0.0, 0.0), (0.0, 0.6, 0.0, 0.0), (0.0, 0.0, 0.0, -0.6)])
def test_a_column_that_moved_by_itself_is_left_whatever_the_share(means: tuple[float, ...]) -> None:
    window = moved(means=means, days=7, first_day=30).rows(5_000, seed=2)
    for share in (0.2, 0.3, 0.4):
        name, by = beyond_share(BEFORE, window, share, chance=CHANCE) or ("", 0.0)
        assert name == f"x{int(np.argmax(np.abs(means)))}"
        assert by * sum(means) > 0


def test_a_column_that_tells_nothing_of_the_label_is_left_whole() -> None:
    window = moved(days=7, first_day=30).rows(5_000, seed=2)
    place = window.features.schema.get_field_index("x5")
    idle = window.features.set_column(place, "x5", [window.features["x5"].to_numpy() + np.float32(0.4)])
    found = beyond_share(BEFORE, replace(window, features=idle), 0.2, chance=CHANCE)
    assert found is not None
    assert found[0] == "x5"
    assert found[1] == pytest.approx(0.4, abs=0.05)
