"""The code location that is loaded where no other is named: the reference system."""

from mlsys_assets import Workspace
from mlsys_assets.systems.flights.system import flights

workspace = Workspace(flights)
defs = workspace.definitions
