"""How the flights' policy was chosen, on January to September alone: python choose_policy.py HOME.

HOME is the state folder of a year that was lived. The declared LightGBM is trained as of each Monday from February 25th
on all that was known then, and each policy is held against the others by which of these models it would have had when,
on the same rows. No gate stands between, so that only the times of training differ.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from mlsys_assets.process_environment import prepare

prepare(os.environ)

from mlsys_assets import FixedClock, LogLoss, days, utc  # noqa: E402 - after the environment
from mlsys_assets.data_sampling.rows import LabelledRows, moment  # noqa: E402
from mlsys_assets.systems.flights.system import flights  # noqa: E402
from mlsys_assets.tables import PREDICT_AT  # noqa: E402
from mlsys_resources.resources import build_resources  # noqa: E402

FIRST, START, END = utc("2013-02-25"), utc("2013-04-01"), utc("2013-10-01")
WEEK = days(7)
Policy = Callable[[datetime, datetime], bool]
"""Whether to train as of the first moment, where the last training was as of the second."""


@dataclass
class Models:
    """A model as of each Monday, by what it says of every later row."""

    rows: LabelledRows
    losses: dict[datetime, np.ndarray]
    labelled: dict[datetime, int]

    def live(self, policy: Policy) -> tuple[float, int]:
        """Return the mean log loss of the weeks since April, and how often was trained."""
        total, n, trainings, last, at = 0.0, 0, 0, START, START
        while at < END - days(1):
            if at > START and policy(at, last):
                trainings, last = trainings + 1, at
            week = (self.rows.at >= moment(at)) & (self.rows.at < moment(at + WEEK)) & ~np.isnan(self.rows.label)
            total, n, at = total + self.losses[last][week].sum(), n + int(week.sum()), at + WEEK
        return total / n, trainings


def read(home: str) -> LabelledRows:
    """Return the rows whose labels were known before October."""
    lake = build_resources({"MLSYS_HOME": home}, clock=FixedClock(END).now).lake
    start = flights.calendar.start
    features = lake.read("flights", "features", window=(PREDICT_AT, start, END))
    labels = lake.read("flights", "labels", window=("known_at", start, END))
    return LabelledRows.join(features, labels, key="flight_id", at=PREDICT_AT, window=flights.label.window)


def train(rows: LabelledRows) -> Models:
    """Train as of each Monday."""
    (model,) = [c for c in flights.candidates if c.name == "lightgbm"]
    found, at = Models(rows, {}, {}), FIRST
    while at < END - days(1):
        known = flights.time_split.refit_view(rows, as_of=at)
        fitted = model.refit(known, recipe={"rounds": model.rounds}, seed=flights.seed, threads=flights.threads)
        score = np.clip(fitted.predict(rows.features, threads=flights.threads), 1e-15, 1 - 1e-15)
        found.losses[at] = -(rows.label * np.log(score) + (1 - rows.label) * np.log1p(-score))
        found.labelled[at] = int(rows.labelled(at).sum())
        print(f"trained as of {at:%Y-%m-%d} on {len(known):,} rows", file=sys.stderr, flush=True)
        at += WEEK
    return found


def main() -> None:
    models = train(read(sys.argv[1]))
    count = models.labelled
    policies: dict[str, Policy] = {"never": lambda _at, _last: False}
    for weeks in (1, 2, 4, 8):
        policies[f"every {weeks} weeks"] = lambda at, last, weeks=weeks: at - last >= weeks * WEEK
    for grows in (0.05, 0.1, 0.2, 0.3):
        policies[f"{grows:.0%} more labels"] = lambda at, last, grows=grows: (
            count[at] >= count[last] * (1 + grows) and at - last >= 2 * WEEK
        )
    print(f"| policy, April to September | {LogLoss().name} | trainings |\n| --- | --- | --- |")
    for name, policy in policies.items():
        loss, trainings = models.live(policy)
        print(f"| {name} | {loss:.4f} | {trainings} |")


if __name__ == "__main__":
    main()
