"""What acting on a prediction costs, and from which probability on it pays (Elkan 2001)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.types import DeclarationError

OUTCOMES: Final = ("false_positive", "false_negative", "true_positive", "true_negative")
LARGEST_COST = 1e12
"""What one request may cost or earn at most; far beyond it, differences of costs are no numbers any more."""
LONGEST_UNIT = 20
"""Characters of a unit."""


@dataclass(frozen=True)
class CostMatrix:
    """What each outcome of a request costs; what earns is negative.

    Parameters
    ----------
    false_positive
        Acted, though the label is 0.
    false_negative
        Not acted, though the label is 1.
    true_positive
        Acted, and the label is 1.
    true_negative
        Not acted, and the label is 0.
    unit
        What it is counted in.
    """

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0
    unit: str = "USD"

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = [
            mistake
            for name in OUTCOMES
            for mistake in out_of_range(f"costs: {name}", getattr(self, name), least=-LARGEST_COST, most=LARGEST_COST)
        ]
        if not found and self.true_positive >= self.false_negative:
            found.append(
                f"costs: acting on a label of 1 costs {self.true_positive} (true_positive), not acting "
                f"{self.false_negative} (false_negative); acting must cost less, else it never pays"
            )
        if not found and self.true_negative >= self.false_positive:
            found.append(
                f"costs: not acting on a label of 0 costs {self.true_negative} (true_negative), acting "
                f"{self.false_positive} (false_positive); not acting must cost less, else acting always pays"
            )
        if not isinstance(self.unit, str) or not self.unit.strip() or len(self.unit) > LONGEST_UNIT:
            found.append(f"costs: unit is {self.unit!r}; it must be text of 1 to {LONGEST_UNIT} characters, as 'USD'")
        return found

    @property
    def threshold(self) -> float:
        """The probability from which on acting costs no more than not acting; raises DeclarationError for mistakes.

        >>> CostMatrix(false_positive=10, false_negative=40).threshold
        0.2
        """
        if mistakes := self.mistakes():
            raise DeclarationError("the cost matrix", mistakes)
        needless, missed = self.false_positive - self.true_negative, self.false_negative - self.true_positive
        return float(needless / (needless + missed))

    def per_row(self, label: Floats, score: Floats) -> Floats:
        """Return (n,) what each request cost, where one acts from the threshold on.

        Parameters
        ----------
        label
            (n,) 0 or 1.
        score
            (n,) probabilities.
        """
        acted = score >= self.threshold
        costs: Floats = np.where(
            label > 0,
            np.where(acted, self.true_positive, self.false_negative),
            np.where(acted, self.false_positive, self.true_negative),
        ).astype(np.float64)
        return costs

    def realised(self, label: Floats, score: Floats) -> float:
        """Return the mean cost of a request, where one acts from the threshold on; NaN without requests.

        Outcomes are counted, so that the order of the rows changes no bit. Parameters as of ``per_row``.
        """
        return self.total(label, score) / len(label) if len(label) else float(np.nan)

    def total(self, label: Floats, score: Floats) -> float:
        """Return the cost of all requests together, where one acts from the threshold on."""
        acted, positive = score >= self.threshold, label > 0
        outcomes = (acted & ~positive, ~acted & positive, acted & positive, ~acted & ~positive)
        return float(sum(int(rows.sum()) * getattr(self, name) for name, rows in zip(OUTCOMES, outcomes, strict=True)))

    def expected(self, score: Floats) -> float:
        """Return the mean cost of a request that the scores alone foretell; NaN without requests.

        As right as the (n,) probabilities are calibrated. Where it differs from what is realised, they are not.
        """
        p, threshold = np.sort(score), self.threshold  # sums of floats depend on their order
        act = p * self.true_positive + (1 - p) * self.false_positive
        leave = p * self.false_negative + (1 - p) * self.true_negative
        return float(np.where(p >= threshold, act, leave).mean()) if len(p) else float(np.nan)
