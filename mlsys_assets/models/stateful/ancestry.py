"""What a checkpoint has learned from, by the ledger: its training, and those of all that it was gone on from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.ledger import CANDIDATE, TRAINING_SET
from mlsys_assets.models.stateful.start import learned_by
from mlsys_assets.tables import LABELS


class Reading(Protocol):
    """How a system's labels are read."""

    @property
    def corrections(self) -> bool:
        """Whether a label that became known later replaces the one before."""
        ...

    def then(self, rows: LabelledRows, lake: Any, as_of: datetime, version: int) -> LabelledRows:
        """Return rows with their labels as they stood at an earlier time, by a version of the labels' table."""
        ...


@dataclass(frozen=True)
class Ancestry:
    """Tells of a system's fits, and which rows they have learned from.

    Parameters
    ----------
    operations, lake
        Its stores: the ledger, and the tables.
    system
        Its name.
    reading
        How its labels are read.
    split
        How its rows are split.
    """

    operations: Any
    lake: Any
    system: str
    reading: Reading
    split: TimeSplit

    def fit(self, name: str, as_of: datetime) -> Any:
        """Return the record of a candidate that was fitted as of a time; None where there is none."""
        found = self.operations.decisions(self.system, CANDIDATE, since=as_of, until=as_of)
        return next((d for d in found if d.name == name and "source" in d.context), None)

    def learned(self, name: str, as_of: datetime, rows: LabelledRows) -> NDArray[np.bool_]:
        """Return (n,) which rows the fit of a candidate as of a time, and all that it came from, learned from.

        Each training had learned from what its own version of the labels told: what was told or corrected since is not
        among it, whenever it is said to have become known.
        """
        seen = np.zeros(len(rows), dtype=bool)
        for at in self._came_from(name, as_of):
            seen |= learned_by(self.split, self._then(rows, at), at)
        return seen

    def before(self, name: str, as_of: datetime, rows: LabelledRows) -> NDArray[np.bool_]:
        """Return (n,) what that had learned from which the fit as of a time was gone on; none, if from nothing."""
        began = _began(self.fit(name, as_of))
        return np.zeros(len(rows), dtype=bool) if began is None else self.learned(name, began, rows)

    def _came_from(self, name: str, as_of: datetime) -> Iterator[datetime]:
        """Yield the trainings that a checkpoint came of, the last one first, back to one from scratch.

        Where no label is ever corrected, the rows of the last one hold those of all before.
        """
        at: datetime | None = as_of
        while at is not None:
            yield at
            at = _began(self.fit(name, at)) if self.reading.corrections else None

    def _then(self, rows: LabelledRows, as_of: datetime) -> LabelledRows:
        """Return rows with their labels as the training as of a time knew them."""
        told = self.operations.decisions(self.system, TRAINING_SET, since=as_of, until=as_of)
        if not told:
            raise LookupError(f"no training set of {self.system} as of {as_of:%Y-%m-%d %H:%M} is on record")
        return self.reading.then(rows, self.lake, as_of, told[0].context["versions"][LABELS])


def _began(fit: Any) -> datetime | None:
    """Return as of when that was fitted which a fit was gone on from; None from scratch."""
    told = None if fit is None else fit.evidence.get("start", {}).get("as of")
    return None if told is None else datetime.fromisoformat(told)
