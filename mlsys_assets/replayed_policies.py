"""A system's past under other policies: lived once more by the engine, judged, and told on a page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlsys_assets.ledger import ARBITER, RETRAINING
from mlsys_assets.retraining.policy import DECLARED, Policy
from mlsys_assets.retraining.policy_replay.fidelity import fidelity, untold
from mlsys_assets.retraining.policy_replay.judging import Judging, Prices
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.retraining.policy_replay.policy_study import Choice, PolicyStudy, Spent, last_part, study
from mlsys_assets.retraining.policy_replay.recommendation import MARGIN, require_margin
from mlsys_assets.retraining.policy_replay.standard_policies import in_words, reference
from mlsys_assets.retraining.policy_replay.study_page import study_page
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding, TimeWindow

Told = Callable[[datetime], None]
"""Told of each as-of when all lives have come so far."""


class Lives(Protocol):
    """What came of living several policies."""

    @property
    def lived(self) -> tuple[Lived, ...]:
        """One for each policy."""
        ...

    @property
    def trainings_s(self) -> float:
        """The processor seconds of all distinct trainings together."""
        ...

    @property
    def cpu_s(self) -> float:
        """The processor seconds that were really spent, on all of it."""
        ...


class Engine(Protocol):
    """Lives policies side by side, each decided as it would have been then; writes to no store."""

    def __call__(
        self,
        system: MLSystem,
        stores: Any,
        policies: Sequence[Policy],
        *,
        since: datetime | None,
        until: datetime | None,
        told: Told,
    ) -> Lives:
        """Return what came of each policy, from its first champion to the last decision."""
        ...


def engine() -> Engine:
    """Return what lives a past once more; loaded only now, for it loads what trains."""
    from mlsys_assets.policy_replay.living import live

    return live


@dataclass(frozen=True)
class Asked:
    """What is asked of a past.

    Parameters
    ----------
    policies
        What it is lived under.
    since, until
        As of when the first champion is trained, and the last decision; None: as the system itself was lived.
    judged_since
        From when on requests judge the choice; None: of the last third of the ticks.
    margin
        How much worse than the reference a policy may be, in the unit of the system's first metric.
    """

    policies: tuple[Policy, ...]
    since: datetime | None = None
    until: datetime | None = None
    judged_since: datetime | None = None
    margin: float = MARGIN


@dataclass(frozen=True)
class Replayed:
    """What was found, and what it is told with.

    Parameters
    ----------
    ticks
        Those that were lived through, in order.
    believed
        Whether the system's own policy decided once more what its ledger says.
    """

    system: MLSystem
    policies: tuple[Policy, ...]
    study: PolicyStudy
    ticks: tuple[TimeWindow, ...]
    believed: Finding

    @property
    def unit(self) -> str:
        """What costs are counted in."""
        return "" if self.system.costs is None else self.system.costs.unit

    @property
    def page(self) -> str:
        """All of it on one page."""
        words = {policy.name: in_words(policy, self.system.calendar.step) for policy in self.policies}
        return study_page(
            self.system.name, self.study, words=words, ticks=self.ticks, unit=self.unit, believed=self.believed
        )


def replay(system: MLSystem, stores: Any, asked: Asked, *, told: Told, live: Engine | None = None) -> Replayed:
    """Live a system's past under other policies, and judge them.

    Parameters
    ----------
    system
        Whose past it is.
    stores
        Its stores, as `mlsys run` or life itself leaves them; they are only read.
    asked
        What is asked.
    told
        Called with each as-of that is done.
    live
        What lives it; the engine, if not given.

    Raises ValueError for a past that was not lived, and for times outside of it.
    """
    require_margin(asked.margin, system.metrics[0].name)
    whole = period(system, stores, since=asked.since, until=asked.until)
    since = asked.judged_since or last_part(system.calendar, whole)
    if since is not None and not whole.start < since < whole.end:
        raise ValueError(
            f"the choice is to be judged since {since:%Y-%m-%d %H:%M}, and lived is {whole}; name a time within it"
        )
    lives = (live or engine())(system, stores, asked.policies, since=whole.start, until=whole.end, told=told)
    prices = Prices(system.costs, system.cpu_hour_price)
    judging = Judging(system.metrics[0], system.seed, reference(asked.policies), system.gates.support, prices)
    choice = Choice(asked.margin, judged_since=since)
    found = study(lives.lived, judging, choice=choice, spent=Spent(lives.trainings_s, lives.cpu_s))
    return Replayed(system, asked.policies, found, system.calendar.ticks(whole), _believed(system, stores, lives.lived))


def _believed(system: MLSystem, stores: Any, lives: Sequence[Lived]) -> Finding:
    """Return whether the system's own policy, lived from its own beginning on, decides what is on record."""
    first, own = period(system, stores).start, Policy.of(system)
    mine = [one for one in lives if one.since == first and replace(one.policy, name=DECLARED) == own]
    return fidelity(mine[0], stores.operations.decisions(system.name, since=first)) if mine else untold(DECLARED)


def period(
    system: MLSystem, stores: Any, *, since: datetime | None = None, until: datetime | None = None
) -> TimeWindow:
    """Return the time that is lived once more; raises ValueError if there is none, and says what to do."""
    decided = [d.as_of for d in stores.operations.decisions(system.name, RETRAINING) if d.name == ARBITER]
    if not decided:
        raise ValueError(
            f"{system.name} has not been lived yet: no decision is on record; first live it: mlsys run {system.name}"
        )
    first, last = since or min(decided), until or max(decided)
    if not first < last:
        raise ValueError(
            f"nothing lies between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M}; {system.name} has decided from "
            f"{min(decided):%Y-%m-%d %H:%M} to {max(decided):%Y-%m-%d %H:%M}: name a part of that, or go on living: "
            f"mlsys run {system.name}"
        )
    return TimeWindow(first, last)


def page_of(system: MLSystem, home: Path) -> Path:
    """Return where the page of a system's policies lies in its state folder."""
    return home / f"{system.name}_policies.html"
