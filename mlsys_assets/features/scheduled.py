"""Features that sum up a plan around the time that the request is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import IN_ORDER, Aggregate
from mlsys_assets.features.key import By, Key, keys_of, several
from mlsys_assets.features.mistakes import (
    aggregate_mistakes,
    key_mistakes,
    name_of,
    not_positive,
    source_mistakes,
    window_name,
    windows_mistakes,
    with_times,
)
from mlsys_assets.features.output_columns import aggregated
from mlsys_assets.tables import EVENT_TIME, Column


@dataclass(frozen=True, init=False)
class Scheduled:
    """Aggregates of a plan around the request's own planned time s: its rows that happen in [s - w, s + w].

    Only rows that became known in (t - max_age, t] count, t the prediction time.

    Parameters
    ----------
    source
        The plan: rows known before they happen.
    by
        The key; () for one group of all rows. A request without a key gets nulls.
    around
        The half-width w, or several.
    max_age
        How long before the prediction a row may have become known: longer than a plan is published ahead.
    at
        The request's column with its own planned time.
    aggregates
        What to compute, by name; the features are called key_name_around_w. ``last``, ``age``,
        ``history`` and weights by age do not apply.
    """

    source: Source
    by: By
    around: tuple[timedelta, ...]
    max_age: timedelta | None
    at: str
    aggregates: tuple[tuple[str, Aggregate], ...]

    def __init__(
        self,
        source: Source,
        by: By,
        around: timedelta | Sequence[timedelta],
        *,
        max_age: timedelta | None = None,
        at: str = EVENT_TIME,
        **aggregates: Aggregate,
    ) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "by", keys_of(by))
        object.__setattr__(self, "around", several(around))
        object.__setattr__(self, "max_age", max_age)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "aggregates", tuple(aggregates.items()))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as a row may be known already."""
        return {name_of(self.source): self.max_age}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, windows that are no windows, and aggregates that do not fit."""
        what = f"scheduled features of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known) + windows_mistakes(what, "around", self.around)
        times = [c.name for c in with_times(requests) if c.type == "timestamp"]
        if self.at not in times:
            found.append(f"{what}: at={self.at!r} is not a moment of the request; moments: {', '.join(times)}")
        if self.max_age is None:
            found.append(f"{what} has no max_age, so that all plans ever would be read; give one, such as days(2)")
        found += not_positive(what, "max_age", [self.max_age] if self.max_age is not None else [])
        found += [
            f"{what}: {name!r} is {a.kind.value}(){'' if a.half_life is None else ' with a half_life'}, which has no "
            "meaning around a time; use Trailing"
            for name, a in self.aggregates
            if isinstance(a, Aggregate) and (a.kind in IN_ORDER or a.half_life is not None)
        ]
        return found + aggregate_mistakes(what, self.aggregates, known, ())

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each aggregate and width, width by width."""
        return tuple(
            aggregated(
                self.source,
                self.keys,
                aggregate,
                name=f"{name}_around_{window_name(width)}",
                when=f"planned within {window_name(width)} of the request's {self.at}",
            )
            for width in self.around
            for name, aggregate in self.aggregates
        )
