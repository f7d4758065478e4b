"""What a threshold makes of scores: the confusion table, with precision, recall and F1 of both classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlsys_assets.measures.decision_metrics import CLASSES, F1, Precision, Recall
from mlsys_assets.measures.intervals import Estimate, Support, estimate
from mlsys_assets.measures.metrics import Floats, Metric, PrAuc, Weights
from mlsys_assets.measures.prevalence import PrAucGain, Prevalence


@dataclass(frozen=True)
class ConfusionTable:
    """Rows by what was said and what was so, where a row is said to be positive from a threshold on.

    Parameters
    ----------
    threshold
        The score from which on a row is said to be positive.
    true_positive, false_positive, false_negative, true_negative
        Rows.
    by_class
        For class 0 and class 1, ``precision``, ``recall`` and ``f1`` with their intervals.
    """

    threshold: float
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    by_class: Mapping[int, Mapping[str, Estimate]]

    @property
    def rows(self) -> int:
        """All of them."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def support(self) -> Mapping[int, int]:
        """The rows of each class."""
        return {0: self.false_positive + self.true_negative, 1: self.true_positive + self.false_negative}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        counts = ("true_positive", "false_positive", "false_negative", "true_negative")
        classes = {str(c): {n: e.as_dict() for n, e in found.items()} for c, found in self.by_class.items()}
        return {"threshold": self.threshold, **{n: getattr(self, n) for n in counts}, "by_class": classes}


def confusion_table(
    label: Floats, score: Floats, *, threshold: float, weights: Weights, support: Support | None = None
) -> ConfusionTable:
    """Return the confusion table at a threshold.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    score
        (n,) probabilities.
    threshold
        The score from which on a row is said to be positive.
    weights
        The draws of the intervals, as ``bootstrap`` gives them for the same rows.
    support
        What must be there before an interval is believed.

    Raises ValueError if label, score and weights differ in length.
    """
    lengths = {len(label), len(score), len(weights.block)}
    if len(lengths) != 1:
        raise ValueError(f"label, score and weights have {sorted(lengths)} rows; they must have equally many")
    said, positive = score >= threshold, label > 0
    asked: dict[int, dict[str, Metric]] = {
        c: {"precision": Precision(threshold, c), "recall": Recall(threshold, c), "f1": F1(threshold, c)}
        for c in CLASSES
    }
    found = {
        c: {word: estimate(metric, label, score, weights=weights, support=support) for word, metric in metrics.items()}
        for c, metrics in asked.items()
    }
    return ConfusionTable(
        threshold,
        int((said & positive).sum()),
        int((said & ~positive).sum()),
        int((~said & positive).sum()),
        int((~said & ~positive).sum()),
        found,
    )


@dataclass(frozen=True)
class PrecisionRecall:
    """The area under the precision–recall curve beside the line that scores at random follow.

    ``gain`` is the area above the line, of the same draws: only where its whole interval is above 0
    do the scores tell more than chance.
    """

    pr_auc: Estimate
    prevalence: Estimate
    gain: Estimate


def precision_recall(
    label: Floats, score: Floats, *, weights: Weights, support: Support | None = None
) -> PrecisionRecall:
    """Return average precision, prevalence and what lies between; parameters as of ``confusion_table``."""
    asked: tuple[Metric, ...] = (PrAuc(), Prevalence(), PrAucGain())
    return PrecisionRecall(*(estimate(m, label, score, weights=weights, support=support) for m in asked))
