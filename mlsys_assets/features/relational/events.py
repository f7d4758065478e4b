"""A source's rows as a query: what a pass reads of them, in whole numbers that add up exactly."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate
from mlsys_assets.features.expression import Expression
from mlsys_assets.features.numpy_table import clashing
from mlsys_assets.features.relational.arithmetic import double
from mlsys_assets.features.relational.database import Database
from mlsys_assets.features.relational.sheet import Sheet
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT

if TYPE_CHECKING:
    import ibis.expr.types as ir

LARGEST = 2.0**62
"""What a sum of grid steps must stay below."""


@dataclass(frozen=True)
class Steps:
    """A column of whole numbers of steps of ``grid``; null where the row does not count."""

    column: str
    grid: float


class Events(Sheet):
    """The columns of a source's rows that a pass needs.

    ``known`` and ``event``: when a row became known and when it happened, microseconds.
    """

    def __init__(self, source: Source, table: "ir.Table", database: Database) -> None:
        super().__init__(table, database)
        self.source = source
        self.known, self.event = self.moment(KNOWN_AT), self.moment(EVENT_TIME)
        self.complete: set[str] = set()
        self._sizes: dict[str, tuple[str, float, Any]] = {}

    def happened(self) -> str:
        """Return the column of when a row happened, at the latest when it became known, microseconds."""
        import ibis

        known, event = self.columns[self.known], self.columns[self.event]
        return self.add("happened", lambda: ibis.least(event, known))

    def ties(self) -> list[str]:
        """Return the columns that order the rows of one moment, each as it is."""
        names = (KNOWN_AT, EVENT_TIME, *(k for k in self.source.key if k not in (KNOWN_AT, EVENT_TIME)))
        return [self.add(("raw", name), partial(self.table.__getitem__, name)) for name in names]

    def superseded(self) -> str:
        """Return the column of when a row of the same name became known next, microseconds; null for the last one."""
        import ibis

        def make() -> Any:
            window = ibis.window(group_by=[self.table[k] for k in self.source.key], order_by=self.table[KNOWN_AT])
            return self.columns[self.known].lead().over(window)

        return self.add("superseded", make)

    def ones(self, where: str | Expression | None) -> Steps:
        """Return 1 for each row that counts."""
        import ibis

        one = ibis.literal(1, "int64")
        return Steps(self.add(("ones", where), lambda: self._where(where, one)), 1.0)

    def steps(self, aggregate: Aggregate, what: str) -> Steps:
        """Return the values of the rows that count, rounded to steps of the resolution; integers are exact.

        ``what`` is named if they cannot be summed, see `check`.
        """
        import ibis

        of = aggregate.of
        assert of is not None  # noqa: S101 - for mypy
        term = self.term(of)
        grid = aggregate.resolution if term.dtype.kind == "f" else 1.0
        steps = term.value.cast("float64") / double(grid) if term.dtype.kind == "f" else term.value.cast("int64")
        size = self._where(aggregate.where, steps).cast("float64").abs()

        def make() -> Any:
            if term.dtype.kind != "f":
                return self._where(aggregate.where, steps)
            held = ibis.ifelse(size < LARGEST, steps, ibis.null("float64"))
            return self._where(aggregate.where, (held + 0.5).floor().cast("int64"))

        name = self.add(("steps", of, aggregate.where, grid), make)
        self._sizes[name] = (what, grid, size)
        self.ones(None)  # how many rows there are, wherever no value is missing
        return Steps(name, grid)

    def number(self, aggregate: Aggregate) -> str:
        """Return the column of the values of the rows that count, as doubles."""
        of = aggregate.of
        assert of is not None  # noqa: S101 - for mypy
        make = self._where
        return self.add(
            ("number", of, aggregate.where), lambda: make(aggregate.where, self.term(of).value.cast("float64"))
        )

    def counted(self, aggregate: Aggregate) -> str:
        """Return the column of the values of the rows that count, as they are."""
        of = aggregate.of
        assert of is not None  # noqa: S101 - for mypy
        return self.add(("counted", of, aggregate.where), lambda: self._where(aggregate.where, self.term(of).value))

    def known_where(self, where: str | Expression | None) -> str:
        """Return the column of when the rows that count became known, microseconds."""
        known = self.columns[self.known]
        return self.add(("known", where), lambda: self._where(where, known))

    def check(self) -> None:
        """Look at the rows once: raise ValueError where one has no time, or where a sum could leave the range.

        So it is for two rows of one name that became known at one moment, of which neither corrects the other.

        From then on ``complete`` names the columns of steps that have no null.
        """
        times = (KNOWN_AT, EVENT_TIME)
        asked = {f"t{i}": self.table[name].isnull().sum() for i, name in enumerate(times)}
        for i, (_, _, size) in enumerate(self._sizes.values()):
            asked |= {f"s{i}": size.sum(), f"n{i}": size.isnull().sum()}
        found = self.database.fetch(self.table.aggregate(**asked)).to_pylist()[0]
        for i, name in enumerate(times):
            if found[f"t{i}"]:
                raise ValueError(f"column {name!r} has {found[f't{i}']} nulls; every row must have a time")
        for i, (what, grid, _) in enumerate(self._sizes.values()):
            total = found[f"s{i}"]
            if total is not None and not total < LARGEST:
                raise ValueError(
                    f"{what}: values of {total * grid:g} together cannot be summed exactly in steps of {grid:g}; "
                    "give a coarser resolution, or leave infinite values out"
                )
        self.complete = {name for i, name in enumerate(self._sizes) if not found[f"n{i}"]}
        if self.source.corrections:
            self._check_corrections()

    def _check_corrections(self) -> None:
        names = list(self.source.key)
        told = self.table.group_by([*names, KNOWN_AT]).agg(told=self.table.count())
        clash = self.database.fetch(told.filter(told.told > 1).select(names).limit(1)).to_pylist()
        if clash:
            raise ValueError(clashing(self.source.name, clash[0]))

    def _where(self, where: str | Expression | None, value: Any) -> Any:
        import ibis

        return value if where is None else ibis.ifelse(self.term(where).value, value, ibis.null(value.type()))
