"""Features that the request tells of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mlsys_assets.features.expression import Expression, probe
from mlsys_assets.features.mistakes import misread, with_times
from mlsys_assets.features.output_columns import type_of
from mlsys_assets.tables import Column


@dataclass(frozen=True, init=False)
class Request:
    """Columns of the request itself, as they are or computed from its own row."""

    columns: tuple[str, ...]
    computed: tuple[tuple[str, Expression], ...]

    def __init__(self, *columns: str, **computed: Expression) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "computed", tuple(computed.items()))

    @property
    def values(self) -> tuple[tuple[str, str | Expression], ...]:
        """Every feature's name and what it is read from."""
        return (*((name, name) for name in self.columns), *self.computed)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """Nothing but the request."""
        return {}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return the columns that the request has not, or that no feature can hold."""
        known = with_times(requests)
        return [m for name, of in self.values for m in misread(f"request feature {name!r}", of, known)]

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns, with the unit and description they have in the request."""
        own = {c.name: c for c in requests}
        known = with_times(requests)
        return tuple(
            replace(own[name], type=type_of(probe(name, known)), nullable=True)
            if name in own and of == name
            else Column(name, type_of(probe(of, known)), description="computed from the request")
            for name, of in self.values
        )
