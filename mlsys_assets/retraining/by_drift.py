"""Retrain when the world has changed, it costs something, and learning anew is what helps."""

from dataclasses import dataclass

from mlsys_assets.mistakes import misnamed, out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Remedy
from mlsys_assets.retraining.condition import Combinable
from mlsys_assets.retraining.history import REMEMBERED, History
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown

LEARNING = (Remedy.RETRAIN, Remedy.REWEIGHT)
"""Remedies that a training is."""
LONGEST = 250
"""Characters of a diagnosis that a reason repeats."""


@dataclass(frozen=True)
class Drift(Combinable):
    """Fires when the diagnosis of the last ticks says that something changed which a training mends.

    It reads the diagnosis, not a p-value, which any shift reaches with rows enough: seasons move features every week,
    and mostly it costs nothing. Broken data is no reason to learn from it, and a changed share of positives is
    corrected without a training.

    Parameters
    ----------
    costs
        The least that the change must cost, in log loss for each request, by the lower end of its interval.
    over
        Ticks in a row that must say so.
    """

    costs: float = 0.0
    over: int = 1
    name: str = "drift"

    @property
    def by_clock(self) -> bool:
        """It looks at what monitoring found."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the name and the numbers."""
        what = f"trigger {self.name!r}"
        return [
            *misnamed("a trigger", self.name),
            *out_of_range(f"{what}: costs", self.costs, least=0),
            *out_of_range(f"{what}: over", self.over, whole=True, least=1, most=REMEMBERED),
        ]

    def verdict(self, history: History) -> TriggerVerdict:
        """Return whether the last ticks' diagnoses ask for a training."""
        if history.trained is None:
            return unknown("nothing was trained yet")
        since = [m.diagnosis for m in history.monitored if m.as_of > history.trained.as_of][-self.over :]
        found = [d for d in since if d is not None and d.cause is not Cause.UNTOLD]
        if len(found) < self.over:
            return unknown(f"fewer than {self.over} ticks since the last training could be diagnosed")
        last = found[-1]
        asking = sum(self._asks(d) for d in found)
        price = last.price
        reason = f"{asking} of the last {self.over} diagnoses ask for a training; the last: {last.reason:.{LONGEST}}"
        return said(
            asking == self.over,
            reason,
            cause=last.cause.value,
            remedy=last.remedy.value,
            log_loss=None if price is None or not price.log_loss.sufficient else price.log_loss.value,
            asking=asking,
        )

    def _asks(self, found: Diagnosis) -> bool:
        if found.remedy not in LEARNING:
            return False
        price = found.price
        return price is not None and price.log_loss.sufficient and price.log_loss.low >= self.costs
