"""The code location that Dagster loads: every system of this deployment."""

import os

from mlsys_assets.process_environment import prepare

prepare(os.environ)

from mlsys_assets.definitions import build_definitions
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.types import SystemClock
from mlsys_resources.resources import build_resources

SYSTEMS = (flights,)
resources = build_resources(os.environ, clock=SystemClock().now)
defs = build_definitions(*SYSTEMS, resources=resources)
