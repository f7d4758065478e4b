"""The requests of a key beside a source's rows that share it: what each request's rows are reduced to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlsys_assets.features.key import Key
from mlsys_assets.features.relational.arithmetic import double
from mlsys_assets.features.relational.events import Events
from mlsys_assets.features.relational.frame import EVENT, KNOWN, Frame, Trail, Upto, row_side
from mlsys_assets.features.relational.sheet import Sheet
from mlsys_assets.features.relational.term import Term

if TYPE_CHECKING:
    import ibis.expr.types as ir

ROW = "__row"
"""The column with a request's place; null for a source's rows."""
SUPERSEDED = "superseded"
Made = Callable[["ir.Table"], Any]
"""Computes a feature from the parts that it rests on."""


@dataclass(frozen=True)
class Part:
    """One number of the rows that a request looks at.

    ``how``: count, sum, min, max, nunique, or faded: the sum of values whose weight is halved each ``half_life``
    microseconds of their age. ``column``: of the rows; what is null there does not count.
    """

    how: str
    column: str
    frame: Frame
    half_life: int | None = None


class Group:
    """What is computed of one source's rows of one key.

    Rows are either sorted beside the requests and read through windows, or paired with the requests that look at
    them (``paired``): exact as well, but slower by the number of rows that a request looks at.
    """

    def __init__(self, requests: Sheet, events: Events, keys: Sequence[Key], *, paired: bool) -> None:
        self.requests, self.events, self.paired = requests, events, paired
        self._keys = [_same(requests, events, key) for key in keys]
        self._own: dict[str, str] = {}
        self._orders: dict[str, tuple[tuple[str, ...], str | None]] = {}
        self._parts: dict[Part, str] = {}
        self._picks: dict[tuple[str, str], list[str]] = {}
        self.outputs: dict[str, Made] = {}
        if events.source.corrections:
            events.superseded()

    def own(self, at: str) -> str:
        """Return the name of the request's own time."""
        self._own[f"own_{at}"] = self.requests.moment(at)
        return f"own_{at}"

    def part(self, part: Part) -> str:
        """Return the name of a part."""
        return self._parts.setdefault(part, f"p{len(self._parts)}")

    def upto_now(self, back: int | None) -> Frame:
        """Return the rows known by t; of pairs, only those of the last ``back``."""
        return Trail(back) if self.paired else Upto(KNOWN, 0)

    def pick(
        self, order: Sequence[str], back: int | None, columns: Sequence[str], where: str | None = None
    ) -> list[str]:
        """Return the names of columns of the row that comes last by ``order``, of those where ``where`` is not null.

        It is the last one of all rows known by t: whether it is older than ``back`` is left to be seen.
        """
        place = "place_" + "_".join(order) + ("" if where is None else f"_{where}")
        self._orders[place] = tuple(order), where
        part = self.part(Part("max", place, self.upto_now(back)))
        taken = self._picks.setdefault((place, part), [])
        taken += [c for c in columns if c not in taken]
        return [f"{part}_{c}" for c in columns]

    def rows(self, requests: "ir.Table", events: "ir.Table") -> "ir.Table":
        """Return each request's place and features, given both sides' columns; requests without a key are left out."""
        asked, seen = self._asked(requests), self._seen(events)
        found = self._pairs(asked, seen) if self.paired else self._sorted(asked, seen)
        for (place, part), columns in self._picks.items():
            keys = self._key_names
            chosen = seen.select(**{f"{part}_{c}": seen[c] for c in dict.fromkeys([*keys, place, *columns])})
            found = found.left_join(chosen, [*((k, f"{part}_{k}") for k in keys), (part, f"{part}_{place}")])
        return found.select(ROW, **{name: make(found) for name, make in self.outputs.items()})

    def _distinct(self) -> dict[Part, list[str]]:
        """Return the parts with their names; how many rows have a value is the same part wherever all of them do."""
        found: dict[Part, list[str]] = {}
        for part, name in self._parts.items():
            complete = part.how == "count" and part.column in self.events.complete
            one = replace(part, column=self.events.ones(None).column) if complete else part
            found.setdefault(one, []).append(name)
        return found

    def _asked(self, requests: "ir.Table") -> "ir.Table":
        keys = {f"k{i}": requests[mine] for i, (mine, _) in enumerate(self._keys)}
        own = {name: requests[column] for name, column in self._own.items()}
        asked = requests.select(ROW, KNOWN, **keys, **own)
        return asked.filter([asked[k].notnull() for k in keys]) if keys else asked

    def _seen(self, events: "ir.Table") -> "ir.Table":
        import ibis

        keys = {f"k{i}": events[other] for i, (_, other) in enumerate(self._keys)}
        seen = events.mutate(**keys, **{KNOWN: events[self.events.known], EVENT: events[self.events.event]})
        seen = seen.filter([seen[k].notnull() for k in keys]) if keys else seen
        places = {}
        for place, (order, where) in self._orders.items():
            window = ibis.window(group_by=[seen[k] for k in keys] or None, order_by=[seen[c] for c in order])
            number = ibis.row_number().over(window)
            places[place] = number if where is None else ibis.ifelse(seen[where].notnull(), number, ibis.null("int64"))
        return seen.mutate(**places)

    def _sorted(self, asked: "ir.Table", seen: "ir.Table") -> "ir.Table":
        """Return the parts of rows that are sorted beside the requests."""
        parts = self._distinct()
        found = asked.select(ROW, KNOWN, *self._key_names)
        windows = {part: name for part, (name, *_) in parts.items() if isinstance(part.frame, Trail)}
        tables = [self._windows(windows, asked, seen)] if windows else []
        for order in dict.fromkeys(part.frame.order for part in parts if isinstance(part.frame, Upto)):
            own = {p: n for p, (n, *_) in parts.items() if isinstance(p.frame, Upto) and p.frame.order == order}
            tables.append(self._beginnings(own, order, asked, seen))
        for i, table in enumerate(tables):
            place = f"{ROW}_{i}"
            found = found.left_join(table.rename({place: ROW}), [(ROW, place)])
        return _also_called(found, parts)

    def _windows(self, parts: Mapping[Part, str], asked: "ir.Table", seen: "ir.Table") -> "ir.Table":
        """Return parts that look at the last while: each row's window is searched."""
        import ibis

        columns = dict.fromkeys(part.column for part in parts)
        both = self._union([asked.select(ROW, *self._key_names, at=asked[KNOWN])], seen, seen[KNOWN], columns)
        made = {}
        for part, name in parts.items():
            assert isinstance(part.frame, Trail)  # noqa: S101 - for mypy
            window = ibis.range_window(**part.frame.bounds(), group_by=self._key_names or None, order_by="at")
            made[name] = _reduced(part, both[part.column]).over(window)
        found = both.mutate(**made)
        return found.filter(found[ROW].notnull()).select(ROW, *made)

    def _beginnings(self, parts: Mapping[Part, str], order: str, asked: "ir.Table", seen: "ir.Table") -> "ir.Table":
        """Return parts of all rows up to a moment: a request stands among them once for each, and no row is searched.

        A window's sum is the difference of two of them. So it costs one running sum, which neither database
        computes anew from row to row, as Spark does for a window that moves.
        """
        import ibis

        frames = [p.frame for p in parts if isinstance(p.frame, Upto)]
        ends = list(dict.fromkeys(frames))
        columns = dict.fromkeys(part.column for part in parts)
        marks = [asked.select(ROW, *self._key_names, at=end.end(asked), mark=ibis.literal(i, "int64"))
                 for i, end in enumerate(ends)]  # fmt: skip
        both = self._union(marks, seen, seen[KNOWN if order == KNOWN else EVENT], columns)
        window = ibis.range_window(preceding=None, following=0, group_by=self._key_names or None, order_by="at")
        running = {f"{p.how}_{p.column}": _exact(_reduced(p, both[p.column]).over(window)) for p in parts}
        found = both.mutate(**running)
        found = found.filter(found[ROW].notnull())
        made = {}
        for frame, (part, name) in zip(frames, parts.items(), strict=True):
            made[name] = found[f"{part.how}_{part.column}"].max(where=found.mark == ends.index(frame))
        return found.group_by(ROW).aggregate(**made)

    def _union(self, marks: Sequence["ir.Table"], seen: "ir.Table", at: Any, columns: Iterable[str]) -> "ir.Table":
        """Return the source's rows, each at its time ``at``, among requests that have none of their columns."""
        import ibis

        nothing = {c: ibis.null(seen[c].type()) for c in columns}
        mine = [mark.mutate(**nothing) for mark in marks]
        own = {k: seen[k] for k in self._key_names} | {"at": at} | {c: seen[c] for c in columns}
        rows = seen.select(**{n: own.get(n, ibis.null("int64")) for n in mine[0].columns})
        return ibis.union(rows, *mine)

    @property
    def _key_names(self) -> list[str]:
        return [f"k{i}" for i in range(len(self._keys))]

    def _pairs(self, asked: "ir.Table", seen: "ir.Table") -> "ir.Table":
        parts = self._distinct()
        columns = dict.fromkeys((*(part.column for part in parts), KNOWN, EVENT))
        keys = self._key_names
        late = {row_side(SUPERSEDED): seen[self.events.superseded()]} if self.events.source.corrections else {}
        rows = seen.select(**{row_side(c): seen[c] for c in (*keys, *columns)}, **late)
        met = [asked[k] == rows[row_side(k)] for k in keys] + [rows[row_side(KNOWN)] <= asked[KNOWN]]
        if late:
            met.append(rows[row_side(SUPERSEDED)].isnull() | (rows[row_side(SUPERSEDED)] > asked[KNOWN]))
        backs = [part.frame.back for part in self._parts if not isinstance(part.frame, Upto)]
        longest = None if None in backs else max((b for b in backs if b is not None), default=0)
        if longest is not None:
            met.append(rows[row_side(KNOWN)] > asked[KNOWN] - longest)
        pairs = asked.left_join(rows, met)
        made = {}
        for part, (name, *_) in parts.items():
            assert not isinstance(part.frame, Upto)  # noqa: S101 - for mypy
            made[name] = _exact(_reduced(part, _faded(part, pairs), part.frame.holds(pairs)))
        return _also_called(pairs.group_by([ROW, KNOWN, *keys]).aggregate(**made), parts)


def _also_called(table: "ir.Table", parts: Mapping[Part, Sequence[str]]) -> "ir.Table":
    return table.mutate(**{other: table[name] for name, *others in parts.values() for other in others})


def _reduced(part: Part, column: Any, where: Any = None) -> Any:
    return getattr(column, "sum" if part.how == "faded" else part.how)(where=where)


def _exact(value: Any) -> Any:
    """Return whole numbers in 64 bits: DuckDB sums them in 128, and makes doubles of those with an error."""
    return value.cast("decimal(38, 0)").cast("int64") if value.type().is_int64() else value


def _faded(part: Part, pairs: "ir.Table") -> Any:
    column = pairs[row_side(part.column)]
    if part.half_life is None:
        return column
    age = (pairs[KNOWN] - pairs[row_side(KNOWN)]).cast("float64") / double(part.half_life)
    return column.cast("float64") * double(2.0).pow(-age)


def _same(requests: Sheet, events: Events, key: Key) -> tuple[str, str]:
    """Return the two sides' columns of a key, of one type: a whole number is the same key as an equal double.

    Whole numbers beyond 2**53 that are held against doubles are rounded first.
    """
    kind = _common(requests.term(key.request), events.term(key.in_source))
    return requests.value(key.request, kind), events.value(key.in_source, kind)


def _common(mine: Term, other: Term) -> str:
    kinds = {mine.dtype.kind, other.dtype.kind}
    if kinds <= set("OU"):
        return "string"
    return "int64" if kinds <= set("biu") else "float64"
