"""What the steps of a life are handed in place of a run: its name, its tick and stores in memory."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlsys_assets.policy_replay.kept_models import LifesModels
from mlsys_assets.policy_replay.memory_operations import MemoryOperations
from mlsys_assets.policy_replay.replayed_lake import ReplayedLake
from mlsys_assets.types import TimeWindow

NO_RUN = "replay"
"""In the place of a run's id."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ReplayedStores:
    """The stores of one life, with the names of ``Resources``.

    Parameters
    ----------
    home
        A folder for what a search keeps while it goes on.
    """

    lake: ReplayedLake
    operations: MemoryOperations
    models: LifesModels
    home: Path
    training: Any = field(default_factory=lambda: SimpleNamespace(workers=0))


@dataclass(frozen=True, eq=False)
class NoRun:
    """Stands where a step expects the context of its run."""

    partition_time_window: TimeWindow
    run: Any = field(default_factory=lambda: SimpleNamespace(run_id=NO_RUN))
    log: logging.Logger = LOG

    @classmethod
    def of(cls, as_of: Any, step: timedelta) -> Any:
        """Return the stand-in of a step as of a tick's start."""
        return cls(TimeWindow(as_of, as_of + step))


class NoLogbook:
    """Stands where a fit expects the logbook of its training: nothing is told to MLflow."""

    writer = SimpleNamespace(source=SimpleNamespace(hash=NO_RUN))

    def trial(self, progress: Any) -> None:
        """Tell nobody of a setting that was tried."""
