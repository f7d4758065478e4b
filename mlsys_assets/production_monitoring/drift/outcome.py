"""What a test of two sets of rows came to: a symptom, nothing, or why it could not look."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlsys_assets.production_monitoring.diagnosis import Symptom


@dataclass(frozen=True)
class Outcome:
    """What a test of two sets of rows came to.

    Parameters
    ----------
    test
        Its name.
    size, limit
        The effect, and from where on it counts, in the test's own measure; NaN where it could not look.
    chance
        How likely chance alone gives as much: a p-value.
    distance
        The effect on a scale that begins at 0, for what is usual of it.
    symptom
        Where the effect counts and is beyond chance.
    untold
        Why it could not look.
    left_out
        By name why a column was not looked at.
    """

    test: str
    size: float
    limit: float
    chance: float
    distance: float
    symptom: Symptom | None = None
    untold: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def nothing(cls, test: str, why: str, left_out: Mapping[str, str]) -> "Outcome":
        """Return that a test could not look."""
        nan = float("nan")
        return cls(test, nan, nan, nan, nan, untold=why, left_out=left_out)
