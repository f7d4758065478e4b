"""One key's rows in memory: sorted by time, with running sums, so that a window is two bisections."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

NEVER: Final = 2**63 - 1
"""When a row is replaced that no later one corrects."""


class Rows:
    """Rows of one key in order of a time, each with what it adds to the key's sums.

    ``time`` is what they are sorted by, microseconds: when they became known or, of a plan, when they happen; rows of
    one time are sorted by ``ties``. ``known`` is when they became known: ``time`` itself, if they are sorted by it.
    ``sums`` and ``counts`` are running: [k] is over the first k rows; counts are None while every row counts one, and
    ``plain`` is whether there is nothing but sums in which every row counts one, so that a row that becomes known last
    is simply appended. ``monotone``: whether what comes later was known no earlier.
    """

    __slots__ = ("counts", "ended", "known", "monotone", "names", "plain", "raws", "sums", "ties", "time", "weighted")

    def __init__(self, weighted: Sequence[bool], raws: int, *, planned: bool, correctable: bool) -> None:
        self.time = array("q")
        self.known = array("q") if planned else self.time
        self.ties: list[tuple[Any, ...]] = []
        self.sums = [array("q", [0]) for _ in weighted]
        self.counts = [array("q", [0]) if heavy else None for heavy in weighted]
        self.raws: list[list[Any]] = [[] for _ in range(raws)]
        self.ended = array("q") if correctable else None
        self.names: list[Any] = []
        self.monotone = True
        self.weighted = weighted
        self.plain = self._is_plain()

    def __len__(self) -> int:
        return len(self.time)

    def place(self, time: int, tie: tuple[Any, ...]) -> int:
        """Return where a row belongs."""
        times = self.time
        if not times or time > times[-1] or (time == times[-1] and (not self.ties or tie >= self.ties[-1])):
            return len(times)
        low, high = bisect_left(times, time), bisect_right(times, time)
        return bisect_right(self.ties, tie, low, high) if self.ties else high

    def insert(self, place: int, time: int, tie: tuple[Any, ...], known: int) -> None:
        """Put a row in its place; its sums and values are added by themselves."""
        self.time.insert(place, time)
        if self.known is not self.time:
            before, after = self.known[max(place - 1, 0) : place], self.known[place : place + 1]
            self.monotone &= all(k <= known for k in before) and all(k >= known for k in after)
            self.known.insert(place, known)
        if tie:
            self.ties.insert(place, tie)
        if self.ended is not None:
            self.ended.insert(place, NEVER)

    def add(self, place: int, steps: Sequence[int], weights: Sequence[int]) -> None:
        """Add a row, which has its place already, to the sums. Raises OverflowError beyond 64 bits."""
        for k, (step, weight) in enumerate(zip(steps, weights, strict=True)):
            _insert(self.sums[k], place, step)
            count = self.counts[k]
            if count is None and weight != 1:
                count = self.counts[k] = array("q", range(len(self.time)))
                self.plain = False
            if count is not None:
                _insert(count, place, weight)

    def let_go(self, rows: int) -> None:
        """Forget the first rows; what is left is as if they had never been there."""
        for times in [self.time] if self.known is self.time else [self.time, self.known]:
            del times[:rows]
        for values in (self.ties, *self.raws, self.names):
            del values[:rows]
        if self.ended is not None:
            del self.ended[:rows]
        self.sums = [_begun_anew(sums, rows) for sums in self.sums]
        for k, count in enumerate(self.counts):
            if count is not None:
                left = self.counts[k] = _begun_anew(count, rows)
                if left[-1] == len(self) and not self.weighted[k]:
                    self.counts[k] = None  # each counts one
        self.plain = self._is_plain()
        if not self.monotone:
            self.monotone = all(a <= b for a, b in pairwise(self.known))

    def _is_plain(self) -> bool:
        others = self.known is not self.time or self.ended is not None or bool(self.raws)
        return not others and all(count is None for count in self.counts)

    def picked(self, places: Sequence[int]) -> "Rows":
        """Return some of the rows, in order, as rows of their own: exact, and slow."""
        found = Rows((), 0, planned=self.known is not self.time, correctable=False)
        found.time = array("q", [self.time[i] for i in places])
        found.known = found.time if self.known is self.time else array("q", [self.known[i] for i in places])
        found.ties = [self.ties[i] for i in places] if self.ties else []
        found.sums = [_running(sums, places) for sums in self.sums]
        found.counts = [None if c is None else _running(c, places) for c in self.counts]
        found.raws = [[values[i] for i in places] for values in self.raws]
        found.ended = None if self.ended is None else array("q", [self.ended[i] for i in places])
        found.names = [self.names[i] for i in places] if self.names else []
        found.weighted, found.plain = self.weighted, False
        found.monotone = all(a <= b for a, b in pairwise(found.known))
        return found

    def stored(self) -> list[Any]:
        """Return the rows as plain values, for `restored`."""
        return [
            self.time.tobytes(),
            None if self.known is self.time else self.known.tobytes(),
            self.ties,
            [sums.tobytes() for sums in self.sums],
            [None if c is None else c.tobytes() for c in self.counts],
            self.raws,
            None if self.ended is None else self.ended.tobytes(),
            self.names,
            self.monotone,
        ]

    @classmethod
    def restored(cls, stored: Sequence[Any], weighted: Sequence[bool]) -> "Rows":
        """Return the rows that `stored` gave, of sums of which some are weighted."""
        time, known, ties, sums, counts, raws, ended, names, monotone = stored
        found = cls(weighted, 0, planned=known is not None, correctable=False)
        found.time = array("q", time)
        found.known = found.time if known is None else array("q", known)
        found.ties = [tuple(tie) for tie in ties]
        found.sums = [array("q", s) for s in sums]
        found.counts = [None if c is None else array("q", c) for c in counts]
        found.raws = raws
        found.ended = None if ended is None else array("q", ended)
        found.names = [tuple(name) for name in names]
        found.monotone, found.plain = monotone, found._is_plain()
        return found


def _insert(sums: "array[int]", place: int, step: int) -> None:
    sums.insert(place + 1, sums[place] + step)
    if step:
        for k in range(place + 2, len(sums)):
            sums[k] += step


def _begun_anew(sums: "array[int]", rows: int) -> "array[int]":
    """Return running sums without the first rows."""
    left = np.frombuffer(sums, np.int64)[rows:]
    return array("q", (left - left[0]).tobytes())


def _running(sums: "array[int]", places: Sequence[int]) -> "array[int]":
    found, total = array("q", [0]), 0
    for i in places:
        total += sums[i + 1] - sums[i]
        found.append(total)
    return found
