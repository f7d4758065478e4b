"""Small worlds of rows with a known honest signal, in which the tests of leaks plant columns."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2014-01-01")
TREES = LightGBM(rounds=20, leaves=8, more={"max_bin": 31})
LATER = 0.75
"""The share of the days that are trained on."""


@dataclass(frozen=True)
class World:
    """Rows of some days: ``honest`` tells the label as well as Φ(1.2 / √2), an AUC of 0.80; ``noise`` tells nothing."""

    random: np.random.Generator
    at: np.ndarray
    label: np.ndarray
    columns: dict

    @classmethod
    def of(cls, seed=0, *, days=60, rows=80, rate=0.3, honest=1.2):
        random = np.random.default_rng(seed)
        n = days * rows
        at = np.datetime64("2013-01-01", "us") + np.arange(n) * np.timedelta64(86_400_000_000 // rows, "us")
        label = (random.random(n) < rate).astype(float)
        columns = {
            "honest": label * honest + random.normal(size=n),
            "weak": label * 0.3 + random.normal(size=n),
            "noise": random.normal(size=n),
            "place": random.choice(["a", "b", "c"], n).tolist(),
        }
        return cls(random, at, label, columns)

    def __len__(self):
        return len(self.label)

    def views(self, **more):
        """Return the rows of the first days and of the later ones, with more columns."""
        table = pa.table({name: _column(values) for name, values in (self.columns | more).items()})
        ids = pa.array([f"row {i}" for i in range(len(self))])
        day = self.at.astype("datetime64[D]")
        early = day < day[int(len(self) * LATER)]
        whole = Train(ids, self.at, table, self.label, WINDOW)
        later = whole.take(~early)
        return whole.take(early), Validation(later.ids, later.at, later.features, later.label, WINDOW)


def _column(values):
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, list):
        return pa.array(values, pa.string())
    return pa.array(values, from_pandas=True).cast(pa.float32())


def said(found, severity=None):
    """Return the columns of each suspicion."""
    return [one.columns for one in found.suspicions if severity is None or one.severity is severity]
