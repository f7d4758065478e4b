"""Requests with what was known of them, and no label: as a training set holds them, or as they were served."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moments, require_columns


class Requests(Protocol):
    """Requests with what was known of them: every View, LabelledRows and LoggedRows."""

    @property
    def ids(self) -> pa.Array:
        """(n,) identifiers."""
        ...

    @property
    def at(self) -> NDArray[np.datetime64]:
        """(n,) prediction times."""
        ...

    @property
    def features(self) -> pa.Table:
        """(n, d) feature columns."""
        ...


@dataclass(frozen=True, eq=False)
class LoggedRows:
    """Requests as a log holds them.

    Parameters
    ----------
    ids, at
        (n,) identifiers and prediction times.
    features
        (n, d) what was served.
    """

    ids: pa.Array
    at: NDArray[np.datetime64]
    features: pa.Table

    @classmethod
    def of(cls, table: pa.Table, *, key: str, at: str) -> Self:
        """Return the rows of a log; raises ValueError if it lacks its key or time."""
        require_columns(table, (key, at), what="rows of the log")
        return cls(table[key].combine_chunks(), moments(table[at]), table.drop_columns([key, at]))

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the rows, by position."""
        picked = pa.array(rows)
        return type(self)(self.ids.take(picked), self.at[rows], self.features.take(picked))
