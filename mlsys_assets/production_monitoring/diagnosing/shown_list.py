"""The list that somebody sees of a tick's predictions: how diverse it is, and how it does on what is popular."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.failures import Failure, FailureClass
from mlsys_assets.production_monitoring.feedback.degeneration import Degeneration, degenerate
from mlsys_assets.production_monitoring.feedback.diversity import Diversity
from mlsys_assets.production_monitoring.feedback.feedback_log import Listed
from mlsys_assets.production_monitoring.feedback.popularity import hit_rates
from mlsys_assets.types import Calendar, Finding, TimeWindow

FEEDBACK: Final = "feedback"
"""In the evidence of a diagnosis: what the tick's list showed of all that it could have shown."""
TICKS: Final = 13
"""The last ticks that the list is looked at over: of weeks, a quarter of a year."""


@dataclass(frozen=True, eq=False)
class ShownList:
    """What a list showed in each tick.

    Parameters
    ----------
    listed
        The last ``TICKS`` ticks, this one's with them.
    window
        This tick.
    seed
        Of the bootstrap.
    limits
        From when on a list is called a loop.
    """

    listed: Listed
    calendar: Calendar
    window: TimeWindow
    seed: int
    limits: Degeneration = Degeneration()

    @cached_property
    def by_tick(self) -> dict[np.datetime64, Diversity]:
        """The diversity of each tick with requests, in order."""
        return self.listed.by_tick(self.calendar)

    @property
    def evidence(self) -> dict[str, Any]:
        """What the ledger keeps of this tick; nothing if it has no requests."""
        now = self.by_tick.get(moment(self.window.start))
        return {} if now is None else {FEEDBACK: now.as_dict()}

    @cached_property
    def finding(self) -> Finding:
        """Whether the list narrows and leaves the rest unknown."""
        return degenerate(list(self.by_tick.values()), asked=self.limits)

    @property
    def failures(self) -> list[Failure]:
        """A feedback loop, if the list has become one."""
        if self.finding.passed:
            return []
        return [Failure(FailureClass.FEEDBACK_LOOP, "shown items", self.finding.summary)]

    @property
    def rates(self) -> dict[str, Estimate]:
        """The share of what was shown that came true, by how often it had been shown on the days before."""
        return hit_rates(self.listed.log, seed=self.seed)

    @property
    def series(self) -> Mapping[str, list[float | None]]:
        """What is drawn over the ticks, in shares of the catalogue; effective items may be a few more."""
        return {
            "aggregate": [_known(one.aggregate) for one in self.by_tick.values()],
            "gini": [_known(one.gini) for one in self.by_tick.values()],
            "effective": [_known(one.effective / max(one.catalogue, 1)) for one in self.by_tick.values()],
        }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
