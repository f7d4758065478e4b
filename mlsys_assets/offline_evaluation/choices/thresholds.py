"""Thresholds, chosen on validation rows alone: by cost, by recall, by precision, by how many rows can be acted on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mlsys_assets import ledger
from mlsys_assets.data_sampling.views import Validation, require_validation
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.offline_evaluation.choices.operating_points import OperatingPoints
from mlsys_assets.types import DeclarationError, Scalar


class ThresholdVerdict(StrEnum):
    """How a choice can end."""

    CHOSEN = "chosen"
    OUT_OF_REACH = "out of reach"
    INSUFFICIENT_DATA = ledger.INSUFFICIENT


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and what it gave on the validation rows that it was chosen on; None where there is none.

    Parameters
    ----------
    policy
        What was asked, in words.
    verdict, reason
        Whether it could be chosen, and in one sentence why.
    threshold
        The score from which on one acts.
    precision, recall, share
        Of what was acted on the share that was positive, of the positives the share acted on, and the
        share of all rows acted on; precision is None where nothing is acted on.
    cost
        Mean realised cost of a row, where it was chosen by cost.
    rows, positives, days
        What it rests on.
    """

    policy: str
    verdict: ThresholdVerdict
    reason: str
    rows: int
    positives: int
    days: int
    threshold: float | None = None
    precision: float | None = None
    recall: float | None = None
    share: float | None = None
    cost: float | None = None

    def as_dict(self) -> dict[str, Scalar]:
        """Return it as JSON holds it, as evidence beside the model."""
        return {**asdict(self), "verdict": self.verdict.value}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "ChosenThreshold":
        """Return the choice that ``as_dict`` gave."""
        return cls(**{**found, "verdict": ThresholdVerdict(found["verdict"])})


@runtime_checkable
class ThresholdPolicy(Protocol):
    """How a threshold is chosen."""

    @property
    def asks(self) -> str:
        """What is asked of a threshold, in words."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def choose(self, validation: Validation, score: Floats, *, support: Support | None = None) -> ChosenThreshold:
        """Return the threshold that validation rows and their (n,) scores ask for.

        Raises TypeError for any other rows, ValueError for scores that are no probabilities or not theirs.
        """
        ...


@dataclass(frozen=True)
class ByCost:
    """The threshold whose decisions cost least on validation rows; of several, the one nearest to that of the costs.

    Of calibrated scores and many rows it is that of the costs, ``costs.threshold``; where it is far
    from it the scores are not calibrated, or the rows are few. Dearer misses never raise it.
    """

    costs: CostMatrix

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        return f"least cost [{self.costs.unit}]"

    def mistakes(self) -> list[str]:
        """Return what is wrong with the costs."""
        return not_one("the threshold: costs", self.costs, CostMatrix) or self.costs.mistakes()

    def choose(self, validation: Validation, score: Floats, *, support: Support | None = None) -> ChosenThreshold:
        """Return the cheapest threshold."""
        asked = _Asked.of(self, validation, score, support)
        if asked.points is None:
            return asked.insufficient()
        cost, theory = asked.points.mean_cost(self.costs), self.costs.threshold
        cheapest = np.flatnonzero(cost == cost.min())
        low, high = asked.points.spans()
        near = np.clip(theory, low[cheapest], high[cheapest])
        best = int(np.argmin(np.abs(near - theory)))
        place = int(cheapest[best])
        alone = self.costs.realised(validation.label, score)
        told = f"decisions cost {cost[place]:.4g} a row; from {theory:.4g} on, as the costs alone say, {alone:.4g}"
        return asked.chosen(place, told, threshold=float(near[best]), cost=float(cost[place]))


@dataclass(frozen=True)
class ByRecall:
    """The highest threshold that finds at least a share of the positives: so it acts on as few rows as it can."""

    at_least: float = 0.8

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        return f"recall of at least {self.at_least:g}"

    def mistakes(self) -> list[str]:
        """Return a share that is none."""
        return out_of_range("the threshold: recall at_least", self.at_least, above=0, most=1)

    def choose(self, validation: Validation, score: Floats, *, support: Support | None = None) -> ChosenThreshold:
        """Return the first threshold from above that finds enough."""
        asked = _Asked.of(self, validation, score, support)
        if asked.points is None:
            return asked.insufficient()
        place = int(np.argmax(asked.points.recall >= self.at_least))  # the last one finds all
        return asked.chosen(place, f"recall is {asked.points.recall[place]:.4f}")


@dataclass(frozen=True)
class ByPrecision:
    """The lowest threshold of which at least a share is positive: so it finds as many as it can.

    It must act on as many rows as ``support`` asks of a class: the precision of the few highest scores is chance.
    """

    at_least: float

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        return f"precision of at least {self.at_least:g}"

    def mistakes(self) -> list[str]:
        """Return a share that is none."""
        return out_of_range("the threshold: precision at_least", self.at_least, above=0, most=1)

    def choose(self, validation: Validation, score: Floats, *, support: Support | None = None) -> ChosenThreshold:
        """Return the last threshold from above that is precise enough; out of reach where none is."""
        asked = _Asked.of(self, validation, score, support)
        if asked.points is None:
            return asked.insufficient()
        told = asked.points.acted >= max(asked.support.least_of_each_class, 1)
        precise = np.flatnonzero(told & (asked.points.precision >= self.at_least))
        if not len(precise):
            most = asked.points.precision[told].max()
            those = f"no threshold that acts on {asked.support.least_of_each_class} rows or more"
            return asked.out_of_reach(f"{those} is more precise than {most:.4f}: ask less, or of a better model")
        return asked.chosen(int(precise[-1]), f"precision is {asked.points.precision[precise[-1]]:.4f}")


@dataclass(frozen=True)
class ByShare:
    """The lowest threshold that acts on at most a share of the rows: as many as there is capacity for."""

    at_most: float

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        return f"at most {self.at_most:g} of the rows"

    def mistakes(self) -> list[str]:
        """Return a share that is none."""
        return out_of_range("the threshold: share at_most", self.at_most, above=0, most=1)

    def choose(self, validation: Validation, score: Floats, *, support: Support | None = None) -> ChosenThreshold:
        """Return the last threshold from above within capacity; out of reach where too many share the highest score."""
        asked = _Asked.of(self, validation, score, support)
        if asked.points is None:
            return asked.insufficient()
        share = asked.points.share
        place = int(np.flatnonzero(share <= self.at_most)[-1])
        if place == 0:
            tied = f"{share[1]:.4f} of the rows share the highest score"
            return asked.out_of_reach(f"{tied}: allow so many, or rank finer")
        return asked.chosen(place, f"it acts on {share[place]:.4f} of the rows")


@dataclass(frozen=True, eq=False)
class _Asked:
    """One question with the rows it is asked of; without points where they are too few to answer."""

    policy: str
    rows: int
    positives: int
    days: int
    support: Support = field(default_factory=Support)
    points: OperatingPoints | None = None

    @classmethod
    def of(cls, policy: ThresholdPolicy, validation: Validation, score: Floats, support: Support | None) -> "_Asked":
        if mistakes := policy.mistakes():
            raise DeclarationError("the threshold", mistakes)
        require_validation(validation, what=f"a threshold of {policy.asks}")
        points = OperatingPoints.of(validation.label, score)
        least = support or Support()
        days = len(np.unique(validation.at.astype("datetime64[D]")))
        enough = min(points.positives, points.rows - points.positives) >= max(least.least_of_each_class, 1)
        enough = enough and days >= least.least_blocks
        return cls(policy.asks, points.rows, points.positives, days, least, points if enough else None)

    def chosen(
        self, place: int, reason: str, *, threshold: float | None = None, cost: float | None = None
    ) -> ChosenThreshold:
        points = self.points
        if points is None:
            return self.insufficient()
        precise, at = float(points.precision[place]), float(points.threshold[place])
        return ChosenThreshold(
            self.policy, ThresholdVerdict.CHOSEN, reason, self.rows, self.positives, self.days,
            threshold=at if threshold is None else threshold, precision=None if np.isnan(precise) else precise,
            recall=float(points.recall[place]), share=float(points.share[place]), cost=cost,
        )  # fmt: skip

    def out_of_reach(self, reason: str) -> ChosenThreshold:
        verdict = ThresholdVerdict.OUT_OF_REACH
        return ChosenThreshold(self.policy, verdict, reason, self.rows, self.positives, self.days)

    def insufficient(self) -> ChosenThreshold:
        least = self.support
        reason = (
            f"{self.positives} positives and {self.rows - self.positives} negatives on {self.days} days; at least "
            f"{least.least_of_each_class} of each on {least.least_blocks} days are needed: wait for more labels"
        )
        verdict = ThresholdVerdict.INSUFFICIENT_DATA
        return ChosenThreshold(self.policy, verdict, reason, self.rows, self.positives, self.days)
