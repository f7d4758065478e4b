"""How fresh training data must be: equal amounts of it from ever earlier windows, measured on the same later rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.mistakes import not_all, not_one, not_seeds, sound
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.studies.repeats import Repeats, TestRows
from mlsys_assets.types import DeclarationError, TimeWindow

SEEDS = (0, 1, 2, 3, 4)
LEVEL = 0.05
"""The chance that any window is wrongly told from the freshest."""
FRESHEST, BETTER, WORSE, INDISTINGUISHABLE, INSUFFICIENT = (
    "freshest", "better", "worse", "indistinguishable", "insufficient data",
)  # fmt: skip
"""What is said of a window, held against the freshest."""


@dataclass(frozen=True)
class WindowResult:
    """A recipe trained on one window.

    Parameters
    ----------
    window
        The prediction times that it was trained on.
    rows
        How many rows, of how many there were.
    found
        The metric's mean over seeds.
    spread
        The standard deviation over seeds; NaN of one.
    gain
        By how much it is better than the freshest window, in the metric's unit, paired; None of the freshest.
    p
        The chance of such a difference where there is none, corrected for all windows (Holm 1979).
    verdict
        ``freshest``, or whether it is ``better``, ``worse`` or ``indistinguishable`` from that.
    """

    window: TimeWindow
    rows: tuple[int, int]
    found: Estimate
    spread: float
    gain: Estimate | None
    p: float
    verdict: str


@dataclass(frozen=True)
class Freshness:
    """What each window is worth on the same rows, the freshest window last."""

    candidate: str
    metric: Metric
    results: tuple[WindowResult, ...]

    @property
    def best(self) -> WindowResult | None:
        """The window with the best value; None where the rows cannot tell."""
        if not all(result.found.sufficient for result in self.results):
            return None
        sign = 1.0 if self.metric.higher_is_better else -1.0
        return max(self.results, key=lambda result: sign * result.found.value)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        windows = [
            {
                "window": str(r.window),
                "rows": r.rows[0],
                "of": r.rows[1],
                "found": r.found.as_dict(),
                "gain": r.gain.as_dict() if r.gain else None,
                "verdict": r.verdict,
            }
            for r in self.results
        ]
        return {"candidate": self.candidate, "metric": self.metric.name, "windows": windows}

    def text(self) -> str:
        """Return a line for each window, and which is best."""
        lines = [f"{self.metric.name} of {self.candidate} by training window, {self.results[-1].rows[0]:,} rows each"]
        for r in self.results:
            than = "" if r.gain is None else f"; gain over the freshest {r.gain}"
            lines.append(f"  {_days(r.window)}: {r.found}, {r.verdict}{than}")
        return "\n".join([*lines, self.conclusion()])

    def conclusion(self) -> str:
        """Return in one sentence whether the freshest window is the one to train on."""
        best, freshest = self.best, self.results[-1]
        if best is None:
            return "insufficient data: no window can be told from another"
        worse = [_days(r.window) for r in self.results if r.verdict == WORSE]
        better = [_days(r.window) for r in self.results if r.verdict == BETTER]
        if better:
            return f"the freshest is not the best: {' and '.join(better)} did better, {_days(best.window)} best of all"
        if best is not freshest:
            said = f"{_days(best.window)} has the best value, but by no more than chance"
        else:
            said = "the freshest has the best value"
        return f"{said}; worse than the freshest: {', '.join(worse) or 'none that can be told'}"

    def plot(self) -> str:
        """Return the windows as SVG, each with its interval."""
        spans = {name: {self.metric.name: span} for name, span in self._spans().items()}
        return forest(spans, title=f"{self.metric.name} by training window, 95% intervals by day and seed")

    def thumbnail(self) -> str:
        """Return the windows as Markdown that is seen at once, the freshest first."""
        return thumbnails.spans(dict(reversed(self._spans().items())), title=f"{self.metric.name} by training window")

    def _spans(self) -> dict[str, tuple[float, float, float]]:
        found = {_days(r.window): r.found for r in self.results}
        return {name: (e.value, e.low, e.high) for name, e in found.items() if e.sufficient}


@dataclass(frozen=True)
class FreshnessStudy:
    """Which windows are trained on, and how they are measured (Huyen 2022, ch. 9: value of data freshness).

    Every window gives as many rows, thinned at random to the smallest, so that what differs is when they are
    from. That the freshest is best is asked, not presumed: the season of an older one may be more alike. Intervals
    hold the chance of the days that are tested on, of the thinning and of the fits. They do not hold that a window
    had only the days it had: of two windows alike, one may have had the more telling weather.

    Parameters
    ----------
    windows
        Windows of prediction time, of one length, the freshest last.
    metric
        What is measured.
    seeds
        Each thins the windows in its own way and is the seed of the fits.
    threads
        Of each fit.
    support
        What must be there before a number is believed.
    """

    windows: tuple[TimeWindow, ...]
    metric: Metric = field(default_factory=LogLoss)
    seeds: tuple[int, ...] = SEEDS
    threads: int = 1
    support: Support = field(default_factory=Support)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_all("freshness: windows", self.windows, TimeWindow) + not_one(
            "freshness: metric", self.metric, Metric
        )
        found += not_seeds("freshness: seeds", self.seeds)
        windows = sound(self.windows, TimeWindow)
        if not found and len(windows) < 2:  # noqa: PLR2004 - one has nothing to be held against
            found.append(f"freshness: {len(windows)} window(s); give two or more, the freshest last")
        if list(windows) != sorted(set(windows)):
            found.append("freshness: windows must be in order of time, the freshest last, none of them twice")
        lengths = {window.length for window in windows}
        if len(lengths) > 1:
            found.append(f"freshness: windows must be of one length, got {', '.join(map(str, sorted(lengths)))}")
        return found

    def measure(
        self, candidate: Candidate, train: Train, validation: Validation, *, test: Validation | OpenedTest
    ) -> Freshness:
        """Return what each window is worth.

        Raises FitError for a window that cannot be fitted on, ValueError for one without rows, DeclarationError for
        mistakes.

        Parameters
        ----------
        candidate
            The recipe.
        train
            The rows of all windows: what was labelled before the test begins.
        validation
            What the fits choose on, the same for all windows.
        test
            What they are measured on.
        """
        if wrong := self.mistakes():
            raise DeclarationError("the study of freshness", wrong)
        parts = [train.take(_within(train, window)) for window in self.windows]
        least = min(map(len, parts))
        if least == 0:
            empty = [str(w) for w, part in zip(self.windows, parts, strict=True) if not len(part)]
            raise ValueError(f"no training rows in {', '.join(empty)}; there are rows of {train.window}")
        rows = TestRows.of(test.label, test.at, seed=self.seeds[0], support=self.support)
        found = []
        for part in parts:
            thin = [_drawn(part, least, seed=seed) for seed in self.seeds]
            scores = [
                candidate.fit(few, validation, seed=seed, threads=self.threads).predict(test.features)
                for few, seed in zip(thin, self.seeds, strict=True)
            ]
            found.append(rows.measure(self.metric, scores))
        sizes = [(least, len(part)) for part in parts]
        return Freshness(candidate.name, self.metric, _told(self.windows, sizes, found))


def windows_before(end: datetime, *, length: timedelta, step: timedelta, count: int) -> tuple[TimeWindow, ...]:
    """Return windows of one length that end ever earlier, the freshest, which ends at ``end``, last.

    >>> from mlsys_assets.types import days, utc
    >>> [str(w.start.date()) for w in windows_before(utc("2013-12-01"), length=days(30), step=days(60), count=3)]
    ['2013-07-04', '2013-09-02', '2013-11-01']
    """
    ends = [end - step * back for back in reversed(range(count))]
    return tuple(TimeWindow(last - length, last) for last in ends)


def _told(
    windows: Sequence[TimeWindow], sizes: Sequence[tuple[int, int]], found: Sequence[Repeats]
) -> tuple[WindowResult, ...]:
    *older, freshest = found
    gains = [one.gain_over(freshest) for one in older]
    p = holm([gain.p_zero for gain in gains])
    told: list[tuple[Estimate | None, float, str]] = [
        (gain, chance, _verdict(gain, chance)) for gain, chance in zip(gains, p.tolist(), strict=True)
    ]
    told.append((None, float("nan"), FRESHEST if freshest.estimate.sufficient else INSUFFICIENT))
    return tuple(
        WindowResult(window, size, one.estimate, one.spread, *said)
        for window, size, one, said in zip(windows, sizes, found, told, strict=True)
    )


def _verdict(gain: Estimate, p: float) -> str:
    if not gain.sufficient or np.isnan(p):
        return INSUFFICIENT
    if p > LEVEL:
        return INDISTINGUISHABLE
    return BETTER if gain.value > 0 else WORSE


def _drawn(part: Train, rows: int, *, seed: int) -> Train:
    chosen = np.random.default_rng(seed).permutation(len(part))[:rows]
    return part.take(np.sort(chosen))


def _within(train: Train, window: TimeWindow) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((train.at >= moment(window.start)) & (train.at < moment(window.end)))


def _days(window: TimeWindow) -> str:
    return f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
