"""How many threads a fit of trees is worth: those of a small one, or beyond the free cores, mostly wait."""

import os
from pathlib import Path
from typing import Final

LEAST_CELLS: Final = 2**19
"""Numbers of a matrix for each thread. On fewer, a tree's steps take microseconds, after each of which all threads
wait for the slowest: two are then no faster where a core is free, and 3 to 10 times as slow where it is taken."""
LOAD: Final = Path("/proc/loadavg")
"""Where Linux tells how many threads run or are about to, of all processes: before the slash of its fourth word."""


def worthwhile(threads: int, cells: int) -> int:
    """Return how many of the threads a fit on so many numbers is worth: at least one, at most all.

    >>> worthwhile(4, cells=3_000 * 12), worthwhile(4, cells=200_000 * 87)
    (1, 4)
    """
    return max(1, min(threads, cells // LEAST_CELLS))


def on_free_cores(threads: int, *, load: Path = LOAD) -> int:
    """Return how many of the threads find a core that nobody else wants just now: at least one, at most all.

    A fit of 235,000 rows took 3.3 s of one thread, and 10.6 s of each of two where another process ran: at the end of
    each of a tree's steps, the thread that has a core waits for the one that has none. Where the system does not say
    what runs, all threads are taken.
    """
    if threads <= 1:
        return 1
    try:
        running = int(load.read_text(encoding="ascii").split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return threads
    others = max(0, running - 1)  # whoever asks is one of those that run
    return max(1, min(threads, (os.cpu_count() or threads) - others))
