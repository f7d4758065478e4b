"""Retrain when enough new labels are there."""

from dataclasses import dataclass
from fractions import Fraction

from mlsys_assets.mistakes import misnamed, out_of_range
from mlsys_assets.retraining.condition import Combinable
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown


@dataclass(frozen=True)
class LabelVolume(Combinable):
    """Fires when the number of known labels has grown by the share ``grows`` since the last training.

    It counts labels, whatever they say: cancelled or never known ones do not count, and a label told
    twice counts once.

    >>> from mlsys_assets.retraining.history import History, Monitored, Training
    >>> from mlsys_assets.types import utc
    >>> now = utc("2013-07-29")
    >>> grown = History(now, (Training(utc("2013-07-01"), 100),), (), (Monitored(now, labelled=105),))
    >>> LabelVolume(grows=0.05).verdict(grown).fires
    True
    """

    grows: float
    name: str = "label_volume"

    @property
    def by_clock(self) -> bool:
        """It counts labels."""
        return False

    @property
    def looks_at_diagnosis(self) -> bool:
        """It looks at no diagnosis."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the name and the share."""
        return misnamed("a trigger", self.name) + out_of_range(f"trigger {self.name!r}: grows", self.grows, above=0)

    def verdict(self, history: History) -> TriggerVerdict:
        """Return whether there are that many more labels."""
        if history.trained is None:
            return unknown("nothing was trained yet")
        if history.now is None:
            return unknown(f"labels were not counted as of {history.as_of:%Y-%m-%d %H:%M}")
        before, now = history.trained.labelled, history.now.labelled
        wanted = before * (1 + Fraction(str(self.grows)))  # a tenth more is a tenth more, to the label
        asked = f"asked for: +{float(self.grows):.1%}"
        reason = f"{now:,} labels, {before:,} at the last training ({_grown(now, before)}); {asked}"
        return said(before > 0 and now >= wanted, reason, labelled=now, labelled_then=before)


def _grown(now: int, before: int) -> str:
    return f"{now / before - 1:+.1%}" if before else "none then"
