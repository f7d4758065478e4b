"""Tables of numbers before and now, of which what changed is known."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.drift.comparable import Rows

A_DAY = np.timedelta64(1, "D")


def rows(
    seed: int,
    n: int = 1_500,
    *,
    columns: int = 6,
    together: float = 0.8,
    shift: float = 0.0,
    first: int = 0,
    days: int = 28,
    weather: float = 0.0,
) -> Rows:
    """Normal columns on some days: x0 and x1 go ``together``, x2 has a day's ``weather``, x0 a ``shift``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    x[:, 1] = together * x[:, 0] + np.sqrt(1 - together**2) * x[:, 1]
    x[:, 0] += shift
    day = rng.integers(days, size=n)
    x[:, 2] += weather * rng.normal(size=days)[day]
    at = np.datetime64("2013-01-01", "us") + (first + day) * A_DAY
    return Rows(at, pa.table({f"x{j}": x[:, j].astype(np.float32) for j in range(columns)}))


def now(seed: int, n: int = 900, **changed: float) -> Rows:
    """The week after."""
    return rows(10_000 + seed, n, first=28, days=7, **changed)


def with_columns(given: Rows, **columns: object) -> Rows:
    """The same rows with other columns beside, or instead."""
    table = given.features
    for name, values in columns.items():
        column = values if isinstance(values, pa.Array) else pa.array(values)
        place = table.schema.get_field_index(name)
        table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
    return Rows(given.at, table)
