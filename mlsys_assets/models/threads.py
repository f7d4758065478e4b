"""How many threads a fit of trees is worth: those of a small one mostly wait for each other."""

from typing import Final

LEAST_CELLS: Final = 2**19
"""Numbers of a matrix for each thread. On fewer, a tree's steps take microseconds, after each of which all threads
wait for the slowest: two are then no faster where a core is free, and 3 to 10 times as slow where it is taken."""


def worthwhile(threads: int, cells: int) -> int:
    """Return how many of the threads a fit on so many numbers is worth: at least one, at most all.

    >>> worthwhile(4, cells=3_000 * 12), worthwhile(4, cells=200_000 * 87)
    (1, 4)
    """
    return max(1, min(threads, cells // LEAST_CELLS))
