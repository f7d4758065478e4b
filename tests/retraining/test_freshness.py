"""In worlds that drift, that stay and that come round again, the right window is told, and no other."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation, View
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.retraining.freshness import FreshnessStudy, windows_before
from mlsys_assets.types import DeclarationError, TimeWindow, days, utc

START, A_DAY, GROUPS = "2013-01-01", 60, 10
PERIOD = TimeWindow.of("2013-01-01", "2014-01-01")
WINDOWS = windows_before(utc("2013-10-28"), length=days(60), step=days(100), count=3)
RATE = GroupRate(by=("group",), strength=5)


def view(kind: type[View], first: int, many: int, turn, *, seed: int) -> View:
    """Days from the year's first; each group's log odds go round by the angle ``turn(day)``."""
    random = np.random.default_rng(seed)
    day = first + np.repeat(np.arange(many), A_DAY)
    group = random.integers(0, GROUPS, len(day))
    margin = 1.5 * np.sin(2 * np.pi * group / GROUPS + turn(day)) - 0.5
    label = (random.random(len(day)) < 1 / (1 + np.exp(-margin))).astype(float)
    at = np.datetime64(START, "us") + day.astype("timedelta64[D]")
    ids = pa.array([f"{seed}-{i}" for i in range(len(day))])
    return kind(ids, at, pa.table({"group": [f"g{g}" for g in group]}), label, PERIOD)


def world(turn, *, seed: int = 0) -> tuple[Train, Validation, OpenedTest]:
    return (
        view(Train, 0, 300, turn, seed=seed),
        view(Validation, 300, 5, turn, seed=seed + 1),
        view(OpenedTest, 305, 30, turn, seed=seed + 2),
    )


STAYS, DRIFTS, RETURNS = (
    lambda day: 0.0 * day,
    lambda day: 0.006 * day,
    lambda day: np.where((day > 60) & (day < 300), 1.0, 0.0),  # the first window is of the test's season
)


def measured(turn, *, seed: int = 0, **more):
    train, validation, test = world(turn, seed=seed)
    study = FreshnessStudy(**({"windows": WINDOWS, "seeds": (0, 1)} | more))
    assert study.mistakes() == []
    return study.measure(RATE, train, validation, test=test)


def test_where_the_world_drifts_the_freshest_is_best_and_the_older_the_worse() -> None:
    found = measured(DRIFTS)
    assert [r.verdict for r in found.results] == ["worse", "worse", "freshest"]
    assert found.best is found.results[-1]
    oldest, older, _ = found.results
    assert oldest.gain.value < older.gain.value < older.gain.high < 0
    assert "the freshest has the best value; worse than the freshest: 2013-02-" in found.conclusion()
    assert measured(DRIFTS, metric=RocAuc()).results[0].verdict == "worse"


def test_where_a_season_comes_round_an_older_window_is_better_and_it_is_said() -> None:
    found = measured(RETURNS, windows=windows_before(utc("2013-10-28"), length=days(60), step=days(120), count=3))
    returned, same, freshest = found.results
    assert (returned.verdict, freshest.verdict) == ("better", "freshest")
    assert returned.gain.value > 5 * abs(same.gain.value)
    assert found.best is found.results[0]
    assert "the freshest is not the best: 2013-01-" in found.conclusion()
    assert "better; gain over the freshest 0." in found.text()


def test_where_nothing_changes_hardly_any_window_is_told_from_the_freshest() -> None:
    verdicts = [r.verdict for seed in range(20) for r in measured(STAYS, seed=10 * seed).results[:-1]]
    assert verdicts.count("indistinguishable") >= 36


def test_chances_are_corrected_for_all_windows() -> None:
    one, two, three = WINDOWS
    alone = [measured(STAYS, windows=(older, three)).results[0].p for older in (one, two)]
    assert [r.p for r in measured(STAYS).results[:-1]] == pytest.approx(list(holm(alone)))
    assert list(holm(alone)) != pytest.approx(alone)


def test_each_window_gives_equal_rows_and_its_models_are_measured_as_they_are() -> None:
    train, validation, test = world(DRIFTS)
    train = train.take(np.flatnonzero((np.arange(len(train)) % 3 > 0) | (train.at > np.datetime64("2013-08-01"))))
    found = FreshnessStudy(WINDOWS, seeds=(3, 4)).measure(RATE, train, validation, test=test)
    assert [r.rows for r in found.results] == [(2400, 2400), (2400, 2400), (2400, 3600)]
    for result, window in zip(found.results[:2], WINDOWS[:2], strict=True):
        inside = (train.at >= np.datetime64(window.start.replace(tzinfo=None))) & (
            train.at < np.datetime64(window.end.replace(tzinfo=None))
        )
        fitted = RATE.fit(train.take(inside), validation, seed=0, threads=1)  # nothing to be thinned
        assert result.found.value == pytest.approx(log_loss(test.label, fitted.predict(test.features)))
        assert result.spread == 0
    assert found.results[-1].spread > 0
    assert [w["rows"] for w in found.as_dict()["windows"]] == [2400] * 3
    assert found.plot().startswith("<svg")
    assert found.thumbnail().startswith("![")


def test_too_little_to_test_on_and_windows_without_rows() -> None:
    train, validation, test = world(STAYS)
    few = test.take(np.arange(100))
    found = FreshnessStudy(WINDOWS, seeds=(0,)).measure(RATE, train, validation, test=few)
    assert [r.verdict for r in found.results] == ["insufficient data"] * 3
    assert found.best is None
    assert "insufficient data" in found.conclusion()
    early = windows_before(utc("2013-02-01"), length=days(20), step=days(40), count=2)
    with pytest.raises(ValueError, match=r"no training rows in \[2012-12-03"):
        FreshnessStudy(early).measure(RATE, train, validation, test=test)
    with pytest.raises(TypeError, match="Train view only"):
        FreshnessStudy(WINDOWS[1:]).measure(RATE, view(OpenedTest, 0, 300, STAYS, seed=5), validation, test=test)


def test_mistakes_are_listed() -> None:
    one, two, three = WINDOWS
    longer = TimeWindow(two.start, two.end + timedelta(days=1))
    for wrong, said in (
        (FreshnessStudy((three, two, one)), "in order of time"),
        (FreshnessStudy((one, one)), "none of them twice"),
        (FreshnessStudy((one, longer)), "of one length, got 60 days, 0:00:00, 61 days"),
        (FreshnessStudy((one,)), "give two or more"),
        (FreshnessStudy(one), "was a comma forgotten"),
        (FreshnessStudy(WINDOWS, seeds=()), "seeds are (); give 1 or more, each once"),
        (FreshnessStudy(WINDOWS, metric=LogLoss), "is the class LogLoss"),
    ):
        assert said in "\n".join(wrong.mistakes())
    with pytest.raises(DeclarationError, match="give two or more"):
        FreshnessStudy((one,)).measure(RATE, *world(STAYS)[:2], test=world(STAYS)[2])
