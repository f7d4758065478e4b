"""What a precision–recall curve is held against: the share of positives, which rows at random have at every recall."""

from dataclasses import dataclass

from mlsys_assets.measures.metrics import Floats, PrAuc, Weights, each_against_rest


@dataclass(frozen=True)
class Prevalence:
    """The share of positives: the precision of acting on rows at random, at every recall."""

    name: str = "prevalence"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) shares; NaN in a draw without rows."""
        return weights.means(label)


@dataclass(frozen=True)
class PrAucGain:
    """Average precision above the prevalence of the same rows, which scores at random have: 0 is no skill."""

    name: str = "pr_auc_gain"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) gains; NaN in a draw without positives."""
        return each_against_rest(_gains, label, score, weights)


def _gains(label: Floats, score: Floats, weights: Weights) -> Floats:
    return PrAuc().draws(label, score, weights) - weights.means((label > 0).astype(float))
