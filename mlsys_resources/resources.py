"""The one place where stores are chosen: everything else is handed them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlsys_resources.lake import Lake
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_store import OperationsStore

HOME = "MLSYS_HOME"
"""Environment: the folder that holds all state; ``.mlsys`` below the working folder if not set."""
LAKE = "MLSYS_LAKE"
"""Environment: where the lake's tables are, if not below the home."""
OPERATIONS_URL = "MLSYS_OPERATIONS_URL"
"""Environment: the operations store's database URL; a SQLite file below the home if not set."""
TRACKING_URI = "MLSYS_TRACKING_URI"
"""Environment: the MLflow tracking server or database; a SQLite file below the home if not set."""
MLFLOW_UI = "MLSYS_MLFLOW_UI"
"""Environment: where people open the MLflow UI, for links."""


@dataclass(frozen=True)
class Resources:
    """The stores of one environment; none is touched before it is first used."""

    lake: Lake
    operations: OperationsStore
    models: ModelStore

    def for_dagster(self) -> dict[str, object]:
        """Return them under the names by which assets ask for them."""
        return {"lake": self.lake, "operations": self.operations, "models": self.models}


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder that holds all state."""
    return Path(env.get(HOME) or ".mlsys").absolute()


def build_resources(env: Mapping[str, str], *, clock: Callable[[], datetime]) -> Resources:
    """Return the stores that the environment names.

    Parameters
    ----------
    env
        Variables by name; see the constants of this module.
    clock
        Tells when something was recorded.
    """
    home = state_folder(env)
    operations = OperationsStore(env.get(OPERATIONS_URL) or f"sqlite:///{home / 'operations.db'}", clock=clock)
    return Resources(
        lake=Lake(env.get(LAKE) or str(home / "lake")),
        operations=operations,
        models=ModelStore(
            env.get(TRACKING_URI) or f"sqlite:///{home / 'mlflow.db'}",
            operations=operations,
            artifact_root=home / "mlartifacts",
            clock=clock,
            ui=env.get(MLFLOW_UI),
        ),
    )
