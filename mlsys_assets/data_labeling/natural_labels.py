"""Natural labels: the world tells the truth by itself, later (Huyen 2022, ch. 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.label import LABELLED, NEVER_KNOWN, NOT_KNOWN_YET, label_schema
from mlsys_assets.mistakes import misfit, misnamed, not_long, not_one, sound
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, LABEL, STATE
from mlsys_assets.types import DeclarationError

STATES = (LABELLED, NOT_KNOWN_YET, NEVER_KNOWN)
"""The states that are not for a declaration to give."""


@dataclass(frozen=True, eq=False)
class NaturalLabel:
    """A label read off a later event of the same entity.

    Parameters
    ----------
    name
        What is predicted, such as ``late``.
    source
        The events that tell it; known when they are.
    compute
        Maps the source's rows to the label's values, (n,) numbers or booleans.
    delay
        The time from prediction to label that nearly all take: the embargo between split parts.
    window
        How long a label is waited for; not shorter than ``delay``.
    never
        The events that mean there will be no label, by the state they give.
    """

    name: str
    source: Source
    compute: Callable[[pa.Table], pa.Array | pa.ChunkedArray]
    delay: timedelta
    window: timedelta
    never: Mapping[str, Source] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source that tells something of the label."""
        never = self.never.values() if isinstance(self.never, Mapping) else ()
        return sound((self.source, *never), Source)

    @property
    def corrections(self) -> bool:
        """Whether a label that became known later replaces the one before."""
        return any(source.corrections for source in self.sources)

    def mistakes(self, key: str, *, thorough: bool = False) -> list[str]:
        """Return what is wrong with the declaration for entities named by ``key``.

        ``thorough``: try ``compute`` even if that loads pandas.
        """
        what = f"label {self.name!r}"
        found = misnamed("the label", self.name)
        durations = not_long(f"{what}: delay", self.delay) + not_long(f"{what}: window", self.window)
        if not durations and self.window < self.delay:
            short = f"{what}: its window {self.window} is shorter than its delay {self.delay}"
            durations = [f"{short}; labels would be given up before they are known"]
        return found + durations + self._source_mistakes(what, key) + self._compute_mistakes(what, thorough=thorough)

    def _source_mistakes(self, what: str, key: str) -> list[str]:
        found = not_one(f"{what}: never", self.never, Mapping)
        if not found:
            found = [m for state, one in self.never.items() for m in not_one(f"{what}: never[{state!r}]", one, Source)]
            reserved = [state for state in self.never if not isinstance(state, str) or state in STATES or not state]
            found += [
                f"{what}: {state!r} cannot be the state of a row without a label; name the reason, in other words "
                f"than {', '.join(STATES)}"
                for state in reserved
            ]
        found += not_one(f"{what}: source", self.source, Source)
        for source in self.sources:
            if source.is_legible and key not in source.column_names:
                there = ", ".join(source.column_names)
                found.append(f"{what}: source {source.name!r} has no column {key!r}; columns: {there}")
            if source.snapshot:
                found.append(f"{what}: source {source.name!r} is a snapshot, whose rows belong to no tick; use events")
        return found

    def _compute_mistakes(self, what: str, *, thorough: bool) -> list[str]:
        if not_one("source", self.source, Source) or not self.source.is_legible:
            return []  # what it would be given cannot be told
        rows, gives = self.source.no_rows(), "numbers, or true and false"
        return misfit(f"{what}: compute", self.compute, rows, gives=gives, fits=_is_label, thorough=thorough)


def _is_label(kind: pa.DataType) -> bool:
    return any(fits(kind) for fits in (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating))


def natural_labels(label: NaturalLabel, events: Mapping[str, pa.Table], *, key: str) -> pa.Table:
    """Return the label rows that the events tell, in the order in which they became known.

    Parameters
    ----------
    label
        The declaration.
    events
        Its sources' rows, by source name.
    key
        The column that names the entity.

    Raises DeclarationError if the declaration has mistakes.
    """
    if mistakes := label.mistakes(key, thorough=True):
        raise DeclarationError(f"label {label.name!r}", mistakes)
    told = events[label.source.name]
    parts = [_rows(told, key=key, state=LABELLED, values=pc.cast(label.compute(told), pa.float64()))]
    parts += [_rows(events[source.name], key=key, state=state, values=None) for state, source in label.never.items()]
    return pa.concat_tables(parts).sort_by([(KNOWN_AT, "ascending"), (key, "ascending")])


def _rows(events: pa.Table, *, key: str, state: str, values: pa.ChunkedArray | None) -> pa.Table:
    n = events.num_rows
    columns = {
        key: events[key],
        LABEL: pa.nulls(n, pa.float64()) if values is None else values,
        STATE: pa.repeat(state, n),
        EVENT_TIME: events[EVENT_TIME],
        KNOWN_AT: events[KNOWN_AT],
    }
    return pa.table(columns).cast(label_schema(key))
