"""Natural labels: the world tells the truth by itself, later (Huyen 2022, ch. 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import EVENT_TIME, KNOWN_AT, Source
from mlsys_assets.data_labeling.label import LABEL, LABELLED, STATE, label_schema


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
        return (self.source, *self.never.values())

    def mistakes(self, key: str) -> list[str]:
        """Return what is wrong with the declaration for entities named by ``key``."""
        found = []
        if self.delay <= timedelta(0):
            found.append(f"label {self.name!r}: delay is {self.delay}; it must be positive")
        if self.window < self.delay:
            found.append(
                f"label {self.name!r}: its window {self.window} is shorter than its delay {self.delay}; "
                "labels would be given up before they are known"
            )
        found += [
            f"label {self.name!r}: source {source.name!r} has no column {key!r}; "
            f"columns: {', '.join(source.column_names)}"
            for source in self.sources
            if key not in source.column_names
        ]
        if LABELLED in self.never:
            found.append(f"label {self.name!r}: {LABELLED!r} cannot be the state of a row without a label")
        return found


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
    """
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
