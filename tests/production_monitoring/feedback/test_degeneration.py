"""A list that narrows and leaves the rest unknown is told; one that does not, is quiet."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_ind

from mlsys_assets import Weekly
from mlsys_assets.production_monitoring.feedback.degeneration import Degeneration, degenerate, falling, trend
from mlsys_assets.production_monitoring.feedback.diversity import Diversity, by_window
from mlsys_assets.production_monitoring.feedback.shown import ShownLog

MONDAY = np.datetime64("2013-01-07", "us")
CALENDAR = Weekly("2012-12-31")


def windows(shares: list[np.ndarray], *, seed: int, shown: int = 10) -> list[Diversity]:
    """Return the weeks of a list whose items come with the shares of each week."""
    rng, n = np.random.default_rng(seed), len(shares[0])
    item = np.concatenate([rng.choice(n, size=7 * shown, p=share) for share in shares])
    day = np.repeat(np.arange(7 * len(shares)), shown)
    log = ShownLog(tuple(map(str, range(n))), item, MONDAY + day * np.timedelta64(1, "D"))
    return list(by_window(log, CALENDAR).values())


def narrowing(n: int, weeks: int) -> list[np.ndarray]:
    """Return shares by which each week's list goes to a smaller part of the catalogue, from all to a twentieth."""
    kept = np.geomspace(n, n / 20, weeks).round()
    return [np.where(np.arange(n) < k, 1 / k, 0) for k in kept]


def window(effective: float, *, catalogue: int = 100, reached: float = 10) -> Diversity:
    return Diversity(70, 20, catalogue, np.nan, 0.5, 3.0, effective, np.nan, reached)


def test_a_list_that_stays_as_it_is_gives_at_most_five_alarms_in_a_thousand() -> None:
    """Catalogues of 5 to 300 items, few of them or all in fashion; without propensities nothing else acquits."""
    alarms, low = 0, 0
    for seed in range(1_000):
        rng = np.random.default_rng(10_000 + seed)
        share = rng.dirichlet(np.full(rng.integers(5, 300), rng.choice([0.1, 0.5, 5.0])))
        told = windows([share] * 9, seed=seed)
        alarms += not degenerate(told).passed
        found = trend(told)
        assert found is not None
        low += found.p <= 0.05
    assert alarms <= 5
    assert 20 <= low <= 65  # of its p-values 5% are at most .05, or a little less


def test_a_list_that_narrows_is_told_of_in_every_seed() -> None:
    for seed in range(20):
        found = degenerate(windows(narrowing(200, 26), seed=seed))
        assert not found.passed
        assert found.evidence["gini now"] > found.evidence["gini before"]
        assert found.evidence["fall"] > 0.5
        assert "show some of the rest at random" in found.summary


def test_a_shrinking_catalogue_explains_a_narrowing_list_and_a_growing_one_does_not() -> None:
    shrinking = [window(50 * 0.9**i, catalogue=round(1000 * 0.9**i)) for i in range(20)]
    assert degenerate(shrinking).passed
    assert not degenerate([replace(w, catalogue=1000) for w in shrinking]).passed
    assert not degenerate([replace(w, catalogue=1000 + 50 * i) for i, w in enumerate(shrinking)]).passed
    assert degenerate([window(50, catalogue=100 + 50 * i) for i in range(20)]).passed


def test_a_narrow_list_is_no_loop_if_the_rest_is_learned_of() -> None:
    falls = [window(60 * 0.85**i) for i in range(20)]
    assert not degenerate(falls).passed
    assert degenerate([replace(w, reached=80) for w in falls]).passed
    assert not degenerate([replace(w, reached=80 if i < 10 else 10) for i, w in enumerate(falls)]).passed
    waited = degenerate([replace(w, reached=np.nan) for w in falls])
    assert waited.passed
    assert "wait for labels" in waited.summary
    assert waited.evidence["reached"] is None


def test_a_small_fall_and_one_odd_window_are_familiar() -> None:
    assert degenerate([window(60 * 0.98**i) for i in range(20)]).passed  # certain, and of no matter
    assert degenerate([window(60.0 if i != 19 else 2.0) for i in range(20)]).passed
    rng = np.random.default_rng(0)
    assert degenerate([window(v) for v in rng.permutation(np.geomspace(5, 100, 20))]).passed
    assert degenerate([window(v) for v in np.linspace(100, 60, 20)]).passed


def test_the_chance_of_a_fall_agrees_with_scipy() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, last = rng.lognormal(3, 0.3, rng.integers(2, 9)), rng.lognormal(2.8, 0.3, rng.integers(2, 9))
        truth = ttest_ind(np.log(first), np.log(last), alternative="greater").pvalue
        assert falling(first, last) == pytest.approx(truth, rel=1e-9)
    assert falling(np.full(3, 10.0), np.full(3, 10.0)) == 1
    assert falling(np.full(3, 10.0), np.full(3, 5.0)) == 0
    assert falling(np.full(1, 10.0), np.full(1, 5.0)) == 1


def test_too_few_windows_are_insufficient_data() -> None:
    for told in ([], [window(5)], [window(60 * 0.5**i) for i in range(7)], [window(np.nan)] * 20):
        found = degenerate(told)
        assert found.passed
        assert found.summary.startswith("insufficient data")
    assert not degenerate([window(v) for v in (61, 60, 60, 59, 11, 10, 10, 10)]).passed


def test_a_declaration_lists_its_mistakes() -> None:
    assert Degeneration().mistakes() == []
    wrong = Degeneration(fall=0, chance=2, reached=-1, windows=3).mistakes()
    assert len(wrong) == 4
    assert wrong[0] == "degeneration: fall is 0; it must be a number, above 0, at most 1"
