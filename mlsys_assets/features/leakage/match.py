"""A match: how one feature's values are found in one column of the records of a join."""

from dataclasses import dataclass
from functools import cached_property

from mlsys_assets.features.leakage.joins import Join
from mlsys_assets.features.leakage.known_values import NEVER, Groups, Mask, Moments

COPIED = 0.5
"""A column is a copy where so much is found of what chance would not find."""
COMMONPLACE = 0.9
"""Where chance finds so much, what copies and what merely looks alike cannot be told apart."""


@dataclass(frozen=True, eq=False)
class Match:
    """How one feature's values are found in one column of the records of a join.

    Parameters
    ----------
    feature
        The feature column.
    join, column
        Where its values were looked for.
    before, after
        (n,) microseconds since the nearest record with the value became known, and until the next will;
        ``NEVER`` where there is none within reach.
    told
        (n,) whether the feature has a value.
    group
        (n,) the keys of the join, as numbers.
    chance
        The share of rows whose value was known on another day, and whose was known or became so.
    of_requests, of_entities
        Whether the records are the requests themselves, and whether they name the entity they are about.
    """

    feature: str
    join: Join
    column: str
    before: Moments
    after: Moments
    told: Mask
    group: Groups
    chance: tuple[float, float]
    of_requests: bool
    of_entities: bool

    @property
    def known(self) -> Mask:
        """(n,) whether a record that was known by then holds the value."""
        held: Mask = self.before != NEVER
        return held

    @property
    def later(self) -> Mask:
        """(n,) whether a record holds it that became known later."""
        held: Mask = self.after != NEVER
        return held

    @property
    def found(self) -> float:
        """The share of values that are found, known or later."""
        return float((self.known | self.later)[self.told].mean())

    @property
    def is_copy(self) -> bool:
        """Whether most of what chance would not find is found, and chance finds not nearly all."""
        return beyond_chance(self.found, self.chance[1]) >= COPIED and self.chance[1] < COMMONPLACE

    @cached_property
    def copies_known(self) -> bool:
        """Whether most of what chance would not find was known."""
        return beyond_chance(float(self.known[self.told].mean()), self.chance[0]) >= COPIED


def beyond_chance(share: float, chance: float) -> float:
    """Return how much of what chance would not find is found: 1 for all of it, 0 for as much as by chance.

    >>> beyond_chance(0.9, 0.8)
    0.5
    """
    return round((share - chance) / (1 - chance), 9) if chance < 1 else 0.0
