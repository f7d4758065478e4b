"""What a family of tests saw, and which of them could not look."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mlsys_assets.production_monitoring.diagnosis import Symptom


@dataclass(frozen=True)
class Examined:
    """What tests saw.

    Parameters
    ----------
    symptoms
        What is other than it was.
    untold
        Tests that could not look, by name, and why.
    """

    symptoms: tuple[Symptom, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable["Examined"]) -> "Examined":
        """Return what several families saw."""
        found = tuple(found)
        untold = {name: reason for one in found for name, reason in one.untold.items()}
        return cls(tuple(s for one in found for s in one.symptoms), untold)

    @classmethod
    def nothing(cls, test: str, reason: str) -> "Examined":
        """Return that a test could not look."""
        return cls((), {test: reason})


def every(test: Callable[..., Symptom | None], of: Iterable[object]) -> tuple[Symptom, ...]:
    """Return what a test of one column says of each that it has something to say of."""
    return tuple(symptom for one in of if (symptom := test(one)) is not None)
