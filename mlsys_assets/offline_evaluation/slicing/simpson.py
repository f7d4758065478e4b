"""Simpson's paradox: one is better on the whole, and worse within the groups (Simpson 1951)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, difference, require_rows, spread
from mlsys_assets.measures.metrics import Floats, Metric, Weights
from mlsys_assets.offline_evaluation.slicing.mean_difference import means_apart
from mlsys_assets.types import Finding, Scalar, Severity

LEAST_COVERED = 0.5
"""The share of rows whose groups must have support for the groups to say anything of the whole."""
MOST_REVERSED = 0.5
"""The share of covered rows in groups that surely go the other way from which the whole misleads."""

FINDING = "groups_agree_with_the_whole"

Groups = Sequence[tuple[str, NDArray[np.bool_]]]


@dataclass(frozen=True)
class StratifiedDifference:
    """A difference of two, first minus second: on the whole, in each group, and with one mixture of groups for both.

    Parameters
    ----------
    whole
        As it is usually told.
    adjusted
        Mean of the groups' differences, each weighted by its rows (direct standardisation): what is left once both
        are given the same groups.
    groups
        Group to difference.
    covered
        Share of the rows that are in groups with support.
    """

    whole: Estimate
    adjusted: Estimate
    groups: Mapping[str, Estimate]
    covered: float

    @property
    def surely_reversed(self) -> float:
        """The share of covered rows in groups whose whole interval lies on the other side of 0 than the whole."""
        known = [e for e in self.groups.values() if e.sufficient]
        other = [e.rows for e in known if _is_clear(e) and e.value * self.whole.value < 0]
        return sum(other) / max(1, sum(e.rows for e in known))

    @property
    def is_reversed(self) -> bool:
        """Whether the whole is surely better or worse, and the groups together, or most of them, surely the other."""
        if not self.sufficient or not _is_clear(self.whole):
            return False
        return (_is_clear(self.adjusted) and self._turns) or self.surely_reversed > MOST_REVERSED

    @property
    def _turns(self) -> bool:
        """Whether the groups together lie on the other side of 0 than the whole."""
        return self.adjusted.value * self.whole.value < 0

    @property
    def sufficient(self) -> bool:
        """Whether the whole and groups enough have support."""
        return self.whole.sufficient and self.adjusted.sufficient and self.covered >= LEAST_COVERED

    def finding(self, *, what: str = "difference", by: str = "group") -> Finding:
        """Return it as the outcome of a check; ``what`` and ``by`` name the difference and the grouping."""
        evidence: dict[str, Scalar] = {"covered": self.covered, "surely reversed": self.surely_reversed}
        named = {"whole": self.whole, "adjusted": self.adjusted} | {f"{by}={g}": e for g, e in self.groups.items()}
        evidence |= {name: e.value if e.sufficient else None for name, e in named.items()}
        if not self.sufficient:
            told = f"insufficient data: groups with support hold {self.covered:.0%} of the rows"
            return Finding(FINDING, True, told, Severity.WARN, evidence)
        told = f"{what} is {self.whole} on the whole and {self.adjusted} with the same mixture by {by}"
        if self.is_reversed:
            told += (
                f"; {self.surely_reversed:.0%} of the rows are in groups that surely go the other way: "
                f"the whole tells of the mixture, so decide by {by}"
            )
        elif self._turns:
            told += "; not told apart: by the intervals, the two may lie on one side of 0"
        return Finding(FINDING, not self.is_reversed, told, Severity.WARN, evidence)


def models_by_group(
    metric: Metric,
    label: Floats,
    scores: tuple[Floats, Floats],
    groups: Groups,
    *,
    weights: Weights,
    support: Support | None = None,
) -> StratifiedDifference:
    """Return how much a metric of the first scores exceeds that of the second, on the same rows.

    A mean over rows, such as log loss, cannot reverse as a whole: it is the mean of its groups. It can still be worse
    in most of them. A metric that compares rows, such as the AUC, can reverse: whoever tells groups apart ranks well
    on the whole without telling rows of a group apart.

    Raises ValueError for labels and scores that are not finite or not of the same rows.
    """
    for score in scores:
        require_rows(label, score, what="a difference by group", probabilities=False)
    whole = difference(metric, label, scores, weights=weights, support=support)
    found, parts = {}, []
    for name, rows in groups:
        part, mine = (scores[0][rows], scores[1][rows]), weights.of(rows)
        found[name] = difference(metric, label[rows], part, weights=mine, support=support)
        if found[name].sufficient:
            drawn = metric.draws(label[rows], part[0], mine) - metric.draws(label[rows], part[1], mine)
            parts.append((found[name].value, drawn, mine.totals(np.ones(int(rows.sum()))), int(rows.sum())))
    return _stratified(whole, found, parts, rows=len(label))


def means_by_group(
    values: Floats,
    first: NDArray[np.bool_],
    groups: Groups,
    *,
    weights: Weights,
    support: Support | None = None,
) -> StratifiedDifference:
    """Return how much the mean of some rows exceeds that of the others: rates, or losses on different rows.

    Parameters
    ----------
    values
        (n,) such as 0 or 1, or a loss.
    first
        (n,) which rows belong to the first of the two.
    groups
        Name and (n,) rows of each, as a slicing yields them.
    weights
        Draws of days for the n rows.
    """
    whole, _ = means_apart(values, first, weights=weights, support=support)
    found, parts = {}, []
    for name, rows in groups:
        mine = weights.of(rows)
        found[name], drawn = means_apart(values[rows], first[rows], weights=mine, support=support)
        if found[name].sufficient:
            parts.append((found[name].value, drawn, mine.totals(np.ones(int(rows.sum()))), int(rows.sum())))
    return _stratified(whole, found, parts, rows=len(values))


def _stratified(
    whole: Estimate,
    groups: Mapping[str, Estimate],
    parts: Sequence[tuple[float, Floats, Floats, int]],
    *,
    rows: int,
) -> StratifiedDifference:
    """Return the differences together; ``parts`` are those with support: value, draws, rows drawn, rows."""
    size = sum(n for *_, n in parts)
    if not parts:
        nothing = Estimate(np.nan, np.nan, np.nan, 0, whole.positives, whole.blocks, sufficient=False)
        return StratifiedDifference(whole, nothing, groups, 0.0)
    drawn, counts = (np.array([part[i] for part in parts]) for i in (1, 2))
    known = np.isfinite(drawn)
    summed = (np.where(known, drawn, 0.0) * counts).sum(axis=0)
    below = (counts * known).sum(axis=0)
    mixed = np.divide(summed, below, out=np.full(len(below), np.nan), where=below > 0)
    value = sum(v * n for v, _, _, n in parts) / size
    like = Estimate(np.nan, np.nan, np.nan, size, whole.positives, whole.blocks)
    adjusted = spread(value, mixed, like=like)
    return StratifiedDifference(whole, adjusted, groups, size / rows)


def _is_clear(estimate: Estimate) -> bool:
    return estimate.sufficient and estimate.low * estimate.high > 0
