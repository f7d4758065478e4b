"""A workspace: the systems of one deployment, and the stores and definitions that they share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mlsys_assets.process_environment import prepare

prepare(os.environ)  # before anything that reads it is loaded

from mlsys_assets.system import MLSystem
from mlsys_assets.types import SystemClock
from mlsys_resources.resources import Resources, build_resources

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True, init=False)
class Workspace:
    """The systems of one deployment.

    A module that holds one, as ``workspace``, and its definitions, as ``defs``, is what ``MLSYS_WORKSPACE`` names and
    what Dagster loads as a code location::

        workspace = Workspace(rain, flights)
        defs = workspace.definitions

    Parameters
    ----------
    systems
        The declarations; no two of one name.
    environment
        Where the stores are, as of when the workspace is made; the environment of this process, if not given.
    """

    systems: tuple[MLSystem, ...]
    environment: Mapping[str, str] = field(repr=False, compare=False)

    def __init__(self, *systems: MLSystem, environment: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "systems", systems)
        object.__setattr__(self, "environment", dict(os.environ if environment is None else environment))

    @cached_property
    def stores(self) -> Resources:
        """The tables, records and models of the workspace; each opened when it is first asked for."""
        return build_resources(self.environment, clock=SystemClock().now)

    @cached_property
    def definitions(self) -> "dg.Definitions":
        """What Dagster loads; raises DeclarationError if two systems are of one name."""
        from mlsys_assets.definitions import build_definitions

        return build_definitions(*self.systems, resources=self.stores)

    def system(self, name: str | None = None) -> MLSystem:
        """Return the system of that name, or the first; raises LookupError, naming those that there are."""
        named = {system.name: system for system in self.systems}
        if not named:
            raise LookupError("the workspace has no systems; name at least one: Workspace(mine)")
        if name is not None and name not in named:
            raise LookupError(f"the workspace has no system {name!r}; it has: {', '.join(named)}")
        return named[name or next(iter(named))]
