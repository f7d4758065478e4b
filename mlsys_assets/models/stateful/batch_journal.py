"""The state of a fit by batches, kept while it goes on: one that was killed goes on from its last kept batch."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.npz import Expected, from_npz, to_npz
from mlsys_assets.models.predictor import BundleError

KEY_LENGTH: Final = 16
"""Hexadecimal digits of a fit's key in its journal's name: no two fits of a system will ever share them."""
EVERY: Final = 64
"""Batches from one kept state to the next: writing to the disk takes as long as some ten batches."""


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a fit by batches stands.

    Parameters
    ----------
    weights
        (d,) float64.
    intercept
        The margin of a row of zeros.
    steps
        By how many rows the weights were moved so far, in all of the model's life, plus one.
    done
        The batches of this fit that are done.
    """

    weights: NDArray[np.float64]
    intercept: float
    steps: float
    done: int = 0


@dataclass(frozen=True)
class BatchJournal:
    """One file that holds the last kept state; it is replaced as a whole, so that a kill leaves the one before.

    Parameters
    ----------
    path
        Its place.
    every
        How many batches lie between two kept states.
    """

    path: Path
    every: int = EVERY

    def last(self, width: int) -> Progress | None:
        """Return the last kept state of ``width`` weights; None where there is none, or none that can be read."""
        expected = {"weights": Expected("<f8", (width,)), "others": Expected("<f8", (3,))}
        if not self.path.exists():
            return None
        try:
            found = from_npz({self.path.name: self.path.read_bytes()}, self.path.name, expected)
        except BundleError:
            return None  # what was lost is time
        intercept, steps, done = np.asarray(found["others"], dtype=np.float64).tolist()
        return Progress(np.array(found["weights"], dtype=np.float64), intercept, steps, int(done))

    def keep(self, progress: Progress) -> None:
        """Keep a state if it is time to; when this returns, it is on the disk whatever happens."""
        if progress.done % self.every:
            return
        others = np.array([progress.intercept, progress.steps, progress.done], dtype=np.float64)
        write_whole(self.path, to_npz({"weights": progress.weights, "others": others}))


@dataclass(frozen=True)
class BatchJournals:
    """A folder with one journal a fit.

    Parameters
    ----------
    folder
        Where they lie: one folder a system and as-of moment.
    code
        The hash of the code and the libraries that fit; what other code has begun is not gone on with.
    every
        How many batches lie between two kept states.
    """

    folder: Path
    code: str
    every: int = EVERY

    def open(self, name: str, key: Mapping[str, str]) -> BatchJournal:
        """Return the journal of a candidate's fit, named by all that decides what comes of it."""
        told = json.dumps({**key, "code": self.code}, sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()[:KEY_LENGTH]
        self.folder.mkdir(parents=True, exist_ok=True)
        return BatchJournal(self.folder / f"{name}-{digest}.npz", self.every)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it holds, whatever happens, either all of this or what it held before."""
    descriptor, name = tempfile.mkstemp(prefix="partial-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
