"""A descent in a process of its own, which a kill -9 ends: ``killed_sgd.py FOLDER KEPT WITHIN`` kills itself.

After so many states were kept, within the writing of the next one or after it; KEPT below 0 kills nothing. It prints
the model's files as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.stateful import batch_journal
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.types import TimeWindow

DESCENT = Sgd(batch=32)


def made(n: int, *, seed: int) -> Train:
    rng = np.random.default_rng(seed)
    hour, carrier = rng.integers(0, 24, n), rng.integers(0, 9, n)
    label = (rng.random(n) < 0.2 + hour / 60 + carrier / 40).astype(float)
    features = pa.table({"hour": hour.astype(np.float32), "carrier": [f"c{k}" for k in carrier]})
    at = np.datetime64("2013-01-05", "us") + np.arange(n)
    ids = pa.array([f"r{seed}-{i}" for i in range(n)])
    return Train(ids, at, features, label, TimeWindow.of("2013-01-01", "2013-02-01"))


def run(folder: Path | None) -> dict[str, bytes]:
    """Go on from a first fit, with or without a journal."""
    parent = DESCENT.refit(made(500, seed=1), recipe={}, seed=0, threads=1).predictor
    journals = None if folder is None else BatchJournals(folder, "code", every=3)
    new = made(1_000, seed=2)
    return to_files(DESCENT.go_on(parent, new, by=Stateful(), seed=0, threads=1, journals=journals).predictor)


def _killed(kept: int, *, within: bool) -> None:
    write, count = Path.replace, [0]

    def replacing(path: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] > kept and within:
            os.kill(os.getpid(), signal.SIGKILL)
        found = write(path, target)
        if count[0] > kept:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    batch_journal.Path.replace = replacing


if __name__ == "__main__":
    if int(sys.argv[2]) >= 0:
        _killed(int(sys.argv[2]), within=sys.argv[3] == "within")
    print(json.dumps({name: content.decode() for name, content in run(Path(sys.argv[1])).items()}))
