"""Fairness: a declared limit to how differently groups are decided about."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import Weights
from mlsys_assets.mistakes import not_all, not_one, out_of_range
from mlsys_assets.offline_evaluation.slicing.decision_rates import Decisions, Rate
from mlsys_assets.offline_evaluation.slicing.group_rates import Disparity, GroupRates, disparity, group_rates
from mlsys_assets.offline_evaluation.slicing.slices import Slicing
from mlsys_assets.types import Finding, Scalar, Severity

MOST_NAMED = 5
"""How many rates without support a summary names."""


@dataclass(frozen=True)
class FairnessReport:
    """The rates by group, how far apart they are, and what that says of the declared limit."""

    rates: Mapping[str, GroupRates]
    disparity: Disparity
    finding: Finding


@dataclass(frozen=True)
class Fairness:
    """The largest difference of a rate between any two groups that is allowed.

    It is violated only if the groups are surely farther apart than that: the whole interval lies above the limit.
    Groups without support are told and judged neither way.

    Parameters
    ----------
    slicing
        The groups.
    rates
        What may not differ: ``DEMOGRAPHIC_PARITY``, ``EQUALIZED_ODDS``, or others, such as ``(TruePositiveRate(),)``.
    at_most
        The difference of rates that is allowed, in [0, 1].
    support
        What a group must have to be judged: so many rows that its rate is a share of, on so many days.
    """

    slicing: Slicing
    rates: tuple[Rate, ...]
    at_most: float
    support: Support = field(default_factory=Support)

    @property
    def name(self) -> str:
        """The check's name, as ``fair_recall_by_carrier``."""
        by = "".join(c if c.isalnum() else "_" for c in self.slicing.name.replace(" × ", "_"))
        return f"fair_{'_'.join(rate.name for rate in self.rates)}_by_{by}"

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        found = not_one("fairness: slicing", self.slicing, Slicing) or self.slicing.mistakes(columns)
        found = [*found, *not_all("fairness: rates", self.rates, Rate)]
        if self.rates == ():
            found.append("fairness: rates is empty, so that nothing is asked; name one, such as EQUALIZED_ODDS")
        found += out_of_range("fairness: at_most", self.at_most, least=0, most=1)
        found += not_one("fairness: support", self.support, Support)
        return found

    def measure(self, features: pa.Table, decided: Decisions, weights: Weights) -> FairnessReport:
        """Return the rates by group and the verdict.

        Parameters
        ----------
        features
            (n, d) feature columns.
        decided
            Of the same n rows, such as ``decisions(label, score, threshold=costs.threshold)``.
        weights
            Draws of days for the n rows, such as ``bootstrap(day_blocks(at), seed=0, draws=1_000)``.
        """
        if not len(features) == len(decided) == len(weights.block):
            told = f"{len(features)} rows of features, {len(decided)} decisions and {len(weights.block)} weights"
            raise ValueError(f"{told}; there must be one of each a row")
        groups = list(self.slicing.groups(features))
        rates = [group_rates(rate, decided, groups, weights=weights, support=self.support) for rate in self.rates]
        apart = disparity(rates)
        by_name = {one.rate: one for one in rates}
        return FairnessReport(by_name, apart, self._finding(by_name, apart))

    def _finding(self, rates: Mapping[str, GroupRates], apart: Disparity) -> Finding:
        gap = apart.difference
        evidence: dict[str, Scalar] = {"allowed": self.at_most}
        for name, one in rates.items():
            evidence |= {f"{name} {g}": e.value if e.sufficient else None for g, e in one.estimates.items()}
        if not gap.sufficient:
            told = "insufficient data: fewer than two groups have support"
            return Finding(self.name, True, told + _unsupported(rates), Severity.WARN, evidence)
        evidence |= {"difference": gap.value, "difference low": gap.low, "difference high": gap.high}
        evidence |= {"ratio": apart.ratio.value, "ratio low": apart.ratio.low, "ratio high": apart.ratio.high}
        violated = gap.low > self.at_most
        told = f"{apart.rate} differs by {gap} between {' and '.join(apart.groups)}; allowed is {self.at_most:g}"
        if violated:
            told += ": look at the labels and features of the two, or choose a threshold for each"
        elif gap.high > self.at_most:
            told += ": not shown to be more, nor to be within it"
        return Finding(self.name, not violated, told + _unsupported(rates), Severity.WARN, evidence)


def _unsupported(rates: Mapping[str, GroupRates]) -> str:
    without = {
        f"{name} of {group}": str(e)
        for name, one in rates.items()
        for group, e in one.estimates.items()
        if not e.sufficient
    }
    if not without:
        return ""
    named = ", ".join(f"{group}: {told}" for group, told in list(without.items())[:MOST_NAMED])
    more = f", and {len(without) - MOST_NAMED} more" if len(without) > MOST_NAMED else ""
    return f" (not judged: {named}{more})"
