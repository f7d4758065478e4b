"""Measures the product against what the same work costs without it: `make bench`.

Every figure is a ratio of two things done in turn on this machine, the median of several pairs after one that is not
counted: absolute times do not travel. Prints one table and writes benchmarks.json beside the project. Nothing here
passes or fails: a goal that is missed says so in the table.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import engines  # noqa: E402 - it lies here
from comparison import CPU, HEADER, WALL, Comparison, Cost, call, compare, process  # noqa: E402 - it lies here
from drift import drift  # noqa: E402 - it lies here
from model_store import model_store  # noqa: E402 - it lies here
from monitoring import monitoring  # noqa: E402 - it lies here

REPORT = HERE.parents[1] / "benchmarks.json"
PAIRS = 5
YEAR = "year"
READS = 20
"""Scans a measurement: one alone costs less than what the memory it takes varies by."""


def cycle() -> Iterator[Comparison]:
    """Raw files to a registered champion and a week's predictions, whole processes."""
    yield Comparison(
        "a training cycle",
        "the bare chain",
        lambda: process("-m", "mlsys_assets.cli", "run", "--until", "2013-07-08", "--home", "state"),
        lambda: process(str(HERE / "bare_chain.py")),
        goal=1.25,
    )


def definitions() -> Iterator[Comparison]:
    """What every process that loads the workspace pays."""
    yield Comparison(
        "loading the definitions",
        "import dagster",
        lambda: process("-c", "import mlsys_assets.systems.workspace"),
        lambda: process("-c", "import dagster"),
        goal=1.5,
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


def year() -> Iterator[Comparison]:
    """All weeks of the data, and the trainings that they call for, whole processes: minutes, and so one pair."""
    trained: dict[str, str] = {}
    losses: dict[str, float] = {}

    def ours() -> Cost:
        return process("-m", "mlsys_assets.cli", "run", "--fresh", "--home", "state", read=note)

    def note(folder: Path, _said: str) -> None:
        decisions = ledger(folder / "state")
        (first, *_), *later = [(f"{d.as_of:%Y-%m-%d}", d.verdict) for d in decisions("gate")]
        trained.update(later)
        for d in decisions("monitoring"):
            if d.name == "performance":
                losses.update({tick[:10]: told["metrics"]["log_loss"] for tick, told in d.evidence["served"].items()})
        print(f"  the year: first trained as of {first}, then {', '.join(f'{k} ({v})' for k, v in trained.items())}")

    def theirs() -> Cost:
        held = [day for day, verdict in trained.items() if verdict != "pass"]
        return process(str(HERE / "bare_year.py"), "--trained", *trained, "--held", *held, read=compare_losses)

    def compare_losses(_folder: Path, said: str) -> None:
        bare = json.loads(said)["log_loss"]
        known = {tick: loss for tick, loss in losses.items() if loss is not None}
        apart = [
            tick for tick in known.keys() | bare.keys() if abs(known.get(tick, 9) - bare.get(tick, -9)) > SAME_LOSS
        ]
        if apart:
            sys.exit(f"the bare year's champions did otherwise in {', '.join(sorted(apart))}: its time says nothing")

    yield Comparison(
        "the year",
        "the bare year",
        ours,
        theirs,
        goal=3.3,  # 120 s, where the bare work took 36 s
        judged=(WALL,),
        most=120,  # on two quiet cores
        once=True,
    )


def orchestration() -> Iterator[Comparison]:
    """Dagster's part of the processor time of a replay: both are measured in one run."""
    found: dict[str, dict[str, float]] = {}

    def dagster() -> Cost:
        process(str(HERE / "orchestration.py"), read=lambda _folder, said: found.update(json.loads(said)))
        return Cost(**found["dagster"])

    yield Comparison(
        "Dagster in 4 weeks, 1 training",
        "all that they take",
        dagster,
        lambda: Cost(**found["whole"]),
        goal=0.2,
        judged=(CPU,),
        once=True,
    )


def sensors() -> Iterator[Comparison]:
    """A look of the schedule and of each sensor after many ticks and after few."""
    from sensor_ticks import FEW, MANY, costliest, lived

    with lived(FEW) as few, lived(MANY) as many:
        young, old = few.looks(), many.looks()
        for name in young:
            yield Comparison(
                f"{name.removeprefix('flights_')}, {MANY} ticks",
                f"{FEW} ticks",
                lambda name=name: costliest(many, old[name]),
                lambda name=name: costliest(few, young[name]),
                goal=1.5,
                judged=(CPU,),
                most=0.05,
                once=True,
            )


def ledger(home: Path) -> Callable:
    """Return what reads the decisions of a kind from a state folder."""
    from mlsys_assets.types import SystemClock
    from mlsys_resources.resources import HOME, build_resources

    operations = build_resources({HOME: str(home)}, clock=SystemClock().now).operations
    return lambda kind: operations.decisions("flights", kind)


SAME_LOSS = 1e-6
"""Log losses of the same champions, fitted twice."""
WORKS: dict[str, Callable[[], Iterator[Comparison]]] = {
    "definitions": definitions,
    "features": engines.features,
    "increment": engines.increment,
    "growth": engines.growth,
    "online": engines.online,
    "lake": lake,
    "models": model_store,
    "drift": drift,
    "monitoring": monitoring,
    "sensors": sensors,
    "cycle": cycle,
    "orchestration": orchestration,
    YEAR: year,
}


def main() -> None:
    """Measure what was asked for, the table first, then where a cycle's time goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", help=f"which, of: {', '.join(WORKS)} (default: all)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs that are counted (default: %(default)s)")
    parser.add_argument("--skip-year", action="store_true", help="all but the year, which takes minutes")
    options = parser.parse_args()
    if unknown := set(options.work) - set(WORKS):
        parser.error(f"no work is called {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    print(HEADER, flush=True)
    results = []
    for name in options.work or [name for name in WORKS if name != YEAR or not options.skip_year]:
        for comparison in WORKS[name]():
            results.append(compare(comparison, options.pairs))
            print(results[-1].row, flush=True)
    REPORT.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")
    print(
        f"\nwritten to {REPORT.name}; seconds are medians of {options.pairs} pairs (the year, Dagster's part and the"
        " sensors' looks: of one), ratios medians of their ratios"
    )


if __name__ == "__main__":
    main()
