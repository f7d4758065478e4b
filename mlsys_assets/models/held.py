"""What candidates that hold others share: who is held, and recipes of several as one flat recipe, and back."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final

from mlsys_assets.models.candidate import Candidate, Recipe
from mlsys_assets.types import Scalar

TRIALS: Final = "trials"
"""The recipe's entry that says how many settings were tried; without it, one."""


def joined(parts: Mapping[str, Recipe]) -> dict[str, Scalar]:
    """Return the recipes under their parts' names, and the trials of all of them together, where one had several.

    >>> joined({"trees": {"rounds": 40, "trials": 5}, "line": {}})
    {'trees.rounds': 40, 'trees.trials': 5, 'trials': 6}
    """
    flat = {f"{name}.{key}": value for name, recipe in parts.items() for key, value in recipe.items()}
    return flat | trials_of(*parts.values())


def trials_of(*recipes: Recipe) -> dict[str, Scalar]:
    """Return how many settings were tried for all recipes together, as a recipe's entry; none where none had several.

    >>> trials_of({"rounds": 40, "trials": 5}, {})
    {'trials': 6}
    """
    if not any(TRIALS in recipe for recipe in recipes):
        return {}
    return {TRIALS: sum(int(recipe.get(TRIALS) or 1) for recipe in recipes)}


def own(recipe: Recipe, name: str) -> dict[str, Scalar]:
    """Return a part's recipe out of a flat one.

    >>> own({"trees.rounds": 40, "trials": 6}, "trees")
    {'rounds': 40}
    """
    begins = f"{name}."
    return {key.removeprefix(begins): value for key, value in recipe.items() if key.startswith(begins)}


def held(candidate: object) -> Iterator[object]:
    """Yield a candidate, and all that it holds in its fields, in tuples and in other declarations among them."""
    if isinstance(candidate, type):
        return
    if isinstance(candidate, Candidate):
        yield candidate
    parts: tuple[object, ...] = candidate if isinstance(candidate, tuple) else ()
    if is_dataclass(candidate):
        parts = tuple(getattr(candidate, field.name) for field in fields(candidate))
    for part in parts:
        yield from held(part)
