"""Unseen categories: values that a model has not met in training, which it takes for missing."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.blend import BlendPredictor
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.types import Finding, Severity

KNOWN_CATEGORIES = "categories_were_trained_on"
MOST = 0.05
"""The share of a tick's rows that may have an unseen value in a column."""


def unseen(rows: pa.Table, predictor: Predictor) -> Counter[str]:
    """Return by column how many rows have a category that the predictor was not trained on; none where it has none.

    Of a model that holds others it is what the one of them that knows least of a column was not trained on.
    """
    if isinstance(predictor, CalibratedPredictor):
        return unseen(rows, predictor.within)
    if isinstance(predictor, BlendPredictor):
        return _most([unseen(rows, part) for _, part in predictor.parts])
    fitted = getattr(predictor, "preprocessing", None)
    if not isinstance(fitted, Preprocessing):
        return Counter()
    return fitted.unseen(rows)


def _most(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Return each column's highest count; a column that only some count is one of them."""
    highest: Counter[str] = Counter()
    for one in counts:
        highest.update({name: max(n - highest[name], 0) for name, n in one.items()})
    return highest


def known_categories(counts: Iterable[Counter[str]], *, rows: int) -> Finding:
    """Return whether at most a few of so many rows have categories that their model was not trained on."""
    total = sum(counts, Counter[str]())
    if not rows:
        told = "nothing was served, so that no category was looked at"
        return Finding(KNOWN_CATEGORIES, True, told, Severity.WARN, {"rows": 0, "unseen": 0})
    if not total:
        told = f"no category of {rows:,} requests was new to the model"
        return Finding(KNOWN_CATEGORIES, True, told, Severity.WARN, {"rows": rows, "unseen": 0})
    column, most = total.most_common(1)[0]
    told = ", ".join(f"{name} in {n:,}" for name, n in total.most_common() if n)
    return Finding(
        KNOWN_CATEGORIES,
        most <= MOST * rows,
        f"categories that the model was not trained on, and takes for missing: {told} of {rows:,} requests"
        + ("" if most <= MOST * rows else "; see what is new, and train, so that the model knows it"),
        Severity.WARN,
        {"rows": rows, "unseen": most, "column": column, "share": most / rows},
    )
