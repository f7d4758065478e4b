"""The kinds of shift as they are told: from where on a change counts, what is known besides, and what came of it."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Remedy, Symptom
from mlsys_assets.production_monitoring.shift_kind.decomposition import Decomposition
from mlsys_assets.production_monitoring.shift_kind.recalibration import Line
from mlsys_assets.types import TimeWindow


@dataclass(frozen=True)
class KindLimits:
    """From where on a change counts.

    Parameters
    ----------
    chance
        How likely chance alone may give a change that is named, for labels and for features each.
    gain
        Log loss a request that undoing a change of P(Y|X) must regain.
    moved
        Standard deviations that a column's mean, or the score's log-odds, must move.
    cost
        Log loss a request that a movement must change: one that costs nothing, and spares nothing, is not named.
    """

    chance: float = 5e-4
    gain: float = 0.003
    moved: float = 0.3
    cost: float = 0.003

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *out_of_range("kinds of shift: chance", self.chance, above=0.0, most=0.5),
            *(
                mistake
                for name in ("gain", "moved", "cost")
                for mistake in out_of_range(f"kinds of shift: {name}", getattr(self, name), least=0)
            ),
        ]


@dataclass(frozen=True, eq=False)
class ShiftKind:
    """What kind of shift a window shows against a reference.

    Parameters
    ----------
    cause
        ``COVARIATE``, ``LABEL``, ``CONCEPT``, ``NOTHING`` or ``UNTOLD``.
    remedy
        What to do about it.
    symptoms
        One for each kind that holds; first that which accounts for more of the change of log loss.
    parts
        The change of log loss and what it comes of; None if it cannot be told.
    reference
        The line by which the champion's score was calibrated in the reference.
    learn_from
        The prediction times to learn from, where the remedy is to retrain.
    reason
        All of it in a sentence.
    """

    cause: Cause
    remedy: Remedy
    symptoms: tuple[Symptom, ...]
    parts: Decomposition | None
    reference: Line | None
    learn_from: TimeWindow | None
    reason: str


@dataclass(frozen=True)
class Known:
    """What others found out, and the kind of a shift follows from.

    Parameters
    ----------
    symptoms
        Of columns that moved: one of ``Cause.COVARIATE`` is taken at its word, that features moved beyond chance and
        beyond what is usual. Without one, days are held to be drawn at random, and a few stormy ones are chance.
    since
        When errors got worse; None if no detector says so.
    refit
        Log loss of a refitted model minus the champion's, on recent rows that neither saw; None if none was fitted.
    """

    symptoms: tuple[Symptom, ...] = ()
    since: np.datetime64 | None = None
    refit: Estimate | None = None
