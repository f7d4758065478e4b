"""Detectors that read a stream of errors row by row, and are sure at some row that it is another.

What they read is by default each row's excess. Rows that went wrong together, as a day's flights do in weather that no
feature tells, are still one error counted many times: these detectors take rows for independent, and what they find is
when, not whether. Their false alarms are told beside each.
"""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.concept.streams import ErrorStream

LEAST_ROWS: Final = 200
"""Of a shorter stream nothing is told: it has no before."""


@runtime_checkable
class Detector(Protocol):
    """Reads a stream in order and says where it changes."""

    @property
    def name(self) -> str:
        """A name, as told in a change."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def reads(self, stream: ErrorStream) -> Floats:
        """Return (n,) what it reads of a stream."""
        ...

    def first(self, values: Floats) -> int | None:
        """Return the first row at which a change is certain enough; None if there is none."""
        ...


class _River(Protocol):
    """What river's detectors have in common."""

    drift_detected: bool

    def update(self, x: float | bool) -> object: ...


@dataclass(frozen=True)
class Adwin:
    """Adaptive windowing (Bifet & Gavaldà 2007): a change wherever two parts of the window have unlike means.

    Sees a change either way. Of 200 streams of 10,000 independent rows none alarmed; with a ``confidence`` of .002, as
    river has it, 4 did.

    Parameters
    ----------
    confidence
        How likely a cut is called a change by chance; far less often in truth.
    """

    confidence: float = 1e-4
    name: str = "adwin"

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return out_of_range(f"{self.name}: confidence", self.confidence, above=0.0, most=0.5)

    def reads(self, stream: ErrorStream) -> Floats:
        """Return (n,) the excess."""
        return stream.excess

    def first(self, values: Floats) -> int | None:
        """Return the first row at which a change is certain enough; None if there is none."""
        from river.drift import ADWIN

        return _first(ADWIN(delta=self.confidence), values)


@dataclass(frozen=True)
class PageHinkley:
    """Page–Hinkley (Page 1954): the excess summed up since it was lowest, less what is tolerated, passes a threshold.

    Sees what gets worse. Of 200 streams of 10,000 independent rows none alarmed.

    Parameters
    ----------
    tolerated
        A rise of the mean that never alarms, in standard deviations of a row.
    threshold
        Where the sum alarms, in standard deviations of a row.
    """

    tolerated: float = 0.1
    threshold: float = 100.0
    name: str = "page_hinkley"

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range(f"{self.name}: tolerated", self.tolerated, least=0.0),
            *out_of_range(f"{self.name}: threshold", self.threshold, above=0.0),
        ]

    def reads(self, stream: ErrorStream) -> Floats:
        """Return (n,) the excess."""
        return stream.excess

    def first(self, values: Floats) -> int | None:
        """Return the first row at which a change is certain enough; None if there is none."""
        from river.drift import PageHinkley as River

        ours = River(min_instances=LEAST_ROWS, delta=self.tolerated, threshold=self.threshold, alpha=1.0, mode="up")
        return _first(ours, values)


@dataclass(frozen=True)
class Ddm:
    """The drift detection method (Gama et al. 2004): the share of wrong classes rises beyond its lowest by so much.

    Reads classes, not probabilities: of rare labels it sees little, and rows that are harder alarm as well. Of 200
    streams of 10,000 independent rows 7 alarmed; with a ``threshold`` of 3, as river has it, 21 did.

    Parameters
    ----------
    threshold
        Standard deviations of the share at its lowest.
    warm_start
        Rows before it says anything: the lowest share of few rows is low by chance.
    """

    threshold: float = 3.5
    warm_start: int = 500
    name: str = "ddm"

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range(f"{self.name}: threshold", self.threshold, above=0.0),
            *out_of_range(f"{self.name}: warm_start", self.warm_start, whole=True, least=1),
        ]

    def reads(self, stream: ErrorStream) -> Floats:
        """Return (n,) 1 where the likelier class was wrong."""
        return stream.wrong.astype(np.float64)

    def first(self, values: Floats) -> int | None:
        """Return the first row at which a change is certain enough; None if there is none."""
        from river.drift.binary import DDM

        return _first(DDM(warm_start=self.warm_start, drift_threshold=self.threshold), values)


DETECTORS: Final[tuple[Detector, ...]] = (Adwin(), PageHinkley(), Ddm())
"""Those that are asked if none are named."""


def _first(detector: _River, values: Floats) -> int | None:
    for row, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            return row
    return None
