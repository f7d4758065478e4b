"""Whether machine learning is worth it here: a model that gains little over a rule is paid for all the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import Metric, Weights, value
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.types import DeclarationError, Finding, Scalar, Severity

WORTH_IT: Final = "machine_learning_is_worth_it"
"""The check's name."""


@dataclass(frozen=True)
class Worth:
    """What a model must gain over the best baseline to be worth its keep.

    Parameters
    ----------
    metric
        The metric of the gain.
    least_gain
        How much better it must be, the whole interval, in the metric's unit.
    costs
        What decisions cost; None asks of the metric alone.
    price
        What the model costs more than a rule for each request, in the unit of ``costs``: training,
        serving and care, by the requests that it will serve.
    """

    metric: Metric
    least_gain: float
    costs: CostMatrix | None = None
    price: float = 0.0

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("worth: metric", self.metric, Metric)
        found += out_of_range("worth: least_gain", self.least_gain, least=0)
        found += out_of_range("worth: price", self.price, least=0)
        if self.costs is not None:
            found += not_one("worth: costs", self.costs, CostMatrix) or self.costs.mistakes()
        elif not found and self.price > 0:
            found.append(f"worth: price is {self.price} and there are no costs to hold it against; declare costs")
        return found


def worth_it(
    worth: Worth, scored: Scored, baselines: Sequence[str], *, seed: int, support: Support | None = None
) -> Finding:
    """Find whether any model gains more over the best baseline than was asked, and saves more than its price.

    The best baseline is chosen on the same rows, which favours the baselines. Where the rows cannot
    tell, the check passes and says so: too few rows speak against no model.

    Parameters
    ----------
    worth
        What is asked.
    scored
        Rows that no model was fitted on, with the scores of models and baselines.
    baselines
        Which of the scores are baselines'.
    seed
        Of the bootstrap.
    support
        What must be there before a difference is believed.

    Raises DeclarationError for mistakes, ValueError without a baseline or without a model.
    """
    if mistakes := worth.mistakes():
        raise DeclarationError("what a model must be worth", mistakes)
    models = [name for name in scored.scores if name not in baselines]
    rules = [name for name in scored.scores if name in baselines]
    if not models or not rules:
        raise ValueError(f"at least one model and one baseline are needed, got models {models}, baselines {rules}")
    asked = [_Asked(worth.metric, worth.least_gain, "")]
    if worth.costs is not None:
        asked.append(_Asked(ExpectedCost(worth.costs), worth.price, f" {worth.costs.unit}"))
    weights = bootstrap(day_blocks(scored.at), seed=seed)
    gains = [one.gain(scored, (model, rules), weights, support) for model in models for one in asked]
    if thin := next((gain for gain in gains if not gain.difference.sufficient), None):
        return Finding(WORTH_IT, True, f"{thin.difference}: it cannot be told yet", Severity.WARN)
    evidence: dict[str, Scalar] = {name: told for gain in gains for name, told in gain.evidence}
    good = [model for model in models if all(gain.enough for gain in gains if gain.model == model)]
    if good:
        told = f"{', '.join(good)}: gains more over the best baseline than was asked, with the whole interval"
        return Finding(WORTH_IT, True, told, Severity.WARN, evidence)
    unmet = "; ".join(gain.told for gain in gains if not gain.enough)
    told = f"machine learning is not worth it here: {unmet}. Serve the baseline, or find features that tell more"
    return Finding(WORTH_IT, False, told, Severity.WARN, evidence)


@dataclass(frozen=True)
class _Asked:
    """A metric, how much must be gained in it, and in what unit."""

    metric: Metric
    least: float
    unit: str

    def gain(
        self, scored: Scored, pair: tuple[str, Sequence[str]], weights: Weights, support: Support | None
    ) -> "_Gain":
        """Return what a model gains over the best of the rules, the two named by ``pair``."""
        model, rules = pair
        sign = -1 if self.metric.higher_is_better else 1
        by_rule = {name: sign * value(self.metric, scored.label, scored.scores[name]) for name in rules}
        best = min(by_rule, key=lambda name: (np.isnan(by_rule[name]), by_rule[name]))
        both = (scored.scores[model], scored.scores[best])
        return _Gain(self, model, best, difference(self.metric, scored.label, both, weights=weights, support=support))


@dataclass(frozen=True)
class _Gain:
    """What a model gains over the best rule."""

    asked: _Asked
    model: str
    rule: str
    difference: Estimate

    @property
    def surely(self) -> float:
        """The gain at the bad end of the interval."""
        return self.difference.low if self.asked.metric.higher_is_better else -self.difference.high

    @property
    def enough(self) -> bool:
        return self.surely > 0 and self.surely >= self.asked.least

    @property
    def told(self) -> str:
        name, unit = self.asked.metric.name, self.asked.unit
        return (
            f"{self.model} surely gains {self.surely:.4g}{unit} in {name} over {self.rule} (difference "
            f"{self.difference}), at least {self.asked.least:g}{unit} is asked"
        )

    @property
    def evidence(self) -> Iterator[tuple[str, Scalar]]:
        for end in ("value", "low", "high"):
            name = f"{self.asked.metric.name} of {self.model} minus {self.rule} {end}"
            yield name, getattr(self.difference, end)
