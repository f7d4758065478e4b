"""Python's ``map`` on the workers of a cluster: many at once, and the results in the order of the items."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from mlsys_assets.models.distributed.watched import watched

Item = TypeVar("Item")
Result = TypeVar("Result")


def dask_map(
    function: Callable[[Item], Result], items: Iterable[Item], /, *, client: Any, what: str = "the tries"
) -> Iterator[Result]:
    """Yield what the function gives for each item, in the items' order, whichever worker was first.

    Parameters
    ----------
    function
        What is tried. It may hold many rows: each worker is sent it once. It must not depend on what else was tried.
    items
        What it is tried with: little, or the cluster's own futures of much, which is then where it is used.
    client
        The cluster's client.
    what
        What is done, for the error.

    What the function raises is raised at its item, TrainingLost if a worker is lost. Who stops asking stops the rest.
    """
    workers = sorted(client.ncores())
    (sent,) = client.scatter([function], workers=workers, broadcast=True, hash=False)
    asked = [client.submit(_call, sent, item, pure=False) for item in items]
    try:
        for one in asked:
            yield watched(one.result, client, workers, what=what)
    finally:
        if client.status == "running":  # else the workers are gone, and what they did
            client.cancel(asked)


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)
