"""The state of one source's rows by one key: what is kept of them, and how features are read."""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.online.measures import Evaluated, Raw, Reads, Sum, is_whole_of, needs
from mlsys_assets.features.online.rows import NEVER, Rows
from mlsys_assets.features.online.scalars import Record
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import microseconds

Entity = tuple[Any, ...]
"""A key's values."""
UNTIED: Final[Entity] = ()
"""What tells rows of one time apart where nothing has to."""
Declared = Lookup | Trailing | Scheduled


class State(ABC):
    """Rows by entity. ``name``: by which it is stored.

    ``reach`` is how long before a prediction a row may have become known and still matter, microseconds; None: for
    ever. ``changed`` and ``dropped`` are the entities whose rows have changed, or gone, since somebody emptied them.
    """

    planned = True
    """Whether rows are sorted by another time than when they became known."""

    def __init__(self, name: str, *, columns: Sequence[Column], correctable: bool) -> None:
        self.name, self.correctable = name, correctable
        self.reach: int | None = 0
        self.sums: list[Sum] = []
        self.raws: list[Raw] = []
        self.by_entity: dict[Entity, Rows] = {}
        self.changed: set[Entity] = set()
        self.dropped: set[Entity] = set()
        self._columns = columns
        self.sum_inputs: list[int] = []
        self._raw_inputs: list[int] = []

    @abstractmethod
    def declare(self, feature: Any, slot: int) -> None:
        """Be able to read a feature into ``slot`` and those after it; before any row is added."""

    @abstractmethod
    def read(self, entity: Entity, at: int, request: Record, out: list[Any]) -> None:
        """Put what is declared of an entity, as known at a time, into its slots."""

    @abstractmethod
    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return by which time a row is sorted, and by what among those of one time."""

    def settle(self, sums: Mapping[Sum, int], raws: Mapping[Raw, int]) -> None:
        """Be told where among a source's inputs this state's lie, when all is declared."""
        self.sum_inputs = [sums[s] for s in self.sums]
        self._raw_inputs = [raws[r] for r in self.raws]
        self._weighted = [s.half_life is not None for s in self.sums]
        self._none = Rows(self._weighted, len(self.raws), planned=self.planned, correctable=False)

    def add(  # noqa: PLR0913, PLR0917 - a row, and the source's inputs
        self, entity: Entity, event: int, known: int, name: Entity, steps: Sequence[int], weights: Sequence[int],
        raws: Evaluated,
    ) -> None:  # fmt: skip
        """Add a row that happened, and became known, at these times; ``steps``, ``weights``, ``raws``: the inputs."""
        rows = self.by_entity.get(entity)
        if rows is None:
            rows = self.by_entity[entity] = Rows(
                self._weighted, len(self.raws), planned=self.planned, correctable=self.correctable
            )
            self.dropped.discard(entity)
        self.changed.add(entity)
        time, tie = self.placed(event, known, name)
        place = rows.place(time, tie)
        rows.insert(place, time, tie, known)
        rows.add(place, [steps[k] for k in self.sum_inputs], [weights[k] for k in self.sum_inputs])
        for values, k in zip(rows.raws, self._raw_inputs, strict=True):
            values.insert(place, raws[k])
        if self.correctable:
            rows.names.insert(place, name)

    def restored(self, stored: Sequence[Any]) -> Rows:
        """Return an entity's rows as they were stored."""
        return Rows.restored(stored, self._weighted)

    def end(self, entity: Entity, name: Any, known: int, ended: int) -> None:
        """Note when a row, told by its name and when it became known, was replaced."""
        rows = self.by_entity.get(entity)
        if rows is None or rows.ended is None:
            return
        for place, one in enumerate(rows.names):
            if one == name and rows.known[place] == known:
                rows.ended[place] = ended
                self.changed.add(entity)
                return

    def forget(self, at: int) -> None:
        """Let go of rows that no prediction from ``at`` on can see."""
        if self.reach is None:
            return
        since = at - self.reach
        for entity in list(self.by_entity):
            rows = self.by_entity[entity]
            known = rows.known
            if known is rows.time:
                gone = bisect_right(known, since)
            else:  # sorted by another time
                left = [i for i, k in enumerate(known) if k > since]
                gone = len(rows) - len(left)
            if not gone:
                continue
            self.changed.add(entity)
            if gone == len(rows):
                del self.by_entity[entity]
                self.changed.discard(entity)
                self.dropped.add(entity)
            elif known is rows.time or left[0] == gone:
                rows.let_go(gone)
            else:
                self.by_entity[entity] = rows.picked(left)

    def clear(self) -> None:
        """Let go of all rows."""
        self.dropped |= set(self.by_entity)
        self.changed.clear()
        self.by_entity.clear()

    def _read(self, reads: Reads, slot: int, aggregate: Aggregate) -> None:
        """Let an aggregate be read into a slot, and keep what it needs."""
        sums, raws = needs(aggregate, whole=is_whole_of(aggregate, self._columns))
        self.sums += [s for s in sums if s not in self.sums]
        self.raws += [r for r in raws if r not in self.raws]
        grid = sums[0].grid if sums else 1.0
        reads.add(slot, aggregate, [self.sums.index(s) for s in sums], [self.raws.index(r) for r in raws], grid)

    def _reaches(self, back: timedelta | None) -> None:
        self.reach = None if back is None or self.reach is None else max(self.reach, microseconds(back))


class Trail(State):
    """Rows sorted by when they became known: for trailing windows."""

    planned = False

    def __init__(self, name: str, *, columns: Sequence[Column], correctable: bool) -> None:
        super().__init__(name, columns=columns, correctable=correctable)
        self._windows: dict[int, Reads] = {}
        self._ordered = False

    def declare(self, feature: Trailing, slot: int) -> None:
        """Be able to read trailing features."""
        for window in feature.over:
            for _, aggregate in feature.aggregates:
                self._read(self._windows.setdefault(microseconds(window), Reads()), slot, aggregate)
                self._ordered |= aggregate.kind is AggregateKind.LAST
                slot += 1
        self._reaches(max(feature.over))

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return when the row became known; where order matters, the later event comes later, then the greater key."""
        return known, ((event, *name) if self._ordered else UNTIED)

    def read(self, entity: Entity, at: int, request: Record, out: list[Any]) -> None:
        """Put the aggregates of each window, (at - window, at], into their slots."""
        rows = self.by_entity.get(entity, self._none)
        known = rows.time
        end = len(known)
        if end and known[-1] > at:
            end = bisect_right(known, at)
        if rows.ended is not None:
            first = bisect_right(known, at - max(self._windows), 0, end)
            rows = rows.picked([i for i in range(first, end) if rows.ended[i] > at])
            known, end = rows.time, len(rows)
        for window, reads in self._windows.items():
            reads.fill(rows, bisect_right(known, at - window, 0, end), end, at, out)


class Plan(State):
    """Rows sorted by when they happen: for windows around a planned time."""

    def __init__(self, name: str, *, columns: Sequence[Column], correctable: bool) -> None:
        super().__init__(name, columns=columns, correctable=correctable)
        self._windows: dict[tuple[str, int, int | None], Reads] = {}

    def declare(self, feature: Scheduled, slot: int) -> None:
        """Be able to read scheduled features."""
        back = None if feature.max_age is None else microseconds(feature.max_age)
        for width in feature.around:
            for _, aggregate in feature.aggregates:
                window = (feature.at, microseconds(width), back)
                self._read(self._windows.setdefault(window, Reads()), slot, aggregate)
                slot += 1
        self._reaches(feature.max_age)

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return when the row happens; those of one time stand in any order."""
        return event, UNTIED

    def read(self, entity: Entity, at: int, request: Record, out: list[Any]) -> None:
        """Put the aggregates of the plan within each width of the request's own time into their slots."""
        rows = self.by_entity.get(entity, self._none)
        for (own, width, max_age), reads in self._windows.items():
            planned = request[own]
            if planned is None:
                raise ValueError(f"a request has no {own}; every row must have a time")
            start = bisect_left(rows.time, planned - width)
            end = bisect_right(rows.time, planned + width, start)
            since = -NEVER if max_age is None else at - max_age
            if rows.monotone and rows.ended is None:
                start = bisect_right(rows.known, since, start, end)
                reads.fill(rows, start, bisect_right(rows.known, at, start, end), at, out)
                continue
            ended = rows.ended
            stand = [i for i in range(start, end) if since < rows.known[i] <= at and (ended is None or ended[i] > at)]
            reads.fill(rows.picked(stand), 0, len(stand), at, out)


class Records(State):
    """Rows sorted by when they had happened: for look-ups. A record about the future happens when it becomes known."""

    def __init__(self, name: str, *, columns: Sequence[Column], correctable: bool) -> None:
        super().__init__(name, columns=columns, correctable=correctable)
        self._lookups: list[tuple[int | None, list[tuple[int, int]]]] = []

    def declare(self, feature: Lookup, slot: int) -> None:
        """Be able to read looked-up columns."""
        raws = [Raw(column, None) for column in feature.columns]
        self.raws += [r for r in raws if r not in self.raws]
        back = None if feature.max_age is None else microseconds(feature.max_age)
        self._lookups.append((back, [(slot + i, self.raws.index(r)) for i, r in enumerate(raws)]))
        self._reaches(feature.max_age)

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return when the row had happened; of those of one time the last to be known corrects the others."""
        return min(event, known), (known, event, *name)

    def read(self, entity: Entity, at: int, request: Record, out: list[Any]) -> None:
        """Put the values of the latest record, of those known, into their slots."""
        rows = self.by_entity.get(entity)
        if rows is None:
            return
        ended, happened, known = rows.ended, rows.time, rows.known
        latest = bisect_right(happened, at) - 1
        while latest >= 0 and (known[latest] > at or (ended is not None and ended[latest] <= at)):
            latest -= 1
        for max_age, places in self._lookups:
            if latest >= 0 and (max_age is None or happened[latest] > at - max_age):
                for slot, k in places:
                    out[slot] = rows.raws[k][latest]


KINDS: Final[Mapping[type, type[State]]] = {Trailing: Trail, Scheduled: Plan, Lookup: Records}
"""Which state a declaration is read from."""


def state_of(feature: Declared, name: str) -> State:
    """Return an empty state for declarations of a kind, by one source and key."""
    source = feature.source
    return KINDS[type(feature)](name, columns=with_times(source.columns), correctable=source.corrections)
