"""Detectors that read a stream of errors row by row, and say from which row on it is another.

What they read is by default each row's excess: its log loss minus what its own calibrated score foretells. Rows that
are harder than others, of which a storm brings more, foretell a higher loss and are no change. Rows that went
wrong together, as a day's flights do in weather that no feature tells, are still one error counted many times: these
detectors take rows for independent, and what they find is when, not whether. Their false alarms are told beside each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import require_rows
from mlsys_assets.measures.metrics import SMALLEST, Floats, log_losses
from mlsys_assets.mistakes import out_of_range

EVEN: Final = 0.5
"""From here on the label 1 is the likelier."""
LEAST_ROWS: Final = 200
"""Of a shorter stream nothing is told: it has no before."""


@dataclass(frozen=True, eq=False)
class ErrorStream:
    """What labelled predictions got wrong, in the order in which that became known.

    Parameters
    ----------
    at
        (n,) when each label became known, not falling.
    excess
        (n,) log loss minus what the calibrated score foretells of it, in standard deviations foretold: of mean 0 and
        standard deviation 1 while nothing changes.
    wrong
        (n,) whether the likelier class, by the score, was the wrong one.
    """

    at: NDArray[np.datetime64]
    excess: Floats
    wrong: NDArray[np.bool_]

    @classmethod
    def of(
        cls, label: Floats, score: Floats, *, known_at: NDArray[np.datetime64], calibrated: Floats | None = None
    ) -> Self:
        """Return the stream of labelled predictions, in any order; what became known at once keeps its order.

        Parameters
        ----------
        label, score
            (n,) 0 or 1, and the champion's probabilities.
        known_at
            (n,) when each label became known.
        calibrated
            (n,) the probabilities that held in the reference; the scores themselves if None.

        Raises ValueError for other numbers of each, and for what are no probabilities.
        """
        held = score if calibrated is None else calibrated
        for what, one in (("the champion", score), ("the calibrated score", held)):
            require_rows(label, one, what=what)
        if len(known_at) != len(label):
            raise ValueError(f"{len(label)} labels became known at {len(known_at)} times; there must be one of each")
        excess, spread = excess_losses(label, score, held)
        order = np.argsort(known_at, kind="stable")
        scale = float(np.sqrt(np.mean(spread))) if len(spread) else 1.0
        return cls(known_at[order], (excess / (scale or 1.0))[order], ((score >= EVEN) != (label > 0))[order])

    def __len__(self) -> int:
        return len(self.at)


def excess_losses(label: Floats, score: Floats, calibrated: Floats) -> tuple[Floats, Floats]:
    """Return (n,) log losses of a score minus what calibrated probabilities foretell of them, and (n,) its variances.

    >>> excess, _ = excess_losses(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    >>> excess.tolist()
    [0.0, 0.0]
    """
    p = np.clip(score, SMALLEST, 1 - SMALLEST)
    step = np.log1p(-p) - np.log(p)  # what a label of 1 costs more than one of 0
    foretold: Floats = calibrated * step - np.log1p(-p)
    return log_losses(label, score) - foretold, calibrated * (1 - calibrated) * step**2


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


AGREE: Final = 2
"""So many detectors must see errors get worse before a change is dated by them."""


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


def _first(detector: _River, values: Floats) -> int | None:
    for row, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            return row
    return None
