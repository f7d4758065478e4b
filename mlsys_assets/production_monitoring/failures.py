"""Kinds of failure: of software, which somebody notices, and of machine learning, which mostly fails in silence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mlsys_assets.mistakes import not_long
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.types import DeclarationError

GAPS: Final = 3.0
"""How many times its longest usual gap a source must be silent to have stopped."""


class FailureClass(StrEnum):
    """What kind of failure an alert is of (Huyen 2022, ch. 8): the first four are any software's."""

    DEPENDENCY = "dependency"
    DEPLOYMENT = "deployment"
    RESOURCE = "hardware or resource"
    DOWNTIME = "downtime"
    DATA_PROCESSING = "data processing"
    SKEW = "train-serve skew"
    DATA_SHIFT = "data shift"
    STALE_MODEL = "stale model"
    EDGE_CASE = "edge case"
    FEEDBACK_LOOP = "feedback loop"

    @property
    def is_software(self) -> bool:
        """Whether it is a failure that any software has."""
        return self in _SOFTWARE

    @property
    def is_silent(self) -> bool:
        """Whether requests are answered all the same, only worse."""
        return not self.is_software

    @property
    def told(self) -> str:
        """The kind in words, with what sets it apart.

        >>> FailureClass.DATA_SHIFT.told
        'data shift (of machine learning, silent)'
        """
        return f"{self} (of {'software' if self.is_software else 'machine learning, silent'})"


_SOFTWARE: Final = frozenset(
    {FailureClass.DEPENDENCY, FailureClass.DEPLOYMENT, FailureClass.RESOURCE, FailureClass.DOWNTIME}
)
_OF_CAUSE: Final = {
    Cause.SCHEMA: FailureClass.DATA_PROCESSING,
    Cause.PIPELINE: FailureClass.DATA_PROCESSING,
    Cause.SKEW: FailureClass.SKEW,
    Cause.COVARIATE: FailureClass.DATA_SHIFT,
    Cause.LABEL: FailureClass.DATA_SHIFT,
    Cause.CONCEPT: FailureClass.DATA_SHIFT,
}


@dataclass(frozen=True)
class Failure:
    """A failure with its tag.

    ``where``: the source, package, model or column; ``told``: what was seen, in a sentence with its numbers.
    """

    kind: FailureClass
    where: str
    told: str

    @property
    def tags(self) -> dict[str, str]:
        """What an alert carries."""
        return {
            "failure": str(self.kind),
            "failure_of": "software" if self.kind.is_software else "machine learning",
            "silent": str(self.kind.is_silent).lower(),
        }


@dataclass(frozen=True)
class Arrivals:
    """When a source's rows came.

    Parameters
    ----------
    source
        Its name.
    last
        When the last of them became known; None if none ever did.
    longest_gap
        The longest time that usually passes between two; None where nothing is known of it.
    """

    source: str
    last: datetime | None
    longest_gap: timedelta | None


def stopped_sources(sources: Sequence[Arrivals], *, as_of: datetime) -> list[Failure]:
    """Return the sources that have been silent for far longer than they ever are.

    A source that never sent anything, or of which nothing is usual, has not stopped.
    """
    found = []
    for source in sources:
        if source.last is None or source.longest_gap is None:
            continue
        silent = as_of - source.last
        if silent > GAPS * source.longest_gap:
            told = (
                f"{source.source} sent nothing for {_hours(silent)} until {as_of:%Y-%m-%d %H:%M}; its longest usual "
                f"gap is {_hours(source.longest_gap)}"
            )
            found.append(Failure(FailureClass.DEPENDENCY, source.source, told))
    return found


def dropped_dependencies(needed: Mapping[str, str], found: Mapping[str, str | None]) -> list[Failure]:
    """Return packages that do not import, or in another version than is needed.

    Parameters
    ----------
    needed
        Versions by package, as locked.
    found
        Versions by package as imported; None for one that fails to import. One that is not named fails too.
    """
    failures = []
    for package, version in sorted(needed.items()):
        there = found.get(package)
        if there == version:
            continue
        seen = "it does not import" if there is None else f"{there} is there"
        kind = FailureClass.DEPENDENCY if there is None else FailureClass.DEPLOYMENT
        failures.append(Failure(kind, package, f"{package} {version} is needed, and {seen}"))
    return failures


def stale_model(name: str, *, learnt_until: datetime, as_of: datetime, oldest: timedelta) -> list[Failure]:
    """Return that a model serves that is older than declared, if it is.

    Parameters
    ----------
    learnt_until
        The end of what it was trained on.
    oldest
        The age that is allowed.

    Raises DeclarationError unless ``oldest`` is a duration.
    """
    if wrong := not_long("the oldest model", oldest):
        raise DeclarationError("the age of a model", wrong)
    age = as_of - learnt_until
    if age <= oldest:
        return []
    told = f"{name} learnt until {learnt_until:%Y-%m-%d}, {_days(age)} ago; {_days(oldest)} are allowed"
    return [Failure(FailureClass.STALE_MODEL, name, told)]


def failures_of(symptoms: Sequence[Symptom]) -> list[Failure]:
    """Return each symptom with its kind of failure; those that speak for nothing have none."""
    return [Failure(_OF_CAUSE[s.cause], s.where, s.told) for s in symptoms if s.cause in _OF_CAUSE]


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:.1f} h"


def _days(length: timedelta) -> str:
    return f"{math.floor(length.total_seconds() / 86400)} days"
