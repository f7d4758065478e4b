"""A search in a process of its own, to be killed: ``killed_search.py FOLDER TRIALS`` prints what was found as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.tuning.journal import JournalFolder
from mlsys_assets.models.tuning.samplers import Tpe
from mlsys_assets.models.tuning.search import Found, SearchContext
from mlsys_assets.models.tuning.space import Reals
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import TimeWindow

TUNED = Tuned(GroupRate(by=("hour", "carrier")), {"strength": Reals(0.1, 10_000, log=True)}, sampler=Tpe(4))
SEED = 11


def made(kind: type[View], n: int, *, seed: int) -> View:
    rng = np.random.default_rng(seed)
    hour, carrier = rng.integers(0, 24, n), rng.integers(0, 9, n)
    label = (rng.random(n) < 0.2 + hour / 60 + carrier / 40).astype(float)
    features = pa.table({"hour": hour.astype(np.float32), "carrier": [f"c{k}" for k in carrier]})
    at = np.datetime64("2013-01-05", "us") + np.arange(n)
    return kind(pa.array([f"r{i}" for i in range(n)]), at, features, label, TimeWindow.of("2013-01-01", "2013-02-01"))


def run(folder: Path, trials: int, *, parallel: int = 1, code: str = "1") -> Found:
    """Search, or go on."""
    tuned = replace(TUNED, trials=trials, parallel=parallel)
    context = SearchContext(journals=JournalFolder(folder, code))
    train, validation = made(Train, 600, seed=1), made(Validation, 400, seed=2)
    return tuned.search(train, validation, seed=SEED, threads=1, context=context)


if __name__ == "__main__":
    found = run(Path(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps({"trials": [t.found for t in found.trials], "best": found.best.number}))
