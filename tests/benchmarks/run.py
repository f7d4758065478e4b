"""Measures the product against what the same work costs without it: `make bench`.

Every figure is a ratio of two things done in turn on this machine, the median of several pairs after one that is not
counted: absolute times do not travel. Prints one table and writes benchmarks.json beside the project. Nothing here
passes or fails: a goal that is missed says so in the table.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
REPORT = HERE.parents[1] / "benchmarks.json"
PAIRS = 5
READS = 20
"""Scans a measurement: one alone costs less than what the memory it takes varies by."""


@dataclass(frozen=True)
class Cost:
    """What one piece of work took: seconds on the clock, and of processor time with its children's."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Ours against the reference, in CPU or wall seconds, and how many times the reference ours may take."""

    work: str
    reference: str
    ours: Callable[[], Cost]
    theirs: Callable[[], Cost]
    goal: float


@dataclass(frozen=True)
class Result:
    """Medians over the pairs; the ratio is the median of the pairs' ratios, of the worse of wall and CPU."""

    work: str
    reference: str
    ours_wall: float
    ours_cpu: float
    theirs_wall: float
    theirs_cpu: float
    ratio_wall: float
    ratio_cpu: float
    goal: float

    @property
    def row(self) -> str:
        """One line of the table."""
        verdict = "met" if max(self.ratio_wall, self.ratio_cpu) <= self.goal else "missed"
        return (
            f"{self.work:<28}{self.reference:<26}{self.ours_wall:8.2f}{self.theirs_wall:8.2f}{self.ratio_wall:7.2f}"
            f"{self.ours_cpu:9.2f}{self.theirs_cpu:8.2f}{self.ratio_cpu:7.2f}{self.goal:7.2f}  {verdict}"
        )


HEADER = (
    f"{'work':<28}{'reference':<26}{'wall s':>8}{'ref.':>8}{'ratio':>7}{'CPU s':>9}{'ref.':>8}{'ratio':>7}{'goal':>7}"
)


def compare(comparison: Comparison, pairs: int) -> Result:
    """Do both in turn, and once more than is counted."""
    costs = [(comparison.ours(), comparison.theirs()) for _ in range(pairs + 1)][1:]

    def middle(of: Callable[[Cost, Cost], float]) -> float:
        return statistics.median(of(ours, theirs) for ours, theirs in costs)

    return Result(
        comparison.work,
        comparison.reference,
        ours_wall=middle(lambda ours, _: ours.wall),
        ours_cpu=middle(lambda ours, _: ours.cpu),
        theirs_wall=middle(lambda _, theirs: theirs.wall),
        theirs_cpu=middle(lambda _, theirs: theirs.cpu),
        ratio_wall=middle(lambda ours, theirs: ours.wall / theirs.wall),
        ratio_cpu=middle(lambda ours, theirs: ours.cpu / theirs.cpu),
        goal=comparison.goal,
    )


def process(*command: str) -> Cost:
    """Run a command in an empty folder of its own to its end, which must be a good one."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLSYS_", "DAGSTER_", "PYTHONDONT"))}
        done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, check=False)
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr.decode()}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def call(work: Callable[[], object], *, times: int = 1) -> Cost:
    """Do a piece of work in this process, some times over."""
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(times):
        work()
    return Cost(time.monotonic() - wall, time.process_time() - cpu)


def cycle() -> Iterator[Comparison]:
    """Raw files to a registered champion and a week's predictions, whole processes."""
    yield Comparison(
        "a training cycle",
        "the bare chain",
        lambda: process("-m", "mlsys_assets.cli", "run", "--home", "state"),
        lambda: process(str(HERE / "bare_chain.py")),
        goal=1.25,
    )


def definitions() -> Iterator[Comparison]:
    """What every process that loads the workspace pays."""
    yield Comparison(
        "loading the definitions",
        "import dagster",
        lambda: process("-c", "import mlsys_assets.workspace"),
        lambda: process("-c", "import dagster"),
        goal=1.5,
    )


def features() -> Iterator[Comparison]:
    """All feature columns of the year, and of one tick's requests among half a year's events."""
    from features_floor import floor

    from mlsys_assets.features.point_in_time import compute
    from mlsys_assets.systems.flights.files import FlightsFiles
    from mlsys_assets.systems.flights.sources import build_sources
    from mlsys_assets.systems.flights.system import flights
    from mlsys_assets.types import TimeWindow

    tables = read(build_sources(FlightsFiles.installed()).all(), TimeWindow.of("2012-12-01", "2014-02-01"))
    asked = tables["schedule"]
    check_equal(compute(flights.features, asked, tables, key="flight_id"), floor(flights.features, asked, tables))
    yield Comparison(
        f"{len(flights.feature_columns)} features, {len(asked):,} rows",
        "bare NumPy",
        lambda: call(lambda: compute(flights.features, asked, tables, key="flight_id")),
        lambda: call(lambda: floor(flights.features, asked, tables)),
        goal=2.0,
    )


def lake() -> Iterator[Comparison]:
    """A scan of the widest table against the same rows in one Parquet file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlsys_assets.types import days, utc
    from mlsys_resources.lake import Lake

    random, start = np.random.default_rng(0), utc("2013-01-07")
    ticks = [start + days(7 * i) for i in range(26)]
    rows = {f"x{i}": pa.array(random.random(260_000, dtype=np.float32)) for i in range(60)}
    schema = pa.schema([pa.field(name, pa.float32()) for name in rows])
    tick = pa.array(np.repeat(ticks, 10_000), pa.timestamp("us", tz="UTC"))
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        table, plain = Lake(folder), f"{folder}/plain.parquet"
        table.write_ticks("bench", "wide", pa.table({**rows, "tick": tick}), schema=schema, ticks=ticks, run_id="bench")
        pq.write_table(pa.table(rows), plain)
        yield Comparison(
            "a scan of the lake",
            "one plain Parquet file",
            lambda: call(lambda: table.read("bench", "wide"), times=READS),
            lambda: call(lambda: pq.read_table(plain), times=READS),
            goal=1.1,
        )


def read(sources: tuple, window: object) -> dict:
    """Return every table's rows of a window."""
    from mlsys_assets.data_ingestion.validation import ingest

    known: dict = {}
    for source in sources:
        known[source.name] = ingest(source, source.read(window), window=window, known=known).accepted
    return known


def check_equal(ours: object, theirs: dict) -> None:
    """Stop unless the two give the same numbers: else their times say nothing."""
    import numpy as np
    import pyarrow as pa

    for name, found in theirs.items():
        if not pa.types.is_string(ours[name].type):
            mine = ours[name].to_numpy()
            same = np.isclose(mine, found, rtol=1e-4, atol=1e-3, equal_nan=True).mean()
            if same < SAME:
                sys.exit(f"{name} is the same in {same:.4%} of the rows only")


SAME = 0.999
"""Ties in known time, which the floor does not settle, leave a few rows apart."""
WORKS: dict[str, Callable[[], Iterator[Comparison]]] = {
    "definitions": definitions,
    "features": features,
    "lake": lake,
    "cycle": cycle,
}


def main() -> None:
    """Measure what was asked for, the table first, then where a cycle's time goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", help=f"which, of: {', '.join(WORKS)} (default: all)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs that are counted (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.work) - set(WORKS):
        parser.error(f"no work is called {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    print(HEADER, flush=True)
    results = []
    for name in options.work or WORKS:
        for comparison in WORKS[name]():
            results.append(compare(comparison, options.pairs))
            print(results[-1].row, flush=True)
    REPORT.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")
    print(f"\nwritten to {REPORT.name}; seconds are medians of {options.pairs} pairs, ratios medians of their ratios")


if __name__ == "__main__":
    main()
