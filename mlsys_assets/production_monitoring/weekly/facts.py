"""What a weekly page tells: plain facts, frozen, with every number that stands on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.types import CHAMPION, TimeWindow

LONGEST_WORD: Final = 60
"""Characters of a name on a page."""
WORDS: Final = ("system", "owner", "request", "requests", "positive", "metric")


@dataclass(frozen=True)
class Words:
    """What is predicted, in words that its users use.

    Parameters
    ----------
    request, requests
        One and several of what is predicted: ``flight``, ``flights``.
    positive
        What a request of label 1 is: ``late``.
    """

    request: str = "request"
    requests: str = "requests"
    positive: str = "positive"

    def mistakes(self) -> list[str]:
        """Return which words are none."""
        return [
            f"words: {name} is {word!r}; it must be text of 1 to {LONGEST_WORD} characters"
            for name, word in vars(self).items()
            if not isinstance(word, str) or not 0 < len(word.strip()) <= LONGEST_WORD
        ]


@dataclass(frozen=True)
class Wording:
    """How a system's things are called, in words that its users use.

    Parameters
    ----------
    system, owner
        Their names.
    about
        A sentence on what is predicted.
    request, requests
        One and several of what is predicted: ``flight``, ``flights``.
    positive
        What a request of label 1 is: ``late``.
    unit
        What costs are counted in; None if none are declared.
    metric, higher_is_better
        The metric that decides, as the performance table calls it, and in which direction.
    """

    system: str
    owner: str
    about: str = ""
    request: str = "request"
    requests: str = "requests"
    positive: str = "positive"
    unit: str | None = None
    metric: str = "log_loss"
    higher_is_better: bool = False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        words = {name: getattr(self, name) for name in WORDS} | ({} if self.unit is None else {"unit": self.unit})
        return [
            f"wording: {name} is {word!r}; it must be text of 1 to {LONGEST_WORD} characters"
            for name, word in words.items()
            if not isinstance(word, str) or not 0 < len(word.strip()) <= LONGEST_WORD
        ]


@dataclass(frozen=True)
class ModelWeek:
    """How a model did in a week, by the last revision.

    Parameters
    ----------
    week
        Its start.
    requests, labelled, never, positives
        As the performance table counts them.
    metric, cost
        None where the labels cannot tell.
    as_of
        What was known by then.
    """

    week: datetime
    model: str
    requests: int
    labelled: int
    never: int
    positives: int
    metric: float | None
    cost: float | None
    as_of: datetime

    @property
    def came(self) -> float | None:
        """The share of positives among the labelled; None without any."""
        return self.positives / self.labelled if self.labelled else None


@dataclass(frozen=True)
class PredictedShare:
    """The mean score of a week's requests: the share of positives that was foretold."""

    week: datetime
    share: float


@dataclass(frozen=True)
class Forecast:
    """A week's metric as it was estimated before labels came, and as it was.

    Parameters
    ----------
    estimate
        Insufficient where the estimate is not valid; its ``note`` says why.
    realised
        None while labels are missing.
    """

    week: datetime
    estimate: Estimate
    realised: float | None


@dataclass(frozen=True)
class Bin:
    """A part of a column's values, and the share of rows in it at training and now."""

    name: str
    then: float
    now: float


@dataclass(frozen=True)
class Moved:
    """A column that is distributed otherwise than at training.

    Parameters
    ----------
    psi
        The population stability index.
    mean_shift
        In standard deviations of training; None for categories.
    missing_then, missing_now
        Shares.
    bins
        In order, the missing ones last.
    numeric
        Whether the bins are ranges of numbers.
    """

    column: str
    psi: float
    mean_shift: float | None
    missing_then: float
    missing_now: float
    bins: tuple[Bin, ...]
    numeric: bool


class AlertState(StrEnum):
    """What has become of an alert."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class AlertLine:
    """An alert, as a line of a table."""

    opened: datetime
    severity: str
    owner: str
    title: str
    state: AlertState

    @classmethod
    def of(cls, told: tuple[datetime, str, str, str, str]) -> "AlertLine":
        """Return the line of (opened, severity, owner, title, state); every state but ``closed`` is open."""
        opened, severity, owner, title, state = told
        done = state == AlertState.CLOSED
        return cls(opened, severity, owner, title, AlertState.CLOSED if done else AlertState.OPEN)


@dataclass(frozen=True)
class WeeklyFacts:
    """All that a weekly page tells.

    Parameters
    ----------
    wording
        How things are called.
    week
        The requests that it is about: by their prediction time.
    as_of
        What was known when it was written.
    diagnoses
        Of this week and of those before, in order.
    performance
        Of all models, by week and model.
    predicted
        The champion's mean scores, by week.
    forecasts
        Metrics estimated without labels, by week.
    compared, moved
        How many columns were compared with those of training, and those that moved most, the most moved first.
    alerts
        In order of time.
    champion
        The model that serves, in words; empty without one.
    planned
        What is decided, in sentences.
    """

    wording: Wording
    week: TimeWindow
    as_of: datetime
    diagnoses: tuple[Diagnosis, ...] = ()
    performance: tuple[ModelWeek, ...] = ()
    predicted: tuple[PredictedShare, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    compared: int = 0
    moved: tuple[Moved, ...] = ()
    alerts: tuple[AlertLine, ...] = ()
    champion: str = ""
    planned: tuple[str, ...] = ()

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis of the week."""
        return next((one for one in reversed(self.diagnoses) if one.window.start == self.week.start), None)

    @property
    def served(self) -> ModelWeek | None:
        """How the week's champion did so far."""
        return next((one for one in self.of(CHAMPION) if one.week == self.week.start), None)

    @property
    def open_alerts(self) -> tuple[AlertLine, ...]:
        """The alerts that are open."""
        return tuple(alert for alert in self.alerts if alert.state is AlertState.OPEN)

    def of(self, model: str) -> list[ModelWeek]:
        """Return the weeks of a model, in order."""
        return [one for one in self.performance if one.model == model]

    def weeks(self) -> list[datetime]:
        """Return the weeks of which something is told of performance, in order."""
        return sorted({one.week for one in self.performance})

    def baselines(self, most: int) -> list[str]:
        """Return the baselines that did best in the mean over all weeks, the best first, at most so many."""
        sign = -1 if self.wording.higher_is_better else 1
        told = {
            model: [one.metric for one in self.of(model) if one.metric is not None]
            for model in {one.model for one in self.performance} - {CHAMPION}
        }
        return sorted((m for m, v in told.items() if v), key=lambda m: (sign * _mean(told[m]), m))[:most]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
