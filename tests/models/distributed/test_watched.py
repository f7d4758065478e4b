"""A worker that is lost is an error soon: never a wait, never a model."""

import os
import signal
import time
from threading import Thread

import psutil
import pytest

from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.distributed.dask_training import DaskTraining
from mlsys_assets.models.distributed.watched import TrainingLost, watched
from mlsys_assets.models.gradient_boosting import LightGBM

SOON = 20.0
"""Seconds within which a loss is told."""


def _killed_in_the_midst(client, pid: int, at: list[float]) -> Thread:
    """Kill a worker as soon as each worker has been given a task of training, and been at it for a while."""

    def kill() -> None:
        while not all(any("_train_part" in str(key) for key in keys) for keys in client.processing().values()):
            time.sleep(0.05)
        before = sum(psutil.Process(pid).cpu_times()[:2])
        while sum(psutil.Process(pid).cpu_times()[:2]) < before + 0.3:
            time.sleep(0.05)
        at.append(time.monotonic())
        os.kill(pid, signal.SIGKILL)

    thread = Thread(target=kill, daemon=True)
    thread.start()
    return thread


def _trained_and_killed(cluster, candidate, train, worker: str, at: list[float]) -> None:
    with cluster.open() as client:
        killer = _killed_in_the_midst(client, client.run(os.getpid)[worker], at)
        try:
            DaskTraining(client).refit(candidate, train, recipe={"rounds": candidate.rounds}, seed=1, threads=1)
        finally:
            killer.join()


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.prove), 1])
def test_a_worker_killed_while_trees_grow_is_an_error_and_the_next_training_has_new_workers(
    cluster, train, validation, rank: int
) -> None:
    endless = LightGBM(rounds=1_000_000, leaves=7)
    with cluster.open() as client:
        before = DaskTraining(client).fit(LightGBM(rounds=9), train, validation, seed=1, threads=1)
        pids = client.run(os.getpid)
        worker = sorted(pids)[rank]
        at: list[float] = []
    with pytest.raises(TrainingLost, match=f"1 of 2 workers were lost meanwhile .{worker}.; nothing"):
        _trained_and_killed(cluster, endless, train, worker, at)
    assert time.monotonic() - at[0] < SOON
    assert not [pid for pid in pids.values() if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    with cluster.open() as client:
        assert not set(client.run(os.getpid).values()) & set(pids.values())
        after = DaskTraining(client).fit(LightGBM(rounds=9), train, validation, seed=1, threads=1)
    assert to_files(after.predictor) == to_files(before.predictor)  # of other processes, at other ports


def test_what_the_work_itself_raises_is_raised(client) -> None:
    def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        watched(fails, client, list(client.ncores()), what="it")
    assert watched(lambda: 3, client, list(client.ncores()), what="it") == 3


@pytest.mark.prove
def test_a_worker_killed_by_its_task_is_an_error(cluster, train, validation) -> None:
    with pytest.raises(TrainingLost, match="deadly: 1 of 1 workers were lost"), cluster.open() as client:
        DaskTraining(client).fit(Deadly(("carrier",), name="deadly"), train, validation, seed=1, threads=1)


class Deadly(GroupRate):
    """Kills its process."""

    def fit(self, train, validation, *, seed, threads):
        os.kill(os.getpid(), signal.SIGKILL)
