"""A small system whose P(X) and P(Y|X) are known, so that each can be changed by itself."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

START = np.datetime64("2013-03-01", "us")
WEIGHTS = np.array([0.8, 0.6, -0.5, 0.4])
LEVEL = -1.7
DAY = 86_400_000_000


@dataclass(frozen=True)
class World:
    """Columns ``x0`` … are standard normal, the first four of which tell the label; ``place`` is a category.

    Parameters
    ----------
    columns
        How many numbers there are.
    means
        By how much each of the first four columns is moved: P(X).
    share
        The share of positives, whose rows are drawn as often as that asks: P(Y), P(X|Y) staying as it is.
    flipped
        The share of rows, drawn at random, whose label is the other one: P(Y|X).
    flipped_place
        Rows of this place have the other label.
    harder
        How much likelier all rows are, in log-odds, their features being as they were: P(Y|X).
    stretch
        The champion's log-odds are stretched so: it need not be calibrated.
    days, first_day
        When rows are asked for.
    by_day
        The standard deviation of what each day adds to the log-odds of all its rows, and no feature tells.
    """

    columns: int = 6
    means: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    share: float | None = None
    flipped: float = 0.0
    flipped_place: str | None = None
    harder: float = 0.0
    stretch: float = 1.0
    days: int = 21
    first_day: int = 0
    by_day: float = 0.0

    def rows(self, n: int, *, seed: int) -> ScoredRows:
        """Return n rows with all labels."""
        random = np.random.default_rng(seed)
        many = n if self.share is None else 8 * n
        x = random.normal(size=(self.columns, many))
        x[:4] += np.array(self.means)[:, None]
        day = random.integers(0, self.days, many)
        shock = random.normal(scale=self.by_day, size=self.days) if self.by_day else np.zeros(self.days)
        score = logistic(LEVEL + WEIGHTS @ x[:4])
        label = (random.random(many) < logistic(log_odds(score) + self.harder + shock[day])).astype(np.float64)
        if self.share is not None:
            positives = random.binomial(n, self.share)
            drawn = np.concatenate(
                [np.flatnonzero(label == 1)[:positives], np.flatnonzero(label == 0)[: n - positives]]
            )
            x, day, score, label = x[:, drawn], day[drawn], score[drawn], label[drawn]
        place = random.integers(0, 10, n)
        changed = (random.random(n) < self.flipped) | (place.astype(str) == self.flipped_place)
        at = START + ((self.first_day + day) * DAY + random.integers(0, DAY, n)).astype("timedelta64[us]")
        names = {f"x{i}": pa.array(one, pa.float32()) for i, one in enumerate(x)}
        features = pa.table(names | {"place": pa.array(place.astype(str))})
        return ScoredRows(at, features, logistic(self.stretch * log_odds(score)), np.where(changed, 1 - label, label))


STILL = World()
REFERENCE = 15_000


def moved(**how: object) -> World:
    """Return the world, changed."""
    return replace(STILL, **how)  # type: ignore[arg-type]
