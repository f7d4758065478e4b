"""From when on a stream of errors is another, as detectors have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.production_monitoring.concept.detectors import DETECTORS, LEAST_ROWS, Detector
from mlsys_assets.production_monitoring.concept.streams import ErrorStream

AGREE: Final = 2
"""So many detectors must see errors get worse before a change is dated by them."""


@dataclass(frozen=True)
class Change:
    """From where on a stream is another, as one detector has it.

    Parameters
    ----------
    detector
        Which.
    row, at
        The row at which it was sure, and when that became known.
    before, after
        The mean of what it reads, before and from that row on.
    """

    detector: str
    row: int
    at: np.datetime64
    before: float
    after: float

    @property
    def worse(self) -> bool:
        """Whether errors are larger since."""
        return self.after > self.before

    def __str__(self) -> str:
        when = np.datetime_as_string(self.at, unit="m").replace("T", " ")
        return f"{self.detector} from {when} on (row {self.row:,}): {self.before:.3f} before, {self.after:.3f} since"


@dataclass(frozen=True)
class Streamed:
    """What the detectors say of a stream.

    Parameters
    ----------
    changes
        The first change of each detector that saw one, the earliest first.
    rows
        How many rows were read.
    reason
        Why the stream is too short to tell, if it is.
    """

    changes: tuple[Change, ...]
    rows: int
    reason: str = ""

    @property
    def since(self) -> np.datetime64 | None:
        """When the first detector was sure that errors got worse; None unless a second one saw it too."""
        worse = [change.at for change in self.changes if change.worse]
        return worse[0] if len(worse) >= AGREE else None


def watch(stream: ErrorStream, detectors: Sequence[Detector] = DETECTORS) -> Streamed:
    """Return what detectors say of a stream, each of which reads it until it is sure.

    A row costs each detector 0.2 to 0.5 µs of CPU, so that a week of rows is read one by one.
    """
    if len(stream) < LEAST_ROWS:
        return Streamed((), len(stream), f"insufficient data: {len(stream)} labels, {LEAST_ROWS} are the least")
    found = []
    for detector in detectors:
        values = detector.reads(stream)
        if (row := detector.first(values)) is not None:
            before, after = float(values[:row].mean()) if row else np.nan, float(values[row:].mean())
            found.append(Change(detector.name, row, stream.at[row], before, after))
    return Streamed(tuple(sorted(found, key=lambda change: (change.row, change.detector))), len(stream))
