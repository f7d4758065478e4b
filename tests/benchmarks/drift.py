"""What the distances of a table's columns cost: of many rows, against Evidently, and as the rows grow."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from comparison import CPU, Comparison, Cost, call

COLUMNS = 30
MILLION, EVIDENTLYS, FEW, MANY = 1_000_000, 300_000, 300_000, 3_000_000
"""Rows on each side: of the goal in seconds, of the comparison with Evidently, and of the growth from few to many."""
MOST_S = 1.3
TIMES_EVIDENTLY = 20
EXPONENT = 1.1
SAME = 1e-5
"""How far apart, relatively, ours and Evidently's numbers may be."""
SHAPES: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (
    lambda rng, n: rng.standard_normal(n, np.float32),
    lambda rng, n: rng.standard_exponential(n, np.float32),
    lambda rng, n: np.exp(rng.standard_normal(n, np.float32)),
    lambda rng, n: rng.poisson(30, n).astype(np.float32),
    lambda rng, n: np.round(10 * rng.standard_normal(n, np.float32), 1),
)


def drift() -> Iterator[Comparison]:
    """Stability index, Kolmogorov-Smirnov, Wasserstein, Jensen-Shannon and moments of 30 columns."""
    before, now = _tables(MILLION)
    yield Comparison(
        f"{COLUMNS} columns, 1M against 1M",
        f"{MOST_S} s",
        lambda: call(lambda: _ours(before, now)),
        lambda: Cost(MOST_S, MOST_S),
        goal=1.0,
        judged=(CPU,),
    )
    before, now = _tables(EVIDENTLYS)
    _check_equal(before, now)
    report = _report(before, now)
    yield Comparison(
        f"{COLUMNS} columns, {EVIDENTLYS:,} rows",
        "Evidently's drift report",
        lambda: call(lambda: _ours(before, now)),
        lambda: call(report),
        goal=1 / TIMES_EVIDENTLY,
        judged=(CPU,),
        once=True,
    )
    few, many = _tables(FEW), _tables(MANY, columns=5)
    few = tuple(table.select(many[0].column_names) for table in few)
    yield Comparison(
        f"5 columns, {MANY:,} rows",
        f"{FEW:,} rows",
        lambda: call(lambda: _ours(*many)),
        lambda: call(lambda: _ours(*few)),
        goal=(MANY / FEW) ** EXPONENT,
        judged=(CPU,),
    )


def _tables(n: int, columns: int = COLUMNS) -> tuple[pa.Table, pa.Table]:
    """Return columns of five shapes before and now; every second of each shape has moved."""
    rng = np.random.default_rng(0)
    sides = [
        {f"x{i}": SHAPES[i % 5](rng, n) * np.float32(1 + by * (i % 2) / 10) for i in range(columns)} for by in (0, 1)
    ]
    return pa.table(sides[0]), pa.table(sides[1])


def _ours(before: pa.Table, now: pa.Table) -> dict:
    from mlsys_assets.production_monitoring.drift.columns import Reference

    return Reference.of(before).distances(now)


def _report(before: pa.Table, now: pa.Table) -> Callable[[], object]:
    """Return what runs Evidently's drift preset, one test a column, on its own types, with no page written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset
    first, second = before.to_pandas(), now.to_pandas()
    return lambda: Report([DataDriftPreset()]).run(second, first)


def _check_equal(before: pa.Table, now: pa.Table) -> None:
    """Raise unless Evidently finds the same numbers: else the times say nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations import stattests
        from evidently.legacy.core import ColumnType
    tests = (stattests.ks_stat_test, stattests.wasserstein_stat_test, stattests.jensenshannon_stat_test)
    ours = _ours(before, now)
    for name in before.column_names:
        sides = before[name].to_pandas(), now[name].to_pandas()
        theirs = [float(test(*sides, ColumnType.Numerical, 0.1).drift_score) for test in tests]
        own = (ours[name].ks_p, ours[name].wasserstein_normed, ours[name].jensen_shannon)
        if not np.allclose(own, theirs, rtol=SAME, atol=1e-300):
            raise RuntimeError(f"{name}: ours {own}, Evidently's {theirs}")
