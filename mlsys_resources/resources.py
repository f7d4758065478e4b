"""The one place where stores are chosen: everything else is handed them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsys_resources.alert_channels import Channel
    from mlsys_resources.engines import Engine
    from mlsys_resources.lake import Lake
    from mlsys_resources.model_store import ModelStore
    from mlsys_resources.operations_store import OperationsStore
    from mlsys_resources.training_cluster import TrainingCluster

HOME = "MLSYS_HOME"
"""Environment: the folder that holds all state; ``.mlsys`` below the working folder if not set."""
LAKE = "MLSYS_LAKE"
"""Environment: where the lake's tables are, if not below the home."""
OPERATIONS_URL = "MLSYS_OPERATIONS_URL"
"""Environment: the operations store's database URL; a SQLite file below the home if not set."""
TRACKING_URI = "MLSYS_TRACKING_URI"
"""Environment: the MLflow tracking server or database; a SQLite file below the home if not set."""
DAGSTER_URL = "MLSYS_DAGSTER_URL"
"""Environment: the PostgreSQL database of Dagster's own runs and events; SQLite files below the home if not set."""
WORKSPACE = "MLSYS_WORKSPACE"
"""Environment: the module that holds a deployment's ``workspace`` and ``defs``, if not the one of mlsys."""
LOCAL_WORKSPACE, BUILT_IN_WORKSPACE = "mlsys_workspace", "mlsys_assets.systems.workspace"
"""That module in the working folder, which is taken if nothing is said, and the one of the reference system."""
MLFLOW_UI = "MLSYS_MLFLOW_UI"
"""Environment: where people open the MLflow UI, for links."""
ENGINE = "MLSYS_ENGINE"
"""Environment: what computes features: ``embedded`` (NumPy, in memory), ``duckdb`` or ``pyspark``; the first if not
set."""
ENGINE_MEMORY = "MLSYS_ENGINE_MEMORY"
"""Environment: the most memory that the engine's database takes, such as ``4GB``; what does not fit is spilled."""
ENGINE_THREADS = "MLSYS_ENGINE_THREADS"
"""Environment: how many threads the engine's database uses; one for each core if not set."""
ENGINE_FOLDER = "MLSYS_ENGINE_FOLDER"
"""Environment: where the engine's database spills; a temporary folder if not set."""
SPARK_MASTER = "MLSYS_SPARK_MASTER"
"""Environment: the Spark master; this machine if not set."""
TRAINING = "MLSYS_TRAINING"
"""Environment: where models are trained: ``local`` (in the process) or ``dask`` (on workers); the first if not set."""
TRAINING_WORKERS = "MLSYS_TRAINING_WORKERS"
"""Environment: how many workers train a model together; 2 if not set."""
TRAINING_ADDRESS = "MLSYS_TRAINING_ADDRESS"
"""Environment: the scheduler of a Dask cluster that is there, as tcp://host:8786; workers of this machine, if
not set."""
EXECUTOR = "MLSYS_EXECUTOR"
"""Environment: where the steps of a run are executed that Dagster launches: ``in_process``, one after the other in the
run's own, or ``multiprocess``, each in a process of its own; the first if not set."""
EXECUTOR_STEPS = "MLSYS_EXECUTOR_STEPS"
"""Environment: how many steps of a run ``multiprocess`` executes at once; 1 if not set."""
IN_PROCESS, MULTIPROCESS = "in_process", "multiprocess"
"""What MLSYS_EXECUTOR may be."""
STORES = "stores"
"""The name by which assets, schedules and sensors ask for the stores."""
FENCE = "MLSYS_FENCE"
"""Environment: the token of the process that owns the state folder, for it and its children; a process without one
writes tables only while nobody owns the folder."""


@dataclass(frozen=True)
class Resources:
    """The stores of one environment, each made when it is first asked for: loading the definitions asks for none.

    Parameters
    ----------
    env
        Variables by name; see the constants of this module.
    clock
        Tells when something was recorded.
    """

    env: Mapping[str, str] = field(repr=False)
    clock: Callable[[], datetime]

    @cached_property
    def home(self) -> Path:
        """The folder that holds all state."""
        return state_folder(self.env)

    @property
    def operations_url(self) -> str:
        """The operations store's database."""
        return self.env.get(OPERATIONS_URL) or f"sqlite:///{self.home / 'operations.db'}"

    @property
    def tracking_uri(self) -> str:
        """The MLflow server or database."""
        return self.env.get(TRACKING_URI) or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def artifact_root(self) -> Path:
        """Where models' files lie, if no MLflow server keeps them."""
        return self.home / "mlartifacts"

    @property
    def token(self) -> int | None:
        """The fence token that this process was given; raises ValueError for what is none."""
        given = self.env.get(FENCE) or None
        if given is not None and not given.isdecimal():
            raise ValueError(
                f"{FENCE} is {given!r}; it is the number that the owner of a state folder gives its children: unset it"
            )
        return None if given is None else int(given)

    @property
    def steps_at_once(self) -> int | None:
        """How many steps of a run are executed at once, each in a process of its own; None: all in the run's own.

        Raises ValueError for an executor that there is not, or no number of steps.
        """
        executor, steps = self.env.get(EXECUTOR) or IN_PROCESS, self.env.get(EXECUTOR_STEPS) or "1"
        if executor not in (IN_PROCESS, MULTIPROCESS):
            raise ValueError(f"{EXECUTOR} is {executor!r}; give {IN_PROCESS} or {MULTIPROCESS}, or unset it")
        if not steps.isdecimal() or int(steps) == 0:
            raise ValueError(f"{EXECUTOR_STEPS} is {steps!r}; give a whole number from 1, or unset it")
        return None if executor == IN_PROCESS else int(steps)

    @cached_property
    def lake(self) -> "Lake":
        """The tables."""
        from mlsys_resources.lake import Lake

        fence = self._check_unowned if self.token is None else self._check_fence
        return Lake(self.env.get(LAKE) or str(self.home / "lake"), fence=fence)

    @cached_property
    def engine(self) -> "Engine":
        """What computes features; raises ValueError for what is none."""
        from mlsys_resources.engines import EMBEDDED, Engine

        threads, folder = self.env.get(ENGINE_THREADS) or None, self.env.get(ENGINE_FOLDER)
        if threads is not None and not threads.isdecimal():
            raise ValueError(f"{ENGINE_THREADS} is {threads!r}; give a whole number, or unset it")
        return Engine(
            self.env.get(ENGINE) or EMBEDDED,
            memory=self.env.get(ENGINE_MEMORY) or None,
            threads=None if threads is None else int(threads),
            folder=Path(folder) if folder else None,
            master=self.env.get(SPARK_MASTER) or None,
        )

    @cached_property
    def training(self) -> "TrainingCluster":
        """Where models are trained; raises ValueError for what is no such place."""
        from mlsys_resources.training_cluster import FEWEST_WORKERS, LOCAL, TrainingCluster

        workers = self.env.get(TRAINING_WORKERS) or None
        if workers is not None and not workers.isdecimal():
            raise ValueError(f"{TRAINING_WORKERS} is {workers!r}; give a whole number, or unset it")
        return TrainingCluster(
            self.env.get(TRAINING) or LOCAL,
            workers=FEWEST_WORKERS if workers is None else int(workers),
            address=self.env.get(TRAINING_ADDRESS) or None,
        )

    @cached_property
    def operations(self) -> "OperationsStore":
        """The ledger, the aliases, the trusted records."""
        from mlsys_resources.operations_store import OperationsStore

        return OperationsStore(self.operations_url, clock=self.clock, token=self.token)

    @cached_property
    def models(self) -> "ModelStore":
        """Runs and models."""
        from mlsys_resources.model_store import ModelStore

        return ModelStore(
            self.tracking_uri,
            operations=self.operations,
            artifact_root=self.artifact_root,
            clock=self.clock,
            ui=self.env.get(MLFLOW_UI),
        )

    @cached_property
    def alert_channels(self) -> "Mapping[str, Channel]":
        """Where alerts are told; raises ValueError for what is no URL, server or address."""
        from mlsys_resources.alerts import channels_of

        return channels_of(self.env, home=self.home)

    def _check_fence(self) -> None:
        self.operations.check_fence()

    def _check_unowned(self) -> None:
        """Raise Fenced if the run is fenced, or somebody owns the folder who did not start this process.

        It has no token.
        """
        from mlsys_resources.fence import Fenced
        from mlsys_resources.folder_lock import look

        self._check_fence()
        owned, holder = look(self.home)
        if owned:
            raise Fenced(
                f"{self.home} is in use by {holder or 'another process'}, which did not start this one; nothing was "
                "written: wait until it has ended, or do this in the pages of `mlsys up`"
            )

    def for_dagster(self) -> dict[str, object]:
        """Return them under the name by which assets ask for them."""
        return {STORES: self}


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder that holds all state."""
    return Path(env.get(HOME) or ".mlsys").absolute()


def workspace_module(env: Mapping[str, str]) -> str:
    """Return the module that names a deployment's systems: as said, or that of the working folder, or mlsys's own."""
    here = LOCAL_WORKSPACE if Path(f"{LOCAL_WORKSPACE}.py").is_file() else BUILT_IN_WORKSPACE
    return env.get(WORKSPACE) or here


def build_resources(env: Mapping[str, str], *, clock: Callable[[], datetime]) -> Resources:
    """Return the stores that the environment names, as it stands now."""
    return Resources(dict(env), clock)
