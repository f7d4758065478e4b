"""Training windows on flights, week by week: what a model of past weeks alone lost on the week that followed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LightGBM, LogLoss, days, utc
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.training_window import (
    Expanding,
    Known,
    SeasonMatched,
    SinceChange,
    SlidingWindow,
    TrainingWindow,
    chosen_rows,
)
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference
from mlsys_assets.types import EPOCH, TimeWindow

MONDAYS = [utc("2013-04-01") + days(7 * week) for week in range(26)]
"""Until September: later months judge what is chosen."""
NINE_WEEKS, SEASON, CHANGE = SlidingWindow(days(63)), SeasonMatched(days(45), days(28)), SinceChange(days(28))
RECIPE = LightGBM(column_share=0.3, more={"max_bin": 63})
JUNE = utc("2013-06-03")


class Weekly:
    """A model trained anew each Monday on one in so many of the rows of a window; labels come when they do."""

    def __init__(self, rows: LabelledRows, *, every: int, rounds: int, mondays: Sequence[datetime]) -> None:
        self.rows, self.rounds, self.mondays = rows, rounds, mondays
        self.sampled = np.arange(len(rows)) % every == 0
        self.tested = [self._week(monday) for monday in mondays]
        scored = np.concatenate(self.tested)
        self.label, self.weights = rows.label[scored], bootstrap(day_blocks(rows.at[scored]), seed=0)

    def _week(self, monday: datetime) -> np.ndarray:
        rows = self.rows
        here = (rows.at >= moment(monday)) & (rows.at < moment(monday + days(7))) & ~np.isnan(rows.label)
        return np.flatnonzero(here)

    def chosen(self, window: TrainingWindow, monday: datetime, changes: tuple[datetime, ...] = ()) -> np.ndarray:
        known = self.sampled & self.rows.labelled(monday) & (self.rows.at < moment(monday))
        return np.flatnonzero(known & chosen_rows(window, self.rows.at, Known(monday, changes)))

    def scores(self, window: TrainingWindow, changes: tuple[datetime, ...] = ()) -> np.ndarray:
        found = []
        for monday, tested in zip(self.mondays, self.tested, strict=True):
            train, rows = self.chosen(window, monday, changes), self.rows
            view = Train(
                rows.ids.take(pa.array(train)), rows.at[train], rows.features.take(pa.array(train)),
                rows.label[train], TimeWindow(EPOCH, monday),
            )  # fmt: skip
            fitted = RECIPE.refit(view, recipe={"rounds": self.rounds}, seed=0, threads=1)
            found.append(fitted.predict(rows.features.take(pa.array(tested))))
        return np.concatenate(found)

    def loss(self, scores: np.ndarray) -> float:
        return float(-np.log(np.where(self.label > 0, scores, 1 - scores)).mean())

    def costs(self, scores: np.ndarray, than: np.ndarray) -> Estimate:
        """Log loss of scores minus that of others, on the same rows, by draws of days."""
        return difference(LogLoss(), self.label, (scores, than), weights=self.weights)


def test_a_few_weeks_of_a_few_rows_have_nine_weeks_lose_to_all_that_is_known(flights_rows: LabelledRows) -> None:
    weekly = Weekly(flights_rows, every=25, rounds=20, mondays=MONDAYS[13::4])
    expanding, sliding = (weekly.scores(window) for window in (Expanding(), NINE_WEEKS))
    assert weekly.costs(sliding, expanding).low > 0.0


def test_where_no_change_is_dated_since_a_change_is_all_that_is_known(flights_rows: LabelledRows) -> None:
    """As in all of 2013: no diagnosis of a lived year is a concept shift. And the first year knows no season."""
    weekly = Weekly(flights_rows, every=25, rounds=1, mondays=MONDAYS)
    for monday in MONDAYS:
        assert np.array_equal(weekly.chosen(CHANGE, monday), weekly.chosen(Expanding(), monday))
        assert np.array_equal(weekly.chosen(SEASON, monday), weekly.chosen(SlidingWindow(days(45)), monday))


def test_where_labels_come_to_mean_the_opposite_since_then_is_what_to_learn_from(flights_rows: LabelledRows) -> None:
    """A shift whose time is known: before and after June taught together, the one undoes the other."""
    label = np.where(flights_rows.at >= moment(JUNE), 1 - flights_rows.label, flights_rows.label)
    weekly = Weekly(replace(flights_rows, label=label), every=25, rounds=20, mondays=[JUNE + days(28)])
    since_then = weekly.scores(CHANGE, (JUNE,))
    for window in (Expanding(), NINE_WEEKS):
        cost = weekly.costs(weekly.scores(window), since_then)
        assert cost.low > 0.0, window
        assert cost.value > 0.1, window


@pytest.mark.prove
def test_on_flights_all_that_is_known_beats_nine_weeks_and_the_season(flights_rows: LabelledRows) -> None:
    """One row in ten, 40 rounds, 26 Mondays from April to September, 166,000 flights scored."""
    weekly = Weekly(flights_rows, every=10, rounds=40, mondays=MONDAYS)
    windows = (Expanding(), NINE_WEEKS, SEASON)
    scores = {window: weekly.scores(window) for window in windows}
    best = scores[Expanding()]
    for window, mine in scores.items():
        print(f"{window}: {weekly.loss(mine):.4f}, {weekly.costs(mine, best)} more")
    for window in windows[1:]:
        assert weekly.costs(scores[window], best).low > 0.0, window
    assert 0.003 < weekly.costs(scores[NINE_WEEKS], best).value < 0.01
