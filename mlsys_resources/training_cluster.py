"""Where models are trained: in this process, on worker processes of this machine, or on a cluster that is there."""

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Final

LOCAL, DASK = "local", "dask"
PLACES: Final = (LOCAL, DASK)
"""This process; the workers of a Dask cluster."""
FEWEST_WORKERS: Final = 2
"""Fewer are no cluster."""
START: Final = 120
"""Seconds that workers have to appear."""
SCHEMES: Final = ("tcp://", "tls://")
"""How a cluster's address begins."""
SETTINGS: Final = {
    "distributed.scheduler.work-stealing": False,  # rows are trained on where they were sent
    "distributed.scheduler.allowed-failures": 0,  # what killed one worker would kill the next
    "distributed.worker.memory.target": False,  # nothing is spilled: training reads all its rows all the time
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Of the cluster on this machine."""


class ClusterUnavailable(RuntimeError):
    """A cluster that cannot be used: Dask is not installed, or its workers do not come."""


@dataclass(frozen=True)
class TrainingCluster:
    """Where models are trained.

    Parameters
    ----------
    place
        One of ``PLACES``.
    workers
        How many workers train together.
    address
        Of the scheduler of a cluster that is there; workers are started on this machine, if not given.

    Raises ValueError for what is none of these.
    """

    place: str = LOCAL
    workers: int = FEWEST_WORKERS
    address: str | None = None

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ValueError(f"the place of training is {self.place!r}; allowed: {', '.join(PLACES)}")
        if self.workers < FEWEST_WORKERS:
            raise ValueError(
                f"training has {self.workers} workers; it takes {FEWEST_WORKERS} at least, or the place {LOCAL!r}"
            )
        if self.address is not None and self.place != DASK:
            raise ValueError(f"training has the address {self.address!r} and the place {LOCAL!r}; set it to {DASK!r}")
        if self.address is not None and not self.address.startswith(SCHEMES):
            raise ValueError(f"the address of training is {self.address!r}; write it as tcp://host:8786")

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Yield the client of the cluster; None if models are trained in this process.

        The cluster of this machine is the process's: it is started when it is first asked for, and stays until the
        process ends. After an error of its own it is closed, with all its workers, and started anew the next time.

        Raises ClusterUnavailable.
        """
        if self.place == LOCAL:
            yield None
            return
        _require_dask()
        if self.address is not None:
            with _joined(self.address, self.workers) as client:
                yield client
            return
        cluster = _LocalCluster.of(self.workers)
        try:
            yield cluster.client
        except BaseException:
            cluster.close()
            raise


class _LocalCluster:
    """Worker processes of this machine, one thread each, that are reached from this machine alone."""

    running: "_LocalCluster | None" = None
    lock: Final = Lock()

    def __init__(self, workers: int) -> None:
        import dask
        from distributed import Client, LocalCluster

        self.workers, self.process, self._stack = workers, os.getpid(), ExitStack()
        try:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="mlsys-training-"))
            with dask.config.set({**SETTINGS, "temporary-directory": folder}):
                cluster = LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", memory_limit=0,
                    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, local_directory=folder,
                    silence_logs=logging.CRITICAL,
                )  # fmt: skip
                self._stack.callback(cluster.close, timeout=START)
            for nanny in cluster.workers.values():
                nanny.auto_restart = False  # one that comes back has no rows
            self.client = self._stack.enter_context(Client(cluster, set_as_default=False))
            _wait(self.client, workers)
            self.client.run(_be_silent)
        except BaseException:
            self._stack.close()
            raise

    @classmethod
    def of(cls, workers: int) -> "_LocalCluster":
        """Return the process's cluster, started if there is none of so many living workers."""
        with cls.lock:
            now = cls.running
            if now is not None and not now.serves(workers):
                now.close()
                now = None
            if now is None:
                now = cls.running = cls(workers)
                atexit.register(now.close)
            return now

    def serves(self, workers: int) -> bool:
        """Return whether it is this process's own, and has so many workers, all of them alive."""
        return self.process == os.getpid() and self.workers == workers == len(self.client.ncores())

    def close(self) -> None:
        """End the workers and remove their folders; what a fork inherited is its parent's to close."""
        atexit.unregister(self.close)
        if type(self).running is self:
            type(self).running = None
        if self.process == os.getpid():
            self._stack.close()


def _be_silent() -> None:
    """Let what this process, a worker, prints go nowhere: LightGBM tells each port that it opens."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def _joined(address: str, workers: int) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, set_as_default=False, timeout=START)
    except OSError as error:
        raise ClusterUnavailable(f"no cluster answers at {address} ({error}); start it, or name another") from error
    with client:
        _wait(client, workers)
        yield client


def _wait(client: Any, workers: int) -> None:
    try:
        client.wait_for_workers(workers, timeout=START)
    except TimeoutError as error:
        there = len(client.ncores())
        raise ClusterUnavailable(
            f"training is to have {workers} workers; {there} came within {START} s: start more, or ask for fewer"
        ) from error


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        raise ClusterUnavailable(
            f"training on a cluster needs Dask, and {error.name} is not installed: pip install 'mlsys[scale]'"
        ) from error
