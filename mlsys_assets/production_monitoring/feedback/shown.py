"""What a list showed: which item, when, at which place, with which chance, and what became of it."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.types import Calendar


@dataclass(frozen=True, eq=False)
class ShownLog:
    """Rows of what was shown, or acted on, in any order.

    Parameters
    ----------
    catalogue
        The name of every item that could have been shown.
    item
        (n,) the position of each row's item in the catalogue.
    at
        (n,) datetime64[us], UTC: when it was shown.
    position
        (n,) its place in the list, from 1; None if not logged.
    score
        (n,) what it was ranked by; None if not logged.
    propensity
        (n,) how likely it was to be shown then; None if not logged.
    outcome
        (n,) 0 or 1, NaN where it is not known; None if not logged.

    Raises ValueError for parts of different lengths, and for items that are not of the catalogue.
    """

    catalogue: tuple[str, ...]
    item: NDArray[np.intp]
    at: NDArray[np.datetime64]
    position: Floats | None = None
    score: Floats | None = None
    propensity: Floats | None = None
    outcome: Floats | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(part) for name, part in self._parts().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the parts of what was shown must be of one length, got {lengths}")
        if len(self.item) and not 0 <= self.item.min() <= self.item.max() < len(self.catalogue):
            raise ValueError(
                f"items reach from {self.item.min()} to {self.item.max()}; a catalogue of {len(self.catalogue)} has "
                "those from 0 on"
            )
        if np.isnat(self.at).any():
            raise ValueError(f"{int(np.isnat(self.at).sum())} rows do not say when they were shown; leave them out")

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: NDArray[np.bool_]) -> "ShownLog":
        """Return some of the rows, of the same catalogue."""
        return replace(self, **{name: part[rows] for name, part in self._parts().items()})

    def _parts(self) -> dict[str, Any]:
        held = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "catalogue"}
        return {name: part for name, part in held.items() if part is not None}


def window_starts(at: NDArray[np.datetime64], calendar: Calendar) -> NDArray[np.datetime64]:
    """Return (n,) the start of the calendar's tick that holds each of (n,) moments."""
    start, step = np.datetime64(calendar.start.replace(tzinfo=None), "us"), np.timedelta64(calendar.step)
    whole = (at.astype("datetime64[us]") - start) // step
    found: NDArray[np.datetime64] = start + whole * step
    return found
