"""Other settings for a candidate: by their names, also of what it holds."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

from mlsys_assets.mistakes import none_of, not_one
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.tuning.space import Dimension, Space
from mlsys_assets.types import Scalar

T = TypeVar("T")

Settings: TypeAlias = Mapping[str, Scalar]
"""A value for each name of a space."""

NOT_SEARCHED = frozenset({"name"})
"""Fields that say what a candidate is called, not how it learns."""


@runtime_checkable
class Adjustable(Protocol):
    """A candidate that takes other settings in its own way."""

    def with_params(self, values: Mapping[str, Scalar]) -> Self:
        """Return the same with other values; raises ValueError for names that it does not have."""
        ...


def with_settings(owner: T, values: Settings) -> T:
    """Return the same with other values; ``more.max_bin`` is the entry ``max_bin`` of its ``more``.

    >>> from mlsys_assets.models.gradient_boosting import LightGBM
    >>> with_settings(LightGBM(), {"leaves": 7, "more.max_bin": 63}).more
    {'max_bin': 63}
    """
    if isinstance(owner, Adjustable):
        return owner.with_params(values)
    changed: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
    within: dict[str, dict[str, Scalar]] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        if dot:
            within.setdefault(head, {})[rest] = value
    for head, inner in within.items():
        changed[head] = with_settings(owner[head] if isinstance(owner, Mapping) else getattr(owner, head), inner)
    if isinstance(owner, Mapping):
        return {**owner, **changed}  # type: ignore[return-value]
    return replace(owner, **changed)  # type: ignore[type-var]


def space_mistakes(candidate: Candidate, space: object, *, what: str) -> list[str]:
    """Return what is wrong with a space for a candidate: nothing in it, unknown names, values it cannot have."""
    if not isinstance(space, Mapping):
        return not_one(f"{what}: space", space, Mapping)
    if not space:
        return [f'{what}: space is empty; name what may be tried, such as {{"leaves": Integers(7, 63)}}']
    found = list[str]()
    for name, dimension in space.items():
        here = f"{what}: space[{name!r}]"
        wrong = not_one(f"{what}: a setting's name", name, str) or not_one(here, dimension, Dimension)
        wrong = wrong or dimension.mistakes(here) + _unknown(candidate, name, what=here)
        found += wrong or _beyond(candidate, {name: dimension}, what=here)
    return found


def _unknown(owner: object, name: str, *, what: str) -> list[str]:
    """Return that an owner, or what it holds, has no such setting, and what comes close."""
    if isinstance(owner, Adjustable | Mapping):
        return []  # the first says so itself; the second takes any
    head, dot, rest = name.partition(".")
    if not is_dataclass(owner) or isinstance(owner, type):
        return [f"{what}: a {type(owner).__name__} has no settings"]
    known = [f.name for f in fields(owner) if f.name not in NOT_SEARCHED]
    wrong = none_of(f"{what}: the setting", head, known)
    return wrong or (_unknown(getattr(owner, head), rest, what=what) if dot else [])


def _beyond(candidate: Candidate, space: Space, *, what: str) -> list[str]:
    """Return the first value of a space that the candidate says it cannot have."""
    return next((found for found in _refusals(candidate, space, what) if found), [])


def _refusals(candidate: Candidate, space: Space, what: str) -> Iterator[list[str]]:
    already = candidate.mistakes()
    for name, dimension in space.items():
        for end in dimension.ends:
            try:
                other = with_settings(candidate, {name: end})
            except (ValueError, TypeError, KeyError) as error:
                yield [f"{what}: {end!r} cannot be set: {error}"]
                continue
            yield [f"{what} may be {end!r}: {one}" for one in other.mistakes() if one not in already]
            if other.kind != candidate.kind:
                yield [f"{what} may be {end!r}, which makes a {other.kind} of a {candidate.kind}; tune each by itself"]
