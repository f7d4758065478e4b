"""Views of small tables."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Train, View
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-03-01")


@pytest.fixture(scope="session")
def view_of() -> Callable[..., View]:
    """Return a function that makes a view of a table, its labels and the day of each row."""

    def make(
        table: pa.Table, label: Sequence[float] | None = None, day: Sequence[int] | None = None, kind: type = Train
    ) -> View:
        n = table.num_rows
        days = np.arange(n) % 7 if day is None else np.asarray(day, dtype=np.int64)
        at = np.datetime64("2013-01-05T06:00", "us") + days * np.timedelta64(1, "D") + np.arange(n)
        labels = np.zeros(n) if label is None else np.asarray(label, dtype=np.float64)
        return kind(pa.array([str(i) for i in range(n)], pa.string()), at, table, labels, WINDOW)

    return make


@pytest.fixture(scope="session")
def bits() -> Callable[[np.ndarray], object]:
    """Return a function that tells a float32 matrix to the last bit, the sign of a zero included; NaN is NaN."""

    def of(matrix: np.ndarray) -> tuple[tuple[int, ...], bytes]:
        assert matrix.dtype == np.float32
        return matrix.shape, np.where(np.isnan(matrix), np.float32(np.nan), matrix).tobytes()

    return of
