"""Rows of days whose weather all rows of a day share, to be given gaps of every kind."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2014-01-01")

MakeView = Callable[..., Train]


def _column(values: object) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        numbers = values.astype(np.float32)
        return pa.array(numbers, mask=np.isnan(numbers))
    return pa.array(list(values), pa.string())


@pytest.fixture(scope="session")
def view_of() -> MakeView:
    """Makes a view of columns by name, the rows evenly spread over days from a start."""

    def made(
        columns: dict[str, object],
        *,
        label: np.ndarray | None = None,
        days: int = 60,
        kind: type = Train,
        start: str = "2013-01-01",
    ) -> Train | Validation:
        table = pa.table({name: _column(values) for name, values in columns.items()})
        n = table.num_rows
        at = np.datetime64(start, "us") + (np.arange(n) * days * 86_400 // max(n, 1)).astype("timedelta64[s]")
        ids = pa.array([f"{start} {i}" for i in range(n)], pa.string())
        return kind(ids, at, table, np.zeros(n) if label is None else label, WINDOW)

    return made


class Days:
    """Rows of days: ``x`` and ``slow`` are shared by the hour and the day, ``own`` is each row's own."""

    def __init__(self, seed: int, *, days: int = 60, each: int = 48) -> None:
        self.random = np.random.default_rng(seed)
        self.days, self.each, self.n = days, each, days * each
        self.day = np.repeat(np.arange(days), each)
        self.hour = np.repeat(np.arange(self.n // 4), 4)
        self.x = self.random.normal(size=days)[self.day] + self.random.normal(size=self.n // 4)[self.hour]
        steps = self.random.normal(size=self.n)
        slow = np.empty(self.n)
        slow[0] = steps[0]
        for i in range(1, self.n):
            slow[i] = 0.98 * slow[i - 1] + 0.2 * steps[i]
        self.slow = slow
        self.own = self.random.normal(size=self.n)
        self.place = self.random.choice(["A", "B", "C"], size=self.n, p=[0.5, 0.3, 0.2])

    def columns(self, **more: np.ndarray) -> dict[str, object]:
        return {"x": self.x, "own": self.own, "place": self.place, **more}


@pytest.fixture(scope="session")
def days_of() -> type[Days]:
    """Makes rows of days from a seed."""
    return Days
