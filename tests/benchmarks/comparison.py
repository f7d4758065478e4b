"""Two costs side by side: what one piece of work took, ours against the reference, and the goals it is held to."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WALL, CPU = "wall", "CPU"


@dataclass(frozen=True)
class Cost:
    """What one piece of work took: seconds on the clock, and of processor time with its children's."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Ours against the reference.

    Parameters
    ----------
    goal
        How many times the reference ours may take.
    judged
        Whether that is said of seconds on the clock, of processor time, or of the worse of both.
    most
        Seconds that ours may take, by each of these too; any, if not given.
    once
        Whether one pair is enough, for what takes minutes: nothing is done before that is not counted.
    """

    work: str
    reference: str
    ours: Callable[[], Cost]
    theirs: Callable[[], Cost]
    goal: float
    judged: tuple[str, ...] = (WALL, CPU)
    most: float | None = None
    once: bool = False


@dataclass(frozen=True)
class Result:
    """Medians over the pairs; the ratio is the median of the pairs' ratios."""

    work: str
    reference: str
    ours_wall: float
    ours_cpu: float
    theirs_wall: float
    theirs_cpu: float
    ratio_wall: float
    ratio_cpu: float
    goal: float
    judged: tuple[str, ...] = (WALL, CPU)
    most: float | None = None
    pairs: int = 1

    @property
    def row(self) -> str:
        """One line of the table."""
        return (
            f"{self.work:<32}{self.reference:<26}"
            f"{_seconds(self.ours_wall)}{_seconds(self.theirs_wall)}{self.ratio_wall:7.2f} "
            f"{_seconds(self.ours_cpu)}{_seconds(self.theirs_cpu)}{self.ratio_cpu:7.2f}{self.goal:7.2f}  {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """Whether the goal was met, and where there is one for our seconds too, that one."""
        ratios, ours = {WALL: self.ratio_wall, CPU: self.ratio_cpu}, {WALL: self.ours_wall, CPU: self.ours_cpu}
        told = _met(max(ratios[name] for name in self.judged) <= self.goal)
        if len(self.judged) == 1:
            told += f" ({self.judged[0]})"
        if self.most is not None:
            told += f"; ≤ {self.most:g} s: {_met(max(ours[name] for name in self.judged) <= self.most)}"
        return told


HEADER = (
    f"{'work':<32}{'reference':<26}{'wall s':>8}{'ref.':>8}{'ratio':>7} {'CPU s':>8}{'ref.':>8}{'ratio':>7}{'goal':>7}"
)


def compare(comparison: Comparison, pairs: int) -> Result:
    """Do both in turn, and once more than is counted."""
    if comparison.once:
        costs = [(comparison.ours(), comparison.theirs())]
    else:
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
        judged=comparison.judged,
        most=comparison.most,
        pairs=len(costs),
    )


def process(*command: str, read: Callable[[Path, str], None] = lambda _folder, _said: None) -> Cost:
    """Run a command in an empty folder of its own to its end, which must be a good one.

    ``read`` is given that folder and what was printed, before it goes; what it takes is not counted.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLSYS_", "DAGSTER_", "PYTHONDONT"))}
        done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, check=False)
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr.decode()}")
        read(Path(folder), done.stdout.decode())
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def call(work: Callable[[], object], *, times: int = 1) -> Cost:
    """Do a piece of work in this process, some times over."""
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(times):
        work()
    return Cost(time.monotonic() - wall, time.process_time() - cpu)


def _met(met: bool) -> str:
    return "met" if met else "missed"


def _seconds(number: float) -> str:
    """Return seconds in eight places: a sensor's tick takes thousandths of one."""
    return f"{number:8.2f}" if number >= 1 else f"{number:8.4f}"
