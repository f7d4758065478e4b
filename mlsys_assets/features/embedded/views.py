"""A log's rows put beside the requests that share their key: as they became known, or as they happen."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import numpy as np

from mlsys_assets.features.embedded.key_codes import Ints, Positions, stable_by_code
from mlsys_assets.features.embedded.log import NEVER, Log
from mlsys_assets.features.embedded.request_rows import Group, RequestRows
from mlsys_assets.features.embedded.sums import Sums
from mlsys_assets.features.embedded.windows import Span

PAIRS_AT_ONCE = 1_000_000
"""How many pairs of a request and a row are held in memory at once."""


class Asking:
    """Requests of one key, and where their rows are found.

    ``order``: (m,) positions of the requests, and of their results. ``own``: (m,) their keys' numbers.
    """

    def __init__(self, requests: RequestRows, order: Positions, own: Ints) -> None:
        self.requests, self.order, self.own = requests, order, own

    @cached_property
    def at(self) -> Ints:
        """(m,) the prediction time of each request, microseconds."""
        return self.requests.at[self.order]

    def part(self, chosen: Positions) -> "Asking":
        """Return some of the requests, each as if it had a key of its own."""
        return Asking(self.requests, self.order[chosen], np.arange(len(chosen)))


class Beside:
    """A log's rows beside the requests that share their key, sorted by key and by a time.

    ``rows``: (n,) positions in the log. ``code``: (n,) their keys' numbers, ascending.
    """

    def __init__(self, log: Log, rows: Positions, code: Ints, asking: Asking) -> None:
        self.log, self.rows, self.code, self.asking = log, rows, code, asking
        self._width = len(log) + 1
        self._positions: dict[int, Positions] = {}

    @cached_property
    def known(self) -> Ints:
        """(n,) when each row became known, microseconds."""
        return self.log.known[self.rows]

    @cached_property
    def sums(self) -> Sums:
        """Prefix sums of the rows in this order."""
        return Sums(self.log, self.rows, self.code)


class AsKnown(Beside):
    """Rows that share a key with some request, by key and then as they became known."""

    def __init__(self, log: Log, rows: Positions, code: Ints, asking: Asking) -> None:
        super().__init__(log, rows, code, asking)
        self._packed = code * self._width + rows

    @classmethod
    def of(cls, log: Log, requests: RequestRows, group: Group) -> "AsKnown":
        """Put all rows of a log beside the requests of a key."""
        code = group.codes_of(log.keys, len(log))
        rows = stable_by_code(code, np.arange(len(log)))
        return cls(log, rows, code[rows], Asking(requests, group.order, group.code))

    @cached_property
    def first(self) -> Positions:
        """(m,) where each request's rows begin."""
        return np.searchsorted(self._packed, self.asking.own * self._width)

    def position(self, back: int) -> Positions:
        """Return (m,) the end of each request's rows that were known by ``back`` microseconds before it."""
        if back not in self._positions:
            rank = self.log.rank(self.asking.requests, back)[self.asking.order]
            self._positions[back] = np.searchsorted(self._packed, self.asking.own * self._width + rank)
        return self._positions[back]

    def position_before(self, moment: Ints) -> Positions:
        """Return (m,) the end of each request's rows that were known before its ``moment``, microseconds."""
        rank = np.searchsorted(self.log.known, moment, side="left")
        return np.searchsorted(self._packed, self.asking.own * self._width + rank)

    def without_replaced(self, back: int | None) -> Iterator["AsKnown"]:
        """Yield the requests that may have replaced rows among those of the last ``back``, with what stood then.

        Row by row, which is exact and slow; requests whose rows nothing corrects are in none of them.
        """
        ended = None if self.log.ended is None else self.log.ended[self.rows]
        if ended is None:
            return
        span = Span(self.first if back is None else self.position(back), self.position(0))
        replaced = np.flatnonzero(ended != NEVER)
        touched = np.searchsorted(replaced, span.end) > np.searchsorted(replaced, span.start)
        for chosen, request, row in pairs(span, np.flatnonzero(touched)):
            asking = self.asking.part(chosen)
            stands = ended[row] > asking.at[request]
            yield AsKnown(self.log, self.rows[row[stands]], request[stands], asking)


class AsPlanned(Beside):
    """Rows that share a key with some request, by key and then by when they happen.

    ``place``: (n,) positions in the log's order of events.
    """

    def __init__(self, log: Log, place: Positions, code: Ints, asking: Asking) -> None:
        super().__init__(log, log.by_event[place], code, asking)
        self._event = log.event[log.by_event]
        self._packed = code * self._width + place

    @classmethod
    def of(cls, log: Log, requests: RequestRows, group: Group) -> "AsPlanned":
        """Put all rows of a log beside the requests of a key."""
        code = group.codes_of(log.keys, len(log))[log.by_event]
        place = stable_by_code(code, np.arange(len(log)))
        return cls(log, place, code[place], Asking(requests, group.order, group.code))

    @cached_property
    def is_monotone(self) -> bool:
        """Whether within each key, what happens later is known no earlier: as a plan published at a fixed lead is."""
        return bool(((self.known[1:] >= self.known[:-1]) | (self.code[1:] != self.code[:-1])).all())

    def around(self, moment: Ints, width: int) -> Span:
        """Return each request's rows that happen within ``width`` microseconds of its ``moment``, (m,)."""
        return Span(self._position(moment - width, "left"), self._position(moment + width, "right"))

    def known_part(self, span: Span, back: int | None) -> Span:
        """Return what of each span was known at the prediction, and not before ``back``, of a monotone plan."""
        start = span.start if back is None else np.maximum(span.start, self._known_position(back))
        return Span(start, np.maximum(start, np.minimum(span.end, self._known_position(0))))

    def one_by_one(self, span: Span, back: int | None) -> Iterator["AsPlanned"]:
        """Yield the requests with those rows of their spans that were known then, and not before ``back``, and stood.

        Row by row, which is exact and slow: for plans that are not monotone, or are corrected.
        """
        place = (self._packed - self.code * self._width).astype(np.intp)
        for chosen, request, row in pairs(span, np.arange(len(span.start))):
            asking = self.asking.part(chosen)
            at, known = asking.at[request], self.known[row]
            stands = known <= at
            if back is not None:
                stands &= known > at - back
            if self.log.ended is not None:
                stands &= self.log.ended[self.rows[row]] > at
            yield AsPlanned(self.log, place[row[stands]], request[stands], asking)

    def _position(self, moment: Ints, side: Literal["left", "right"]) -> Positions:
        rank = np.searchsorted(self._event, moment, side=side)
        return np.searchsorted(self._packed, self.asking.own * self._width + rank)

    def _known_position(self, back: int) -> Positions:
        if back not in self._positions:
            first = np.searchsorted(self.log.known, self.known)
            rank = self.log.rank(self.asking.requests, back)[self.asking.order]
            packed = self.code * self._width + first
            self._positions[back] = np.searchsorted(packed, self.asking.own * self._width + rank)
        return self._positions[back]


def pairs(span: Span, of: Positions) -> Iterator[tuple[Positions, Positions, Positions]]:
    """Yield some of the requests ``of`` at a time, and each pair of one of these, by its place there, and a row."""
    lengths = span.rows()[of]
    batches = np.cumsum(lengths) // PAIRS_AT_ONCE
    for batch in np.unique(batches):
        chosen, length = of[batches == batch], lengths[batches == batch]
        request = np.repeat(np.arange(len(chosen)), length)
        begins = np.cumsum(length) - length
        row = np.arange(len(request)) - begins[request] + span.start[chosen][request]
        yield chosen, request, row
