"""Which rows lie on which worker: told before anything is trained, since one worker alone trains as well as two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from mlsys_assets.models.distributed.newton import Block
from mlsys_assets.models.distributed.watched import TrainingLost
from mlsys_assets.types import Scalar

FEWEST: Final = 2
"""Rows on fewer workers are trained on by one alone, however many there are."""


ENGINE, DASK, WORKERS = "training engine", "dask", "training workers"
"""What a model's record says of where it was trained, under these names."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Blocks of rows on the workers, the first block first.

    Parameters
    ----------
    parts
        For each block the futures of its matrix and its labels.
    shapes
        The shapes of the matrices.
    workers
        The addresses of the workers that hold them, by block.
    """

    parts: tuple[tuple[Any, Any], ...]
    shapes: tuple[tuple[int, int], ...]
    workers: tuple[str, ...]

    @property
    def record(self) -> dict[str, Scalar]:
        """What the record of a model says of where it was trained."""
        return record(len(self.workers), [rows for rows, _ in self.shapes])


def record(workers: int, rows: Sequence[int]) -> dict[str, Scalar]:
    """Return what the record of a model says of where it was trained."""
    return {
        ENGINE: DASK,
        WORKERS: workers,
        "training rows per worker": ", ".join(map(str, rows)),
    }


def dealt(rows: int, workers: int) -> list[slice]:
    """Return which of so many rows each worker is given, in turn.

    >>> dealt(5, 2)
    [slice(0, 5, 2), slice(1, 5, 2)]
    """
    return [slice(first, rows, workers) for first in range(workers)]


def contiguous(rows: int, workers: int) -> list[slice]:
    """Return which of so many rows each worker is given, in order; no two differ by more than one.

    >>> contiguous(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    ends = [-(-rows * i // workers) for i in range(workers + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def chosen(client: Any, workers: int, *, what: str) -> tuple[str, ...]:
    """Return the addresses of so many workers of the cluster, always the same ones; raises TrainingLost for fewer."""
    there = sorted(client.ncores())
    if len(there) < workers:
        raise TrainingLost(
            f"{what} is to be trained by {workers} workers, and the cluster has {len(there)}; start more, or ask for "
            "fewer"
        )
    return tuple(there[:workers])


def placed(blocks: Sequence[Block], *, client: Any, what: str) -> Placement:
    """Send each block to a worker of its own, and look that it is there.

    Raises TrainingLost if fewer than two workers hold rows.
    """
    workers = chosen(client, len(blocks), what=what)
    parts = []
    for (matrix, label), worker in zip(blocks, workers, strict=True):
        sent = client.scatter([np.ascontiguousarray(matrix), label.copy()], workers=[worker], hash=False)
        parts.append((sent[0], sent[1]))
    found = Placement(tuple(parts), tuple(matrix.shape for matrix, _ in blocks), workers)
    require_spread(found, client.who_has([part for pair in parts for part in pair]), what=what)
    return found


def require_spread(place: Placement, who_has: Mapping[str, Sequence[str]], *, what: str) -> None:
    """Raise TrainingLost unless each block lies on its worker, and they are two at least."""
    rows = dict.fromkeys(place.workers, 0)
    for (matrix, label), shape, worker in zip(place.parts, place.shapes, place.workers, strict=True):
        if tuple(who_has.get(matrix.key, ())) == tuple(who_has.get(label.key, ())) == (worker,):
            rows[worker] += shape[0]
    holding = {worker: n for worker, n in rows.items() if n}
    if len(holding) < FEWEST or len(holding) < len(place.parts):
        raise TrainingLost(
            f"{what}: {len(place.parts)} blocks of rows are to lie on a worker each, at least on {FEWEST}; of the rows "
            f"each holds: {rows}"
        )
