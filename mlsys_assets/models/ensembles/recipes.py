"""Recipes of several candidates as one flat recipe, and back."""

from collections.abc import Iterator, Mapping
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
    if any(TRIALS in recipe for recipe in parts.values()):
        flat[TRIALS] = sum(int(recipe.get(TRIALS) or 1) for recipe in parts.values())
    return flat


def own(recipe: Recipe, name: str) -> dict[str, Scalar]:
    """Return a part's recipe out of a flat one.

    >>> own({"trees.rounds": 40, "trials": 6}, "trees")
    {'rounds': 40}
    """
    begins = f"{name}."
    return {key.removeprefix(begins): value for key, value in recipe.items() if key.startswith(begins)}


def held(candidate: object) -> Iterator[object]:
    """Yield a candidate and all that it holds, by way of ``candidate`` and ``candidates``, as wrappers call them."""
    yield candidate
    within = getattr(candidate, "candidate", None)
    several = getattr(candidate, "candidates", ())
    for one in (within, *(several if isinstance(several, tuple) else ())):
        if isinstance(one, Candidate):
            yield from held(one)
