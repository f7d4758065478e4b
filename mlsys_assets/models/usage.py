"""What a fit used: time, processor and memory, sampled while it goes on."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil

INTERVAL_S: Final = 0.25
"""Seconds between two looks at the process."""
MOST_SAMPLES: Final = 400
"""Of a long fit every second look is dropped, again and again, so that its curve stays as short."""
MEGABYTE: Final = 1024 * 1024
CPU: Final = "system/cpu_utilization_percentage"
MEMORY: Final = "system/process_memory_megabytes"
"""Under ``system/`` MLflow's pages show the course of what machines do, beside that of losses."""


@dataclass
class Usage:
    """What a piece of work used.

    Attributes
    ----------
    wall_s, cpu_s
        Seconds that passed, and seconds of a processor of this process, all its threads together.
    memory, cpu
        By sample: megabytes that the process held, and how busy it kept the processors (100: one of them).
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def peak_mb(self) -> float:
        """The most megabytes that were seen."""
        return max(self.memory)

    def metrics(self, *, fitted_rows: int, scored_rows: int, scored_s: float) -> dict[str, float]:
        """Return the final values as a run logs them; speeds are in rows a second."""
        return {
            "fit wall_s": self.wall_s,
            "fit cpu_s": self.cpu_s,
            "fit rows_per_s": fitted_rows / max(self.wall_s, 1e-9),
            "predict rows_per_s": scored_rows / max(scored_s, 1e-9),
            "fit peak_memory_mb": self.peak_mb,
        }

    def curves(self) -> Mapping[str, list[float]]:
        """Return its course, in MLflow's names for what machines do."""
        return {CPU: self.cpu, MEMORY: self.memory}


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure what is done within; what it used is complete when it has ended, with an error or without.

    >>> with measured() as used:
    ...     total = sum(range(100_000))
    >>> used.wall_s > 0 and used.peak_mb > 1
    True
    """
    process, used, done = psutil.Process(), Usage(), threading.Event()
    began, cpu_before = time.perf_counter(), time.process_time()
    last = [began, cpu_before]

    def look() -> None:
        now, spent = time.perf_counter(), time.process_time()
        used.memory.append(process.memory_info().rss / MEGABYTE)
        used.cpu.append(100 * (spent - last[1]) / max(now - last[0], 1e-9))
        last[:] = now, spent
        if len(used.memory) >= MOST_SAMPLES:
            used.memory[:], used.cpu[:] = used.memory[::2], used.cpu[::2]

    def watch() -> None:
        while not done.wait(INTERVAL_S):
            look()

    watcher = threading.Thread(target=watch, name="usage", daemon=True)
    watcher.start()
    try:
        yield used
    finally:
        done.set()
        watcher.join()
        look()
        used.wall_s, used.cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
