"""Work on a cluster, done while its workers are watched: one that is lost is an error soon, and not a wait for ever."""

from collections.abc import Callable, Sequence
from concurrent import futures
from contextvars import copy_context
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")

EVERY: Final = 0.5
"""Seconds between two looks at the workers."""
ANSWER: Final = 30.0
"""Seconds within which an idle worker answers."""


class TrainingLost(RuntimeError):
    """A cluster that did not do its work: a worker was lost, or waits for one that failed. No fault of the rows'."""


def watched(work: Callable[[], T], client: Any, workers: Sequence[str], *, what: str) -> T:
    """Return what ``work`` gives, which is done in a thread meanwhile.

    Parameters
    ----------
    work
        Waits for the cluster.
    client
        The cluster's client.
    workers
        The addresses of the workers that it needs, each to the end.
    what
        What is done, for the error.

    Raises TrainingLost if a worker is lost, and what ``work`` raises.
    """
    done: futures.Future[T] = futures.Future()
    here = copy_context()

    def run() -> None:
        try:
            done.set_result(here.run(work))
        except BaseException as error:  # noqa: BLE001 - handed over
            done.set_exception(error)

    Thread(target=run, name="watched", daemon=True).start()
    while not futures.wait([done], timeout=EVERY).done:
        _require(client, workers, what)
    try:
        return done.result()
    except Exception as error:
        _require(client, workers, what)
        if _gave_up(error):
            raise TrainingLost(f"{what}: the cluster gave the work up ({error}); start it again") from error
        raise


def require_idle(client: Any, workers: Sequence[str], *, what: str) -> None:
    """Raise TrainingLost unless each worker is free: one may wait for another that failed, and would for hours."""
    from distributed import wait

    _require(client, workers, what)
    asked = [client.submit(int, workers=[one], allow_other_workers=False, pure=False) for one in workers]
    try:
        with client.as_current():
            wait(asked, timeout=ANSWER)
    except TimeoutError as error:
        raise TrainingLost(f"{what}: a worker does not answer within {ANSWER:g} s; start the cluster anew") from error


def _require(client: Any, workers: Sequence[str], what: str) -> None:
    there = client.ncores()
    if lost := [one for one in workers if one not in there]:
        raise TrainingLost(
            f"{what}: {len(lost)} of {len(workers)} workers were lost meanwhile ({', '.join(lost)}); nothing of the "
            "model is kept. Look whether they ran out of memory, and start it again"
        )


def _gave_up(error: Exception) -> bool:
    """Return whether it is the cluster's own error, as for work whose rows were lost, and not the work's."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return isinstance(error, futures.CancelledError | KilledWorker | FutureCancelledError)
