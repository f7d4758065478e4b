"""Diagnoses for the tests of triggers."""

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy
from mlsys_assets.types import TimeWindow


def diagnosis(cause: Cause, remedy: Remedy, *, low: float | None = 0.01) -> Diagnosis:
    """A week's diagnosis that costs ``low`` log loss at least; no price for None."""
    price = None
    if low is not None:
        price = Price(Estimate(low + 0.01, low, low + 0.02, 6000, 1000, 7), None, 6000, "estimated")
    window = TimeWindow.of("2013-07-22", "2013-07-29")
    return Diagnosis(window, cause, (), price, remedy, None, f"{cause}, so {remedy}")


CALM = diagnosis(Cause.NOTHING, Remedy.NOTHING, low=None)
CONCEPT = diagnosis(Cause.CONCEPT, Remedy.RETRAIN)
