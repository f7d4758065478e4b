"""Which rows of a source were taken in, so that one that is told again changes nothing."""

from collections.abc import Sequence
from typing import Final

from mlsys_assets.features.online.states import Entity

DAY: Final = 86_400_000_000
"""Microseconds."""
Keys = Sequence[Entity | None]
"""A row's key in each state of its source, None where a part of it is missing; empty where none has to be told."""


class Seen:
    """Which rows of a source were taken in: by name, when they became known and, if told, their key in each state.

    Kept by the day on which they became known, so that old days go, and changed ones are stored, by themselves.
    """

    def __init__(self) -> None:
        self.by_name: dict[Entity, dict[int, Keys]] = {}
        self.by_day: dict[int, dict[tuple[Entity, int], Keys]] = {}
        self.changed: set[int] = set()
        self.dropped: set[int] = set()

    def add(self, name: Entity, known: int, keys: Keys) -> None:
        """Note a row."""
        day = known // DAY
        self.by_name.setdefault(name, {})[known] = keys
        self.by_day.setdefault(day, {})[name, known] = keys
        self.changed.add(day)
        self.dropped.discard(day)

    def forget(self, since: int) -> None:
        """Let go of the rows that became known by ``since``, microseconds."""
        for day in [d for d in self.by_day if d * DAY <= since]:
            rows = self.by_day[day]
            for name, known in [of for of in rows if of[1] <= since]:
                del rows[name, known]
                versions = self.by_name[name]
                del versions[known]
                if not versions:
                    del self.by_name[name]
                self.changed.add(day)
            if not rows:
                del self.by_day[day]
                self.changed.discard(day)
                self.dropped.add(day)

    def clear(self) -> None:
        """Let go of all rows."""
        self.dropped |= set(self.by_day)
        for one in (self.changed, self.by_day, self.by_name):
            one.clear()
