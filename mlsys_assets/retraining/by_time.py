"""Retrain when enough time has passed."""

from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.mistakes import misnamed, not_long
from mlsys_assets.retraining.condition import Combinable
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown


@dataclass(frozen=True)
class Every(Combinable):
    """Fires when ``period`` has passed since the last training.

    It looks at the clock alone: it cannot tell whether anything changed.

    >>> from mlsys_assets.retraining.history import History, Training
    >>> from mlsys_assets.types import days, utc
    >>> Every(days(28)).verdict(History(utc("2013-07-29"), (Training(utc("2013-07-01"), 100),))).fires
    True
    """

    period: timedelta
    name: str = "every"

    @property
    def by_clock(self) -> bool:
        """It looks at the time alone."""
        return True

    @property
    def looks_at_diagnosis(self) -> bool:
        """It looks at no diagnosis."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the name and the period."""
        return misnamed("a trigger", self.name) + not_long(f"trigger {self.name!r}: period", self.period)

    def verdict(self, history: History) -> TriggerVerdict:
        """Return whether the period is over."""
        if history.trained is None:
            return unknown("nothing was trained yet")
        passed = history.as_of - history.trained.as_of
        told = f"{_days(passed)} since the last training, as of {history.trained.as_of:%Y-%m-%d %H:%M}"
        return said(
            passed >= self.period, f"{told}; asked for: {_days(self.period)}", hours=passed / timedelta(hours=1)
        )


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):g} days"
