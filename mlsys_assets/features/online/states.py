"""The state of one source's rows by one key: what each kind of declaration keeps, and how it is read."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.online.measures import Evaluated, Field, Raw, Sum, field, needs
from mlsys_assets.features.online.rows import NEVER, Rows

Entity = tuple[Any, ...]
"""A key's values."""
ALL: Final[Entity] = ()
"""The key of what has none."""


class State:
    """Rows by entity, sorted by when they became known.

    ``name``: by which it is stored. ``reach``: how long before a prediction a row may have become known and still
    matter, microseconds; None: for ever. ``correctable``: whether rows may be replaced.
    """

    planned = False
    """Whether rows are sorted by another time than when they became known."""

    def __init__(self, name: str, *, correctable: bool) -> None:
        self.name, self.correctable = name, correctable
        self.reach: int | None = 0
        self.sums: list[Sum] = []
        self.raws: list[Raw] = []
        self.ordered = False
        self.by_entity: dict[Entity, Rows] = {}
        self.changed: set[Entity] = set()
        self.let_go: set[Entity] = set()
        self._sum_inputs: list[int] = []
        self._raw_inputs: list[int] = []

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return by which time a row is sorted, and by what among those of one time."""
        return known, ((event, *name) if self.ordered else ALL)

    def needed(self, aggregate: Aggregate, *, whole: bool) -> Field:
        """Make sure that an aggregate can be read, and return what reads it; before any row is added."""
        sums, raws = needs(aggregate, whole=whole)
        self.sums += [s for s in sums if s not in self.sums]
        self.raws += [r for r in raws if r not in self.raws]
        self.ordered |= aggregate.kind is AggregateKind.LAST
        grid = sums[0].grid if sums else 1.0
        return field(aggregate, [self.sums.index(s) for s in sums], [self.raws.index(r) for r in raws], grid)

    def settle(self, sums: dict[Sum, int], raws: dict[Raw, int]) -> None:
        """Be told where among a source's inputs this state's lie."""
        self._sum_inputs = [sums[s] for s in self.sums]
        self._raw_inputs = [raws[r] for r in self.raws]

    def add(self, entity: Entity, event: int, known: int, name: Entity, inputs: Evaluated, raws: Evaluated) -> None:
        """Add a row that happened, and became known, at these times; ``inputs`` and ``raws``: those of the source."""
        rows = self.by_entity.get(entity)
        if rows is None:
            heavy = [s.half_life is not None for s in self.sums]
            rows = self.by_entity[entity] = Rows(
                len(self.sums), len(self.raws), planned=self.planned, weighted=heavy, correctable=self.correctable
            )
            self.let_go.discard(entity)
        time, tie = self.placed(event, known, name)
        place = rows.add(time, tie, known, [inputs[k] for k in self._sum_inputs], [raws[k] for k in self._raw_inputs])
        if self.correctable:
            rows.names.insert(place, name)
        self.changed.add(entity)

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
        for entity in list(self.by_entity):
            rows = self.by_entity[entity]
            if rows.known is rows.time:
                gone = bisect_right(rows.known, at - self.reach)
            else:  # as a plan's are sorted: up to the first that still matters
                gone = next((i for i, known in enumerate(rows.known) if known > at - self.reach), len(rows))
            if gone == len(rows):
                del self.by_entity[entity]
                self.changed.discard(entity)
                self.let_go.add(entity)
            elif gone:
                rows.let_go(gone)
                self.changed.add(entity)


class Plan(State):
    """Rows by entity, sorted by when they happen."""

    planned = True

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return by which time a row is sorted; those of one time in any order."""
        return event, ALL


class Records(State):
    """Rows by entity, sorted by when they had happened: a record about the future, when it became known."""

    planned = True

    def placed(self, event: int, known: int, name: Entity) -> tuple[int, Entity]:
        """Return by which time a row is sorted, and by what among those of one time: the last corrects the others."""
        return min(event, known), (known, event, *name)

    def kept(self, raw: Raw) -> int:
        """Make sure that a value is kept of each row, and return where."""
        if raw not in self.raws:
            self.raws.append(raw)
        return self.raws.index(raw)


Reader = Callable[[State, Entity, int, int], list[Any]]
"""Reads a feature of an entity as of a time; the last number is the request's own planned time."""


def trailing_reader(windows: Sequence[int], fields: Sequence[Field]) -> Reader:
    """Return what reads the aggregates of each window, (at - window, at]."""
    widest = max(windows)

    def read(state: State, entity: Entity, at: int, own: int) -> list[Any]:
        rows = state.by_entity.get(entity)
        if rows is None:
            rows = _no_rows(state)
        known = rows.time
        end = len(known)
        if end and known[-1] > at:
            end = bisect_right(known, at)
        if rows.ended is not None:
            first = bisect_right(known, at - widest, 0, end)
            rows = rows.picked([i for i in range(first, end) if rows.ended[i] > at])
            known, end = rows.time, len(rows)
        found = []
        for window in windows:
            start = bisect_right(known, at - window, 0, end)
            found += [read_field(rows, start, end, at) for read_field in fields]
        return found

    return read


def scheduled_reader(widths: Sequence[int], fields: Sequence[Field], max_age: int | None) -> Reader:
    """Return what reads the aggregates of the plan within each width of the request's own time."""

    def read(state: State, entity: Entity, at: int, own: int) -> list[Any]:
        rows = state.by_entity.get(entity)
        if rows is None:
            rows = _no_rows(state)
        found = []
        for width in widths:
            start = bisect_left(rows.time, own - width)
            end = bisect_right(rows.time, own + width, start)
            part = rows
            known = rows.known[start:end]
            since = -NEVER if max_age is None else at - max_age
            if rows.ended is not None or (known and (max(known) > at or min(known) <= since)):
                ended = rows.ended
                stand = [
                    i for i in range(start, end) if since < rows.known[i] <= at and (ended is None or ended[i] > at)
                ]
                part, start, end = rows.picked(stand), 0, len(stand)
            found += [read_field(part, start, end, at) for read_field in fields]
        return found

    return read


def lookup_reader(places: Sequence[int], max_age: int | None) -> Reader:
    """Return what reads the values of the latest record: of those known, the one that happened last."""

    def read(state: State, entity: Entity, at: int, own: int) -> list[Any]:
        rows = state.by_entity.get(entity)
        if rows is not None:
            ended, happened = rows.ended, rows.time
            for i in range(bisect_right(happened, at) - 1, -1, -1):
                if max_age is not None and happened[i] <= at - max_age:
                    break
                if rows.known[i] <= at and (ended is None or ended[i] > at):
                    return [rows.raws[k][i] for k in places]
        return [None] * len(places)

    return read


def _no_rows(state: State) -> Rows:
    """Return the rows of an entity that has none."""
    heavy = [s.half_life is not None for s in state.sums]
    return Rows(len(state.sums), len(state.raws), planned=state.planned, weighted=heavy, correctable=False)
