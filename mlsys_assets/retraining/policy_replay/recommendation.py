"""Which policy to live by: the cheapest that is surely as good, and what the requests after its choice say of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.retraining.policy_replay.frontier import Frontier, PolicyPoint

MARGIN: Final = 0.002
"""How much worse than the reference a policy may be, in the metric's unit."""
CONFIDENCE: Final = 0.9
"""In so large a share of the draws a policy must be within the margin to be called surely within."""

MOST_NAMED: Final = 3
"""So many of the policies that may do as well are named in a sentence."""


class Answer(StrEnum):
    """How a recommendation ends."""

    RECOMMENDED = "recommended"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True)
class Recommendation:
    """A policy, how surely it is as good as the reference, and how it did on requests it was not chosen on.

    Parameters
    ----------
    answer
        Whether a policy can be recommended.
    policy
        The cheapest that is surely within the margin; where that cannot be told, what to keep to meanwhile.
    reference, margin, confidence
        What it was held against, and the rule.
    sure
        The share of draws in which it is within the margin, on the requests that it was chosen on.
    chosen
        How much worse than the reference it is on these, in the metric's unit; below 0 it is better.
    judged
        The same on later requests; None if none were kept for it.
    judged_sure
        The share of draws there; NaN without.
    best, best_chosen, best_judged
        The best of all on the requests of the choice, and how far it was off the reference there and later.
    open
        Cheaper policies that may do as well, by the share of draws that say so.
    """

    answer: Answer
    policy: str
    reference: str
    margin: float
    confidence: float
    sure: float
    chosen: Estimate
    judged: Estimate | None
    judged_sure: float
    best: str
    best_chosen: Estimate
    best_judged: Estimate | None
    open: Mapping[str, float]

    @property
    def holds(self) -> bool | None:
        """Whether it is within the margin on the later requests too; None if that cannot be told."""
        if self.judged is None or not self.judged.sufficient:
            return None
        return self.judged.value <= self.margin

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        estimates = ("chosen", "judged", "best_chosen", "best_judged")
        found: dict[str, Any] = {k: v for k, v in asdict(self).items() if k not in estimates}
        for name in estimates:
            each: Estimate | None = getattr(self, name)
            found[name] = None if each is None else each.as_dict()
        shares = {name: None if np.isnan(found[name]) else found[name] for name in ("sure", "judged_sure")}
        return {**found, **shares, "answer": self.answer.value, "holds": self.holds, "reason": str(self)}

    def __str__(self) -> str:
        """Return it in sentences."""
        if not self.chosen.sufficient:
            return f"cannot be told: {self.chosen}, too little to compare policies on; keep to {self.policy}"
        may = self._open()
        rule = f"within {self.margin:g} of {self.reference}"
        if self.answer is Answer.RECOMMENDED:
            told = f"{self.policy} is the cheapest that is surely {rule}, in {self.sure:.0%} of the draws of days"
            told += f" (loss {_signed(self.chosen)})" + (f"; cheaper ones may be: {may}" if may else "")
        else:
            told = f"cannot be told: none cheaper than {self.policy} is surely {rule}, and some may be: {may} of the "
            told += f"draws, asked for: {self.confidence:.0%}; until more is known, keep to {self.policy}"
        return f"{told}. {self._later()}{self._luck()}"

    def _open(self) -> str:
        """Return the cheaper policies that come nearest to what is asked for, and how many others there are."""
        nearest = sorted(self.open.items(), key=lambda one: -one[1])  # of equal ones the cheapest
        told = [f"{name} in {sure:.0%}" for name, sure in nearest[:MOST_NAMED]]
        more = len(nearest) - len(told)
        return ", ".join(told) + (f" and {more} more" if more else "")

    def _later(self) -> str:
        if self.judged is None:
            return "It was chosen and judged on the same requests, on which the best of many looks better than it is."
        if not self.judged.sufficient:
            return f"On later requests: {self.judged}."
        held = "it holds" if self.holds else "it does not hold"
        return (
            f"On later requests, which it was not chosen on, {held}: loss {_signed(self.judged)}, within the margin in "
            f"{self.judged_sure:.0%} of the draws."
        )

    def _luck(self) -> str:
        """Return how much of the best's lead was luck, which any best of many has."""
        if self.best in (self.reference, self.policy) or self.best_judged is None or not self.best_judged.sufficient:
            return ""
        return (
            f" The best of all where it was chosen, {self.best}, had a loss of {self.best_chosen.value:+.4f} there and "
            f"of {self.best_judged.value:+.4f} later."
        )


def recommend(
    chosen: Frontier,
    margin: float = MARGIN,
    *,
    confidence: float = CONFIDENCE,
    judged: Frontier | None = None,
) -> Recommendation:
    """Return the cheapest policy that is surely within a margin of the reference, judged on later requests.

    Policies are gone through from the cheapest on, by trainings, then by computing: the first that is within the margin
    in the share ``confidence`` of the draws is recommended. If it is the reference itself, which always is, and a
    cheaper one is neither surely within nor surely beyond the margin, the data cannot tell.

    Parameters
    ----------
    chosen
        The policies on the requests that are chosen on.
    margin
        How much worse than the reference a policy may be, in the metric's unit.
    confidence
        The share of draws, above one half.
    judged
        The same policies against the same reference on later requests, which have no say in the choice.

    Raises ValueError for a margin below 0, a confidence outside (0.5, 1), and a judgement of other policies.
    """
    _require_sound(chosen, judged, margin, confidence)
    dearest = chosen[chosen.reference]
    if not chosen.sufficient:
        return _recommendation(chosen, judged, dearest, (margin, confidence), {}, Answer.CANNOT_BE_TOLD)
    order = sorted(chosen.points, key=lambda point: point.cheapness)
    sure = {point.name: within(chosen, point.name, margin) for point in order}
    taken = next(point for point in order if sure[point.name] >= confidence)
    cheaper = order[: order.index(taken)]
    may = {point.name: sure[point.name] for point in cheaper if sure[point.name] > 1 - confidence}
    told = taken.name != chosen.reference or not may
    answer = Answer.RECOMMENDED if told else Answer.CANNOT_BE_TOLD
    return _recommendation(chosen, judged, taken, (margin, confidence), may, answer)


def within(found: Frontier, name: str, margin: float) -> float:
    """Return the share of draws in which a policy's loss is at most the margin; NaN if that cannot be told."""
    losses = found.losses_of(name)
    told = losses[np.isfinite(losses)]
    return float((told <= margin).mean()) if len(told) else float("nan")


def _recommendation(
    chosen: Frontier,
    judged: Frontier | None,
    taken: PolicyPoint,
    rule: tuple[float, float],
    may: Mapping[str, float],
    answer: Answer,
) -> Recommendation:
    margin, confidence = rule
    best = chosen.best
    return Recommendation(
        answer,
        taken.name,
        chosen.reference,
        margin,
        confidence,
        within(chosen, taken.name, margin),
        taken.loss,
        None if judged is None else judged[taken.name].loss,
        float("nan") if judged is None else within(judged, taken.name, margin),
        best.name,
        best.loss,
        None if judged is None else judged[best.name].loss,
        may,
    )


def require_margin(margin: float, metric: str) -> None:
    """Raise ValueError for what is no margin in a metric's unit."""
    if not (np.isfinite(margin) and margin >= 0):
        raise ValueError(f"the margin is {margin!r}; it must be a number, at least 0, in the unit of {metric}")


def _require_sound(chosen: Frontier, judged: Frontier | None, margin: float, confidence: float) -> None:
    require_margin(margin, chosen.metric)
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - more than a coin says
        raise ValueError(f"the confidence is {confidence!r}; it must lie between 0.5 and 1")
    if judged is None:
        return
    names, others = ([point.name for point in one.points] for one in (chosen, judged))
    if names != others or chosen.reference != judged.reference:
        raise ValueError(
            f"chosen among {', '.join(names)} against {chosen.reference}, judged {', '.join(others)} against "
            f"{judged.reference}; both must be of the same policies and the same reference"
        )
    if judged.period.start < chosen.period.end:
        raise ValueError(
            f"chosen on {chosen.period}, judged on {judged.period}; a choice is judged on later requests than its own"
        )


def _signed(found: Estimate) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
