"""The flights system as a workspace, on other raw files or with another policy, as the environment says."""

import os
from dataclasses import replace
from pathlib import Path

from mlsys_assets import Every, Gates, NonInferiority, Retraining, Workspace, days
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.system import build_system

folder = os.environ.get("FLIGHTS_FOLDER")
flights = build_system(FlightsFiles(Path(folder)) if folder else FlightsFiles.installed())
if os.environ.get("FLIGHTS_POLICY") == "weekly":
    # Retrained and promoted every week: margins so wide that no model is held back against the champion.
    flights = replace(
        flights,
        triggers=(Every(days(7)),),
        retraining=Retraining(),
        gates=Gates(champion=NonInferiority(recent=1.0, static=1.0)),
    )

workspace = Workspace(flights)
defs = workspace.definitions
