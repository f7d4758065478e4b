"""What policies are judged by: one metric, its reference, and what decisions and computing cost."""

from dataclasses import dataclass
from typing import Final

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import Metric

HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Prices:
    """What decisions cost, and an hour of a processor, in one unit; None: not told."""

    costs: CostMatrix | None = None
    cpu_hour: float | None = None

    def of(self, cpu_s: float) -> float | None:
        """Return what so many seconds of a processor cost."""
        return None if self.cpu_hour is None else self.cpu_hour * cpu_s / HOUR_S


@dataclass(frozen=True)
class Judging:
    """What policies are judged by.

    Parameters
    ----------
    metric
        The deciding one.
    seed
        Of the draws of days.
    reference
        The policy that losses are told against; None: the best.
    support
        What must be there before a number is believed.
    prices
        What decisions and computing cost.
    """

    metric: Metric
    seed: int = 0
    reference: str | None = None
    support: Support = Support()
    prices: Prices = Prices()
