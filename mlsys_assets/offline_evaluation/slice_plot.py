"""The picture of a metric by slice and model."""

from collections.abc import Iterable

from mlsys_assets.charts import forest
from mlsys_assets.offline_evaluation.evaluation import Evaluation


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
