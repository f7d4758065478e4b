"""The picture of a metric by slice and model."""

from collections.abc import Iterable

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.offline_evaluation.evaluation import Evaluation


def thumbnail_of_slices(found: Iterable[Evaluation], metric: str, *, split: str, model: str) -> str:
    """Return a model's metric by slice as Markdown that is seen at once, the highest first."""
    spans = {
        group: (e.value, e.low, e.high)
        for evaluation in found
        if (evaluation.model, evaluation.split) == (model, split)
        for group, estimates in evaluation.slices.items()
        for e in [estimates[metric]]
        if e.sufficient
    }
    ordered = dict(sorted(spans.items(), key=lambda item: -item[1][0]))
    return thumbnails.spans(ordered, title=f"{metric} of {model} by slice")


def slice_plot(found: Iterable[Evaluation], metric: str, *, split: str) -> str:
    """Draw a metric of each slice of a test, by model, with its interval; slices with too few rows are left out."""
    rows: dict[str, dict[str, tuple[float, float, float]]] = {}
    for evaluation in found:
        if evaluation.split == split:
            for group, estimates in sorted(evaluation.slices.items()):
                e = estimates[metric]
                if e.sufficient:
                    rows.setdefault(group, {})[evaluation.model] = (e.value, e.low, e.high)
    return forest(rows, title=f"{metric} on {split} by slice, with 95% intervals by day")
