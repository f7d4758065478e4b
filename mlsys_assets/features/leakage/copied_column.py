"""A feature that copies a column of a source: how often the value was known, and how often it became so later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from mlsys_assets.data_sampling.identity import mixed
from mlsys_assets.features.leakage.day_sample import DaySample, Positions
from mlsys_assets.features.leakage.known_values import Mask
from mlsys_assets.features.leakage.match import Match, beyond_chance
from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.features.leakage.value_matches import ValueMatches
from mlsys_assets.types import Scalar, Severity, hours, minutes

CHANCE = 1e-6
"""Values are found only later more often than by chance where chance gives as many so rarely: hundreds of columns are
held against hundreds, and what is called chance is a guess from a few other days."""
LEAKED = 0.8
"""A copy holds what no known record does because it is found later: so much at least of what chance would not find.
What a lookup took from older records than are held against it is found by chance alone."""
DIFFERENT = 4
"""How many different values must be found later: one alone, such as no rain, is found on all hours of a day or on
none. Of entities' own records each speaks for itself."""


@dataclass(frozen=True)
class CopiedColumn:
    """A feature, the column that it copies, and whether what it copies was known.

    Parameters
    ----------
    feature
        The feature column.
    source, source_column, by
        What it is a copy of, and the key of the records.
    own
        Whether these are the request's own.
    rows
        How many sampled rows have a value.
    known, only_later
        The share whose value stands in a record that was known by then, and the share whose value stands in none
        but in one that became known later.
    lead
        How long after the prediction these became known, the median.
    values, found_later, different, chance
        The distinct values of a key and a day that no known record holds, how many of these are found later, how many
        different ones, and the share that is found on other days; 1 where that was not worth looking for.
    """

    feature: str
    source: str
    source_column: str
    by: str
    own: bool
    rows: int
    known: float
    only_later: float
    lead: timedelta
    values: int
    found_later: int
    different: int
    chance: float

    @cached_property
    def leaks(self) -> bool:
        """Whether most of what was not known is found later, beyond chance."""
        if not self.values or (self.different < DIFFERENT and not self.own):
            return False
        return beyond_chance(self.found_later / self.values, self.chance) >= LEAKED and self.p_chance <= CHANCE

    @property
    def p_chance(self) -> float:
        """How likely chance finds as many values later: binomial, of distinct values."""
        return _tail(self.found_later, self.values, self.chance)

    @property
    def suspicion(self) -> Suspicion:
        """What is said of a column that leaks."""
        whose = "the request's own record in" if self.own else f"records of the same {self.by} in"
        seen = (
            f"copies {self.source_column} of {whose} {self.source}: in {self.only_later:.1%} of {self.rows:,} sampled "
            f"rows no record known by then holds the value, and one does that became known {said(self.lead)} after "
            "the prediction (median)"
        )
        because = (
            f"Of {self.values:,} values that no known record holds, {self.found_later:,} are found later; "
            f"by chance {self.chance:.0%} are."
        )
        remedy = f"Declare it as a Lookup of {self.source} by {self.by}, so that it is taken as of the prediction time."
        if self.own:
            remedy = "Leave it out: it tells what became of the request."
        evidence: dict[str, Scalar] = {
            "source_column": f"{self.source}.{self.source_column}",
            "by": self.by,
            "only_later": round(self.only_later, 4),
            "lead_minutes": round(self.lead / minutes(1), 1),
            "values": self.values,
            "found_later": self.found_later,
            "chance": round(self.chance, 4),
        }
        return Suspicion((self.feature,), Severity.ERROR, seen, because, remedy, evidence)


def copied_column(found: Sequence[Match], matches: ValueMatches, sample: DaySample) -> CopiedColumn | None:
    """Return what one feature copies, by all that its values match; None if nothing.

    A match that leaks goes before one that does not; of several, the one that explains most.
    """
    every = [_copied(match, matches, sample, vouched=_vouched(match, found)) for match in found]
    leaks = [one for one in every if one.leaks]
    if leaks:
        return max(leaks, key=lambda one: (one.only_later, -one.chance))
    clean = [(match.found - match.chance[1], one) for match, one in zip(found, every, strict=True) if match.is_copy]
    return max(clean, key=lambda pair: pair[0])[1] if clean else None


def _vouched(match: Match, found: Sequence[Match]) -> Mask:
    """Return (n,) whether the value was known, by this match or by another of which the feature is a copy.

    Records of entities repeat what a request said, so that there its own table vouches for a value. It does not
    against records of something else: what a plan says of the weather is itself to be doubted. Nor against another
    column of its own table: what a measurement says of the next one is.
    """
    known = match.known.copy()
    for other in found:
        repeats = match.of_entities and not (match.of_requests and match.column != other.column)
        if other.copies_known and (repeats or not other.of_requests):
            known |= other.known
    return known


def _copied(match: Match, matches: ValueMatches, sample: DaySample, *, vouched: Mask) -> CopiedColumn:
    unknown = np.flatnonzero(match.told & ~vouched)
    later = unknown[match.later[unknown]]
    lead = timedelta(microseconds=float(np.median(match.after[later]))) if len(later) else timedelta(0)
    values = unknown[_distinct(match, sample, unknown)]
    hits, chance = int(match.later[values].sum()), 1.0
    if hits >= LEAKED * len(values) and _tail(hits, len(values), 1 / (len(sample.turns) * len(values) + 2)) <= CHANCE:
        there = matches.later_by_chance(match, values)
        chance = (float(there.sum()) + 1) / (there.size + 2)  # Laplace's rule: never none
    rows, of = int(match.told.sum()), sample.features[match.feature][0]
    return CopiedColumn(
        match.feature, match.join.source, match.column, str(match.join), match.join.own,
        rows=rows, known=float(match.known[match.told].mean()), only_later=len(later) / max(rows, 1), lead=lead,
        values=len(values), found_later=hits, different=len(np.unique(of[later])), chance=chance,
    )  # fmt: skip


def _tail(found: int, of: int, chance: float) -> float:
    """Return how likely as many are found by chance."""
    from scipy.special import bdtrc

    return float(bdtrc(found - 1, of, chance)) if found else 1.0


def _distinct(match: Match, sample: DaySample, rows: Positions) -> Positions:
    """Return positions in ``rows`` of the first with each value, of each key and day: the others tell no more."""
    value = sample.features[match.feature][0][rows].view(np.uint64)
    state = mixed(mixed(match.group[rows], value), sample.day[rows].astype(np.uint64))
    return np.unique(state, return_index=True)[1]


def said(length: timedelta) -> str:
    """Return a duration in words, rounded to minutes, or from two days on to hours.

    >>> said(timedelta(hours=2, minutes=40))
    '2 h 40 min'
    """
    if length >= hours(48):
        whole, rest = divmod(round(length / hours(1)), 24)
        return f"{whole} d" + (f" {rest} h" if rest else "")
    whole, rest = divmod(round(length / minutes(1)), 60)
    return " ".join([f"{whole} h"] * (whole > 0) + [f"{rest} min"] * (rest > 0 or not whole))
