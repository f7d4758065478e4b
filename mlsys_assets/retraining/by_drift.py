"""Retrain when the features no longer look as they did in training."""

from dataclasses import dataclass

from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.mistakes import misnamed, out_of_range
from mlsys_assets.retraining.history import REMEMBERED, History, Monitored
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown

SHOWN = 3


@dataclass(frozen=True)
class Drift:
    """Fires when a share of the feature columns has shifted, tick after tick.

    It looks at the size of the shift, not at a p-value, which any shift reaches with rows enough. That
    features shift does not mean that predictions suffer: seasons shift them every year.

    Parameters
    ----------
    share
        Of the feature columns, as large as this or larger.
    psi
        The population stability index from which a column has shifted, against the champion's training window.
    over
        Ticks in a row that must say so.
    """

    share: float
    psi: float = LARGE
    over: int = 2
    name: str = "drift"

    @property
    def by_clock(self) -> bool:
        """It looks at features."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the name and the numbers."""
        what = f"trigger {self.name!r}"
        return [
            *misnamed("a trigger", self.name),
            *out_of_range(f"{what}: share", self.share, above=0, most=1),
            *out_of_range(f"{what}: psi", self.psi, above=0),
            *out_of_range(f"{what}: over", self.over, whole=True, least=1, most=REMEMBERED),
        ]

    def verdict(self, history: History) -> TriggerVerdict:
        """Return whether so many columns have shifted for so long."""
        if history.trained is None:
            return unknown("nothing was trained yet")
        found = [m for m in history.monitored if m.as_of > history.trained.as_of][-self.over :]
        if len(found) < self.over or not all(m.drift for m in found):
            return unknown(f"fewer than {self.over} ticks since the last training could be held against it")
        shares = [self._share(m) for m in found]
        worst = sorted(found[-1].drift.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        reason = (
            f"{shares[-1]:.0%} of the columns shifted by {self.psi:g} or more, {min(shares):.0%} at least over "
            f"{self.over} ticks; asked for: {self.share:.0%}; most: {', '.join(f'{n} {v:.2f}' for n, v in worst)}"
        )
        return said(min(shares) >= self.share, reason, share=shares[-1], least_share=min(shares))

    def _share(self, found: Monitored) -> float:
        return sum(value >= self.psi for value in found.drift.values()) / len(found.drift)
