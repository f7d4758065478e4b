"""Tables of numbers before and now, of which what changed is known."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.drift.comparable import Rows

A_DAY = np.timedelta64(1, "D")
LEVELS = (3, 4, 5, 8, 12, 20, 30, 50)


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


def thirty(rng: np.random.Generator, n: int) -> pa.Table:
    """Thirty columns as tables have them: many shapes, heavy ties, categories of 3 to 50 levels, missing values."""
    single = np.float32
    columns: dict[str, object] = {
        "normal": rng.standard_normal(n, single),
        "uniform": rng.random(n, single),
        "exponential": rng.standard_exponential(n, single),
        "lognormal": np.exp(2 * rng.standard_normal(n, single)),
        "cauchy": rng.standard_cauchy(n),
        "t3": rng.standard_t(3, n),
        "bimodal": rng.standard_normal(n, single) + 5 * (rng.random(n, single) < 0.3),
        "far": 2e5 + rng.standard_normal(n),
        "outliers": np.where(rng.random(n) < 0.001, 1e6, rng.standard_normal(n, single)),
        "hour": rng.integers(5, 23, n, dtype=np.int8),
        "count": rng.poisson(0.3, n).astype(np.int16),
        "counts": rng.poisson(30, n),
        "geometric": rng.geometric(0.05, n),
        "flag": rng.random(n, single) < 0.4,
        "rare flag": rng.random(n, single) < 0.002,
        "mostly 0": rng.standard_exponential(n, single) * (rng.random(n, single) < 0.05),
        "rounded": np.round(rng.standard_normal(n, single), 1),
        "two": rng.choice(np.array([0.0, 1e9]), n),
        "constant": np.ones(n, single),
    }
    for share in (0.01, 0.3, 0.97):
        columns[f"{share} missing"] = np.where(rng.random(n, single) < share, np.nan, rng.standard_normal(n, single))
    for i, levels in enumerate(LEVELS):
        shares = 1 / np.arange(1, levels + 1) ** (i % 3)
        codes = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(n)).astype(np.int8)
        names = pa.array([f"level {j}" for j in range(levels)])
        missing = rng.random(n, single) < 0.02 if i % 2 else None
        columns[f"{levels} levels"] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), names)
    assert len(columns) == 30
    return pa.table(columns)
