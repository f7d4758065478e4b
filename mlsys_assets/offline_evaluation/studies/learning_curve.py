"""Learning curves: how good a recipe is with less data of the same period, measured and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.intervals import Estimate, Support, day_blocks
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric, value
from mlsys_assets.mistakes import not_all, not_one, not_seeds, out_of_range
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.studies.repeats import Repeats, TestRows
from mlsys_assets.types import DeclarationError

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SEEDS = (0, 1, 2, 3, 4)
QUICK_SHARES = (1 / 20, 1 / 10, 1 / 5)
"""A third of the rows in all: with the full model's scores at hand, a curve for about a quarter of the time that the
fit and the refit of a gradient boosting take."""


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A recipe at one size of its training data.

    Parameters
    ----------
    rows, days
        The size, and on how many UTC days those rows lay, as the mean over seeds.
    found
        The metric over seeds.
    """

    rows: int
    days: float
    found: Repeats

    @property
    def estimate(self) -> Estimate:
        """The metric's mean over seeds, with its interval."""
        return self.found.estimate


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """A metric by the number of training rows, the smallest first.

    Parameters
    ----------
    candidate
        Whose.
    metric
        What was measured.
    points
        The sizes.
    perfect
        The metric of scores that equal the labels: no curve leads beyond.
    seeds
        How many.
    """

    candidate: str
    metric: Metric
    points: tuple[CurvePoint, ...]
    perfect: float
    seeds: int

    @property
    def sufficient(self) -> bool:
        """Whether every size could be measured."""
        return all(point.estimate.sufficient for point in self.points)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        points = [{"rows": p.rows, "days": p.days, "found": p.estimate.as_dict()} for p in self.points]
        return {"candidate": self.candidate, "metric": self.metric.name, "seeds": self.seeds, "points": points}

    def text(self) -> str:
        """Return a line for each size: rows, days, metric with its interval, and the spread over seeds."""
        lines = [f"{self.metric.name} of {self.candidate} by training rows, {self.seeds} seed(s)"]
        for point in self.points:
            spread = "" if self.seeds == 1 else f", {point.found.spread:.4f} over seeds"
            lines.append(f"  {point.rows:>9,} rows, {point.days:>5.0f} days: {point.estimate}{spread}")
        return "\n".join(lines)

    def plot(self) -> str:
        """Return the curve as SVG, each size with its interval."""
        spans = {f"{rows} rows": {self.candidate: span} for rows, span in self._spans().items()}
        return forest(spans, title=f"{self.metric.name} by training rows, with 95% intervals by day")

    def thumbnail(self) -> str:
        """Return the curve as Markdown that is seen at once, the largest size first."""
        return thumbnails.spans(
            dict(reversed(self._spans().items())), title=f"{self.metric.name} of {self.candidate} by rows"
        )

    def _spans(self) -> dict[str, tuple[float, float, float]]:
        found = {f"{point.rows:,}": point.estimate for point in self.points}
        return {rows: (e.value, e.low, e.high) for rows, e in found.items() if e.sufficient}


@dataclass(frozen=True)
class LearningCurveStudy:
    """Which sizes of training data are tried, by which metric (Cortes et al. 1994; Viering & Loog 2022).

    Data is taken away by whole days drawn at random: the period stays, so that less data is not older
    data, and days are what waiting brings. Single rows drawn at random would still show every day's
    weather to the smallest model, and the curve would look flatter than it is. What is in a smaller
    size of a seed is also in its larger ones.

    Parameters
    ----------
    metric
        What is measured.
    shares
        Sizes as shares of the training rows, rising.
    seeds
        Each draws its own days and is the seed of the fits.
    threads
        Of each fit.
    support
        What must be there before a number is believed.
    """

    metric: Metric = field(default_factory=LogLoss)
    shares: tuple[float, ...] = SHARES
    seeds: tuple[int, ...] = SEEDS
    threads: int = 1
    support: Support = field(default_factory=Support)

    @classmethod
    def quick(cls, metric: Metric, *, seed: int = 0, support: Support | None = None) -> "LearningCurveStudy":
        """Return the study for every evaluation: small sizes of one seed, to which the fitted model is the last.

        Each is fitted by one thread: on so few rows, two spend more time on waiting for each other.
        """
        return cls(metric, QUICK_SHARES, (seed,), support=support or Support())

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("learning curve: metric", self.metric, Metric)
        found += not_all("learning curve: shares", self.shares, (int, float))
        found += not_seeds("learning curve: seeds", self.seeds)
        if self.shares == ():
            found.append("learning curve: shares is empty; give at least one")
        if found:
            return found
        for share in self.shares:
            found += out_of_range("learning curve: a share", share, above=0, most=1)
        if list(self.shares) != sorted(set(self.shares)):
            found.append(f"learning curve: shares must rise, got {self.shares}")
        return found

    def measure(
        self,
        candidate: Candidate,
        train: Train,
        validation: Validation,
        *,
        test: Validation | OpenedTest,
        full: Floats | None = None,
    ) -> LearningCurve:
        """Return the curve; raises FitError for a size that cannot be fitted on, DeclarationError for mistakes.

        Parameters
        ----------
        candidate
            The recipe.
        train, validation
            What it is fitted on; of the first, less.
        test
            What it is measured on. On the validation rows that a number of rounds was chosen on, every size looks
            a little better than it is.
        full
            (n,) scores on ``test`` of a model that was already fitted on all of ``train``: the curve's last size,
            if its shares end before.
        """
        if wrong := self.mistakes():
            raise DeclarationError("the learning curve", wrong)
        rows = TestRows.of(test.label, test.at, seed=self.seeds[0], support=self.support)
        points = []
        for share in self.shares:
            size = round(share * len(train))
            parts = [thinned(train, size, seed=seed) for seed in self.seeds]
            scores = [
                candidate.fit(part, validation, seed=seed, threads=self.threads).predict(test.features)
                for part, seed in zip(parts, self.seeds, strict=True)
            ]
            days = float(np.mean([_days(part.at) for part in parts]))
            points.append(CurvePoint(size, days, rows.measure(self.metric, scores)))
        if full is not None and self.shares[-1] < 1:
            points.append(CurvePoint(len(train), float(_days(train.at)), rows.measure(self.metric, [full])))
        perfect = value(self.metric, test.label, test.label)
        return LearningCurve(candidate.name, self.metric, tuple(points), perfect, len(self.seeds))


def thinned(train: Train, rows: int, *, seed: int) -> Train:
    """Return so many rows of whole days drawn at random; of the last day that is needed, a random part.

    Raises ValueError for more rows than there are.
    """
    if not 0 < rows <= len(train):
        raise ValueError(f"between 1 and {len(train)} rows can be drawn of {len(train)}, got {rows}")
    random = np.random.default_rng(seed)
    day = day_blocks(train.at)
    rank = random.permutation(int(day.max()) + 1)[day]
    order = np.lexsort((random.random(len(day)), rank))
    return train.take(np.sort(order[:rows]))


def _days(at: Sequence[np.datetime64] | NDArray[np.datetime64]) -> int:
    return len(np.unique(np.asarray(at).astype("datetime64[D]")))
