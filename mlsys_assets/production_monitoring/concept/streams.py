"""What labelled predictions got wrong, in the order in which that became known.

A row's excess is its log loss minus what its own calibrated score foretells. Rows that are harder than others, of which
a storm brings more, foretell a higher loss and are no change.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import require_rows
from mlsys_assets.measures.metrics import SMALLEST, Floats, log_losses

EVEN: Final = 0.5
"""From here on the label 1 is the likelier."""


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
