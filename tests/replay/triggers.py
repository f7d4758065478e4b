"""A trigger for the tests of what becomes of it."""

from dataclasses import dataclass

from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown


@dataclass(frozen=True)
class CriesWolf:
    """Says that the world has changed, whatever is known, from the first training on."""

    name: str = "drift"

    @property
    def by_clock(self) -> bool:
        return False

    def mistakes(self) -> list[str]:
        return []

    def verdict(self, history: History) -> TriggerVerdict:
        return unknown("nothing was trained yet") if history.trained is None else said(True, "wolf")
