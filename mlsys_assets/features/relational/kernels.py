"""Each kind of declaration told as parts of a group's rows, and as what is computed from them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import columns_read
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.relational.arithmetic import double, single
from mlsys_assets.features.relational.database import Database
from mlsys_assets.features.relational.frame import KNOWN, Around, Frame, Trail, Upto
from mlsys_assets.features.relational.group import Group, Made, Part
from mlsys_assets.features.relational.sheet import evaluate
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import microseconds

if TYPE_CHECKING:
    import ibis.expr.types as ir

HOUR = 3_600_000_000.0
"""Microseconds."""
PAIRED = frozenset({AggregateKind.DISTINCT})
"""What no window can tell of sorted rows."""
NOT_PREFIXED = frozenset({AggregateKind.DISTINCT, AggregateKind.MINIMUM, AggregateKind.MAXIMUM})
"""What cannot be told of a plan from two of its beginnings."""

Groups = Callable[[Any, bool], Group]
"""Returns the group of a feature's source and key; True: paired."""


def lookup(feature: Lookup, names: Sequence[str], groups: Groups) -> None:
    """Add the columns of the latest known row."""
    group = groups(feature, feature.source.corrections)
    events, back = group.events, None if feature.max_age is None else microseconds(feature.max_age)
    happened = events.happened()
    columns = [_as_stored(group, of) for of in feature.columns]
    taken, *values = group.pick([happened, *events.ties()], back, [happened, *columns])
    for name, value in zip(names, values, strict=True):
        group.outputs[name] = _fresh(value, taken, back)


def _fresh(value: str, happened: str, back: int | None) -> Made:
    """Return what gives a value that happened after t - back."""
    import ibis

    if back is None:
        return lambda t: t[value]
    return lambda t: ibis.ifelse(t[happened] > t[KNOWN] - back, t[value], ibis.null(t[value].type()))


def trailing(feature: Trailing, names: Sequence[str], groups: Groups) -> None:
    """Add the aggregates of each window."""
    named = iter(names)
    for window in feature.over:
        for name, aggregate in feature.aggregates:
            by_pairs = feature.source.corrections or aggregate.kind in PAIRED or aggregate.half_life is not None
            group = groups(feature, by_pairs)
            what = f"{feature.source.name}: {name}"
            group.outputs[next(named)] = _aggregate(group, aggregate, Trail(microseconds(window)), what)


def scheduled(feature: Scheduled, names: Sequence[str], groups: Groups, *, is_monotone: Callable[[], bool]) -> None:
    """Add the aggregates of the plan around each request's own planned time.

    Where within each key what happens later is known no earlier, the rows of a request are the difference of two
    beginnings of the plan, and are read through windows; otherwise they are paired.
    """
    named = iter(names)
    back = None if feature.max_age is None else microseconds(feature.max_age)
    for width in feature.around:
        for name, aggregate in feature.aggregates:
            by_pairs = feature.source.corrections or aggregate.kind in NOT_PREFIXED or not is_monotone()
            group = groups(feature, by_pairs)
            frame = Around(group.own(feature.at), microseconds(width), back)
            what = f"{feature.source.name}: {name}"
            group.outputs[next(named)] = _aggregate(group, aggregate, frame, what)


def derived(features: Sequence[Derived | Backoff], table: "ir.Table", database: Database) -> "ir.Table":
    """Return the table of features with those that are computed from others."""
    for feature in features:
        made = {}
        if isinstance(feature, Backoff):
            made[feature.name] = _first_with_enough(feature, table)
        else:
            for name, of in feature.computed:
                term = evaluate(of, table, database, widened=True)
                made[name] = term.value if term.dtype.kind in "OU" else single(term.value.cast("float64"))
        table = table.mutate(**made)
    return table


def read_by(feature: Derived | Backoff, columns: Sequence[Column]) -> set[str]:
    """Return the features that one is computed from, of those that there are."""
    if isinstance(feature, Backoff):
        return {name for choice in feature.choices for name in choice}
    return {name for _, of in feature.computed for name in columns_read(of, as_read(columns))}


def _first_with_enough(feature: Backoff, table: "ir.Table") -> "ir.Value":
    import ibis

    *finer, coarsest = feature.choices
    enough = [
        ibis.ifelse(table[n].cast("float64") >= double(feature.at_least), table[value], ibis.null("float32"))
        for value, n in finer
    ]
    return ibis.coalesce(*enough, table[coarsest[0]])


def _aggregate(group: Group, aggregate: Aggregate, frame: Frame, what: str) -> Made:
    """Return what computes an aggregate of the rows of a frame."""
    match aggregate.kind:
        case AggregateKind.LAST:
            return _last(group, aggregate, frame)
        case AggregateKind.AGE | AggregateKind.HISTORY:
            return _hours(group, aggregate, frame)
        case AggregateKind.MINIMUM | AggregateKind.MAXIMUM:
            how = "min" if aggregate.kind is AggregateKind.MINIMUM else "max"
            part = group.part(Part(how, group.events.number(aggregate), frame))
            return lambda t: t[part]
        case AggregateKind.DISTINCT:
            part = group.part(Part("nunique", group.events.counted(aggregate), frame))
            return lambda t: t[part].cast("float64")
        case AggregateKind.VARIANCE:
            return _variance(group, aggregate, frame, what)
    return _faded(group, aggregate, frame) if aggregate.half_life else _additive(group, aggregate, frame, what)


def _additive(group: Group, aggregate: Aggregate, frame: Frame, what: str) -> Made:
    if aggregate.kind is AggregateKind.COUNT:
        rows = _total(group, "count", group.events.ones(aggregate.where).column, frame)
        return lambda t: rows(t).cast("float64")
    steps = group.events.steps(aggregate, what)
    total = _total(group, "sum", steps.column, frame)
    if aggregate.kind is AggregateKind.SUM:
        return lambda t: total(t).cast("float64") * double(steps.grid)
    known = _total(group, "count", steps.column, frame)
    return lambda t: _ratio(total(t).cast("float64") * double(steps.grid), known(t))


def _variance(group: Group, aggregate: Aggregate, frame: Frame, what: str) -> Made:
    import ibis

    steps = group.events.steps(aggregate, what)
    column = group.events.columns[steps.column].cast("decimal(19, 0)")
    squares = group.events.add(("squares", steps.column), lambda: (column * column).cast("decimal(38, 0)"))
    total, known = (_total(group, how, steps.column, frame) for how in ("sum", "count"))
    squared = _total(group, "sum", squares, frame)

    def made(t: "ir.Table") -> Any:
        s, n = total(t).cast("float64"), known(t)
        spread = _ratio(squared(t).cast("float64") - _ratio(s * s, n), n) * double(steps.grid**2)
        return ibis.ifelse(spread < 0, 0.0, spread)

    return made


def _faded(group: Group, aggregate: Aggregate, frame: Frame) -> Made:
    """Return an additive aggregate of rows whose weight is halved again and again; up to rounding."""
    import ibis

    assert aggregate.half_life is not None  # noqa: S101 - for mypy
    half_life = microseconds(aggregate.half_life)
    if aggregate.kind is AggregateKind.COUNT:
        values = weights = group.events.ones(aggregate.where).column
    else:
        number = group.events.number(aggregate)
        column = group.events.columns[number]
        values = number
        weights = group.events.add(
            ("weights", number), lambda: ibis.ifelse(column.notnull(), 1.0, ibis.null("float64"))
        )
    total, weight = (group.part(Part("faded", c, frame, half_life)) for c in (values, weights))
    if aggregate.kind in (AggregateKind.COUNT, AggregateKind.SUM):
        return lambda t: ibis.coalesce(t[total], 0.0)
    return lambda t: t[total] / t[weight]


def _hours(group: Group, aggregate: Aggregate, frame: Frame) -> Made:
    """Return the hours since the last or the first row of a frame became known."""
    import ibis

    assert isinstance(frame, Trail)  # noqa: S101 - for mypy
    column, back = group.events.known_where(aggregate.where), frame.back
    if aggregate.kind is AggregateKind.HISTORY:
        first = group.part(Part("min", column, frame))
        return lambda t: (t[KNOWN] - t[first]).cast("float64") / HOUR
    last = group.part(Part("max", column, group.upto_now(back)))
    within = ibis.literal(back, "int64")
    return lambda t: ibis.ifelse(
        t[last] > t[KNOWN] - within, (t[KNOWN] - t[last]).cast("float64") / HOUR, ibis.null("float64")
    )


def _last(group: Group, aggregate: Aggregate, frame: Frame) -> Made:
    assert isinstance(frame, Trail)  # noqa: S101 - for mypy
    assert aggregate.of is not None  # noqa: S101 - for mypy
    where = None if aggregate.where is None else group.events.ones(aggregate.where).column
    known = group.events.known
    taken, value = group.pick(group.events.ties(), frame.back, [known, _as_stored(group, aggregate.of)], where)
    return _fresh(value, taken, frame.back)


def _as_stored(group: Group, of: Any) -> str:
    return group.events.value(of, "string" if group.events.term(of).dtype.kind in "OU" else "float64")


def _total(group: Group, how: str, column: str, frame: Frame) -> Made:
    """Return the sum or count over the rows of a frame; 0 where there are none."""
    import ibis

    if group.paired:
        part = group.part(Part(how, column, frame))
        return lambda t: _or_zero(t[part])

    def at(frame: Upto | None, how: str, column: str) -> Made:
        part = None if frame is None else group.part(Part(how, column, frame))
        return lambda t: _or_zero(None if part is None else t[part])

    if isinstance(frame, Trail):
        assert frame.back is not None  # noqa: S101 - for mypy
        whole, gone = at(Upto(KNOWN, 0), how, column), at(Upto(KNOWN, -frame.back), how, column)
        return lambda t: whole(t) - gone(t)
    assert isinstance(frame, Around)  # noqa: S101 - for mypy
    own, width, back = frame.own, frame.width, frame.back
    happening, known = Upto(own, width), Upto(KNOWN, 0)
    before, forgotten = Upto(own, -width - 1), None if back is None else Upto(KNOWN, -back)
    every = group.events.ones(None).column

    ends = [(at(f, "count", every), at(f, how, column)) for f in (happening, known)]
    starts = [(at(f, "count", every), at(f, how, column)) for f in (before, forgotten)]

    def made(t: "ir.Table") -> Any:
        (here, total_here), (there, total_there) = [(n(t), total(t)) for n, total in ends]
        (first, total_first), (second, total_second) = [(n(t), total(t)) for n, total in starts]
        end, total_end = ibis.least(here, there), ibis.ifelse(here <= there, total_here, total_there)
        start, total_start = ibis.greatest(first, second), ibis.ifelse(first >= second, total_first, total_second)
        return ibis.ifelse(end > start, total_end - total_start, ibis.literal(0, total_end.type()))

    return made


def _or_zero(value: Any) -> "ir.Value":
    import ibis

    return ibis.literal(0, "int64") if value is None else ibis.coalesce(value, ibis.literal(0, value.type()))


def _ratio(a: Any, n: Any) -> "ir.Value":
    import ibis

    return ibis.ifelse(n > 0, a / n.cast("float64"), ibis.null("float64"))
