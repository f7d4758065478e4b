"""Features that sum up what became known of a key in the time before a prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate
from mlsys_assets.features.key import By, Key, keys_of, several
from mlsys_assets.features.mistakes import (
    aggregate_mistakes,
    key_mistakes,
    name_of,
    source_mistakes,
    window_name,
    windows_mistakes,
    with_times,
)
from mlsys_assets.features.output_columns import aggregated
from mlsys_assets.mistakes import sound
from mlsys_assets.tables import Column


@dataclass(frozen=True, init=False)
class Trailing:
    """Aggregates of a key's rows that became known in (t - window, t], t the prediction time.

    Parameters
    ----------
    source
        Where the rows are.
    by
        The key; () for one group of all rows. A request without a key gets nulls.
    over
        The window, or several.
    aggregates
        What to compute, by name; the features are called key_name_window, such as
        ``carrier_dest_late_rate_7d``.
    """

    source: Source
    by: By
    over: tuple[timedelta, ...]
    aggregates: tuple[tuple[str, Aggregate], ...]

    def __init__(self, source: Source, by: By, over: timedelta | Sequence[timedelta], **aggregates: Aggregate) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "by", keys_of(by))
        object.__setattr__(self, "over", several(over))
        object.__setattr__(self, "aggregates", tuple(aggregates.items()))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as the longest window."""
        return {name_of(self.source): max(sound(self.over, timedelta), default=timedelta(0))}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, windows that are no windows, and aggregates that do not fit."""
        what = f"trailing features of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known) + windows_mistakes(what, "over", self.over)
        return found + aggregate_mistakes(what, self.aggregates, known, self.over)

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each aggregate and window, window by window."""
        return tuple(
            aggregated(
                self.source,
                self.keys,
                aggregate,
                name=f"{name}_{window_name(window)}",
                when=f"known in the last {window_name(window)}",
            )
            for window in self.over
            for name, aggregate in self.aggregates
        )
