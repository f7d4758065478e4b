"""Train, Validation and sealed Test views: the types that keep fitting away from the test rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.bands import band_hashes
from mlsys_assets.data_sampling.identity import data_hash, row_hashes
from mlsys_assets.types import TimeWindow


@dataclass(frozen=True, eq=False)
class View:
    """Rows of a data set, equal in length and order.

    Parameters
    ----------
    ids
        (n,) the entities' identifiers.
    at
        (n,) datetime64[us], UTC: prediction times.
    features
        (n, d) Arrow table, float32 for numbers and string for categories.
    label
        (n,) float64.
    window
        The prediction times the view was cut from.
    """

    ids: pa.Array
    at: NDArray[np.datetime64]
    features: pa.Table
    label: NDArray[np.float64]
    window: TimeWindow

    def __post_init__(self) -> None:
        parts = {"ids": self.ids, "at": self.at, "features": self.features, "label": self.label}
        lengths = {name: len(part) for name, part in parts.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"a view's parts must be of one length, got {lengths}")

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def content_hash(self) -> str:
        """The SHA-256 of the rows: identifiers, prediction times, labels and features."""
        own = {"id": self.ids, "at": self.at, "label": self.label}
        return data_hash(pa.table(own | {f"feature {n}": self.features[n] for n in self.features.schema.names}))

    @cached_property
    def fingerprints(self) -> NDArray[np.uint64]:
        """(n,) one hash of the features a row."""
        return row_hashes(self.features)

    @cached_property
    def near_fingerprints(self) -> NDArray[np.uint64]:
        """(bands, n) hashes of the rounded features a row, by bands of columns."""
        return band_hashes(self.features)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the view of those rows, chosen by mask or by position."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        picked = pa.array(index)
        return replace(
            self,
            ids=self.ids.take(picked),
            at=self.at[index],
            features=self.features.take(picked),
            label=self.label[index],
        )


class Train(View):
    """Rows that anything may be fitted on."""


class Validation(View):
    """Rows that stopping, thresholds, calibration and choices may be fitted on."""


class OpenedTest(View):
    """Test rows after a recorded read: may be scored, never fitted on."""


@dataclass(frozen=True)
class TestRead:
    """One opening of a sealed test: which rows, by which models, why."""

    __test__ = False  # not a pytest class
    split: str
    content_hash: str
    models: str
    reason: str
    as_of: datetime


class Test:
    """A sealed test view: its rows are reached only by a read that is recorded first."""

    __test__ = False  # not a pytest class

    def __init__(self, view: OpenedTest, *, name: str, content_hash: str, as_of: datetime) -> None:
        self._view = view
        self.name = name
        self.content_hash = content_hash
        self.as_of = as_of

    def __len__(self) -> int:
        return len(self._view)

    def __repr__(self) -> str:
        return f"Test({self.name!r}, {len(self)} sealed rows of {self.window})"

    @property
    def window(self) -> TimeWindow:
        """The prediction times the test was cut from."""
        return self._view.window

    @property
    def ids(self) -> pa.Array:
        """(n,) the entities' identifiers: enough to find them elsewhere, nothing to fit on."""
        return self._view.ids

    @property
    def fingerprints(self) -> NDArray[np.uint64]:
        """(n,) one hash of the features a row: enough to find copies, nothing to fit on."""
        return self._view.fingerprints

    @property
    def near_fingerprints(self) -> NDArray[np.uint64]:
        """(bands, n) hashes of the rounded features a row: enough to find near copies, nothing to fit on."""
        return self._view.near_fingerprints

    def open(self, record: Callable[[TestRead], None], *, models: str, reason: str) -> OpenedTest:
        """Record the read, then return the rows; ``models`` names by hash what will be scored."""
        record(TestRead(self.name, self.content_hash, models, reason, self.as_of))
        return self._view


def require_train(rows: object, *, what: str) -> None:
    """Raise TypeError unless ``rows`` is a Train view: whatever learns from data calls this first."""
    if not isinstance(rows, Train):
        raise TypeError(f"{what} is fitted on a Train view only, got {type(rows).__name__}; split the rows first")


def require_validation(rows: object, *, what: str) -> None:
    """Raise TypeError unless ``rows`` is a Validation view: for stopping, thresholds and choices."""
    if not isinstance(rows, Validation):
        raise TypeError(f"{what} is chosen on a Validation view only, got {type(rows).__name__}; split the rows first")
