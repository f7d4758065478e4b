"""Work that lives share: each distinct piece is done once, and its price is told to everybody who needed it."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Piece(Generic[T]):
    """What came of a piece of work, and its price.

    Parameters
    ----------
    value
        What came of it.
    cpu_s
        The processor time in seconds that it takes, with all that it rests on, though some of that was there already.
    """

    value: T
    cpu_s: float


class Workshop:
    """Does pieces of work, each once while it is kept.

    Attributes
    ----------
    spent
        The processor seconds that were really spent, by kind of work; what a piece rests on counts by its own kind.
    done
        How many distinct pieces were done, by kind.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.clock = clock
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.done: Counter[str] = Counter()
        self._kept: dict[Hashable, Piece[Any]] = {}
        self._open: list[_Open] = []

    def once(self, kind: str, key: Hashable, make: Callable[[], T]) -> Piece[T]:
        """Return a piece of work, done now unless it is there already."""
        found = self._kept.get((kind, key))
        if found is None:
            found = self._kept[kind, key] = self._done(kind, make)
        if self._open:
            self._open[-1].shared += found.cpu_s
        return cast("Piece[T]", found)

    def price(self) -> float:
        """Return the price, so far, of the piece of work that is under way."""
        return self._open[-1].price(self.clock()) if self._open else 0.0

    def clear(self) -> None:
        """Forget what was made: the next tick has other rows."""
        self._kept.clear()

    def _done(self, kind: str, make: Callable[[], T]) -> Piece[T]:
        mine = _Open(self.clock())
        self._open.append(mine)
        try:
            value = make()
        finally:
            self._open.pop()
            now = self.clock()
            self.spent[kind] += now - mine.began - mine.elsewhere
            self.done[kind] += 1
            if self._open:
                self._open[-1].elsewhere += now - mine.began
        return Piece(value, mine.price(now))


@dataclass
class _Open:
    """A piece of work under way: when it began, how long others worked meanwhile, and the price of what they gave."""

    began: float
    elsewhere: float = 0.0
    shared: float = 0.0

    def price(self, now: float) -> float:
        """Return its own time and the price of all that it rests on."""
        return now - self.began - self.elsewhere + self.shared
