"""Features that are read off the latest known record of a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.expression import probe
from mlsys_assets.features.key import By, Key, keys_of, prefix_of, several
from mlsys_assets.features.mistakes import key_mistakes, misread, name_of, not_positive, source_mistakes, with_times
from mlsys_assets.features.output_columns import of_same, type_of
from mlsys_assets.tables import Column


@dataclass(frozen=True)
class Lookup:
    """The latest record of a key: of those known at prediction, the one that happened last.

    So an old record that is delivered late hides no newer one. A record about the future counts as
    having happened when it became known.

    Parameters
    ----------
    source
        Where the records are.
    by
        The key; the features are called key_column.
    columns
        What to take from the record.
    max_age
        How long ago the record may have happened: in (t - max_age, t], t the prediction time; an
        older one gives null. May be left out only for a snapshot.
    """

    source: Source
    by: By
    columns: tuple[str, ...]
    max_age: timedelta | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", keys_of(self.by))
        object.__setattr__(self, "columns", several(self.columns))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as a record may be old: it cannot be known before it happened."""
        return {name_of(self.source): self.max_age}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, and a missing or impossible ``max_age``."""
        what = f"lookup of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known)
        found += [m for name in self.columns for m in misread(what, name, known)]
        if not self.columns:
            found.append(f"{what} takes no columns")
        if self.max_age is None and not self.source.snapshot:
            found.append(f"{what} has no max_age, so that a stalled source would go unseen; give one, such as hours(3)")
        return found + not_positive(what, "max_age", [self.max_age] if self.max_age is not None else [])

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each column taken."""
        own = {c.name: c for c in self.source.columns}
        known, prefix = with_times(self.source.columns), prefix_of(self.keys)
        return tuple(
            Column(
                f"{prefix}_{name}",
                type_of(probe(name, known)),
                unit=own[name].unit if name in own else "",
                description=f"{name} of the latest known row of {self.source.name}{of_same(self.keys)}",
            )
            for name in self.columns
        )
