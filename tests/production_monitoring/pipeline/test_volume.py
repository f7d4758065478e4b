"""Rows that stay away or come twice, against what usually comes."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.pipeline.volume import volume

USUAL = (6_100, 6_500, 6_400, 6_600, 6_300)


@pytest.mark.parametrize("rows", [0, 1, 3_000, 13_000, 60_000])
def test_far_fewer_and_far_more(rows: int) -> None:
    (found,) = volume(rows, usual=USUAL, where="weather").symptoms
    assert found.where == "weather"
    assert found.size == pytest.approx(rows / np.median(USUAL))


@pytest.mark.parametrize("rows", [4_500, 6_300, 8_000])
def test_about_as_many(rows: int) -> None:
    assert volume(rows, usual=USUAL).symptoms == ()


def test_what_some_window_had_is_usual() -> None:
    assert volume(2_500, usual=(*USUAL, 2_400)).symptoms == ()
    assert volume(12_000, usual=(*USUAL, 12_500)).symptoms == ()


def test_small_counts_vary() -> None:
    rng = np.random.default_rng(0)
    assert not any(volume(int(rng.poisson(8)), usual=rng.poisson(8, 8).tolist()).symptoms for _ in range(1_000))


@pytest.mark.parametrize("usual", [(), (5, 6, 7), (0, 0, 0, 0, 0)])
def test_without_a_history_nothing_is_usual(usual: tuple[int, ...]) -> None:
    found = volume(100, usual=usual)
    assert found.symptoms == ()
    assert "volume" in found.untold
