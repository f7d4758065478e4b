"""Rows that stay away or come twice, against what usually comes."""

import numpy as np
import pytest

from mlsys_assets import TimeWindow, Weekly, days, hours
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.production_monitoring.pipeline.volume import Flow, volume

COUNTS = (6_100, 6_500, 6_400, 6_600, 6_300)
USUAL = Flow(COUNTS, 8.0)


@pytest.mark.parametrize("rows", [0, 1, 3_000, 13_000, 60_000])
def test_far_fewer_and_far_more(rows: int) -> None:
    (found,) = volume(rows, usual=USUAL, where="weather").symptoms
    assert found.where == "weather"
    assert found.size == pytest.approx(rows / np.median(COUNTS))


@pytest.mark.parametrize("rows", [4_500, 6_300, 8_000])
def test_about_as_many(rows: int) -> None:
    assert volume(rows, usual=USUAL).symptoms == ()


def test_what_some_window_had_is_usual() -> None:
    assert volume(2_500, usual=Flow((*COUNTS, 2_400), 8.0)).symptoms == ()
    assert volume(12_000, usual=Flow((*COUNTS, 12_500), 8.0)).symptoms == ()


def test_small_counts_vary() -> None:
    rng = np.random.default_rng(0)
    assert not any(
        volume(int(rng.poisson(8)), usual=Flow(tuple(rng.poisson(8, 8).tolist()), 1.0)).symptoms for _ in range(1_000)
    )


@pytest.mark.parametrize("usual", [(), (5, 6, 7), (0, 0, 0, 0, 0)])
def test_without_a_history_nothing_is_usual(usual: tuple[int, ...]) -> None:
    found = volume(100, usual=Flow(usual, 1.0))
    assert found.symptoms == ()
    assert "volume" in found.untold


def came(calendar, daily: list[int], start: str = "2013-01-07") -> tuple[np.ndarray, tuple[TimeWindow, ...]]:
    first = np.datetime64(start, "us")
    at = np.concatenate([first + np.timedelta64(i, "D") + np.arange(n) * np.timedelta64(1, "s")
                         for i, n in enumerate(daily)])  # fmt: skip
    window = TimeWindow.of(start, start)
    return at, calendar.ticks(TimeWindow(window.start, window.start + days(len(daily))))


def test_a_flow_counts_what_came_in_each_window_in_any_order() -> None:
    at, weeks = came(Weekly("2013-01-07"), [900, 900, 900, 900, 900, 500, 700] * 4 + [0])
    flow = Flow.of(np.random.default_rng(0).permutation(at), weeks[:4])
    assert flow.counts == (5_700,) * 4
    week = np.array([900] * 5 + [500, 700])
    assert flow.dispersion == pytest.approx(np.tile(week, 4).var(ddof=1) / week.mean())
    assert Flow.of(at, weeks).counts[-1] == 0


def test_a_flow_by_the_hour_knows_its_days() -> None:
    start = TimeWindow.of("2013-01-07", "2013-01-21").start
    ticks = [TimeWindow(start + hours(i), start + hours(i + 1)) for i in range(14 * 24)]
    daily = np.array([24, 240] * 7)
    at = np.concatenate(
        [moment(start) + np.timedelta64(i, "D") + np.repeat(np.arange(24), n // 24) * np.timedelta64(1, "h")
         for i, n in enumerate(daily)]
    )  # fmt: skip
    flow = Flow.of(at, ticks)
    assert set(flow.counts) == {1, 10}
    assert flow.dispersion == pytest.approx(daily.var(ddof=1) / daily.mean())


def test_what_comes_in_bursts_may_come_in_a_burst() -> None:
    storms, weeks = came(Weekly("2013-01-07"), [9, 9, 9, 9, 9, 9, 9, 0, 2, 40, 30, 5, 9, 9] * 2)
    assert volume(260, usual=Flow.of(storms, weeks), where="cancellations").symptoms == ()
    even, weeks = came(Weekly("2013-01-07"), [11] * 28)
    assert len(volume(260, usual=Flow.of(even, weeks), where="cancellations").symptoms) == 1
    assert len(volume(0, usual=Flow.of(even, weeks)).symptoms) == 1


def test_nothing_ever_came() -> None:
    assert Flow.of(np.empty(0, "datetime64[us]"), came(Weekly("2013-01-07"), [1] * 28)[1]) == Flow((0,) * 4, 1.0)
    assert Flow.of(np.empty(0, "datetime64[us]"), ()) == Flow((), 1.0)
