"""Fitting row-level transforms: what they learn, they learn from Train."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import ColumnError, is_category, is_number, read_numbers
from mlsys_assets.features.preprocessing.transform import LIMIT, Beyond, Category, Number, Preprocessing, meet_limit

LEAST_COUNT: Final = 50
"""A category seen less often than this in training shares one output with the other rare ones."""


def fit_codes(train: Train, *, limit: float = LIMIT, beyond: Beyond = "reject") -> Preprocessing:
    """Fit what a tree model takes: numbers as they are, categories as codes of a map frozen here."""
    require_train(train, what="preprocessing")
    numbers, categories = _by_type(train.features)
    return Preprocessing(
        numbers=tuple(Number(name) for name in numbers),
        categories=tuple(Category(name, tuple(_counts(train.features[name]))) for name in categories),
        limit=limit,
        beyond=beyond,
    )


def fit_standardized(
    train: Train, *, least_count: int = LEAST_COUNT, limit: float = LIMIT, beyond: Beyond = "reject"
) -> Preprocessing:
    """Fit what a linear model takes: medians for what is missing, with a mark; unit variance; one output a category."""
    require_train(train, what="preprocessing")
    numbers, categories = _by_type(train.features)
    raw = read_numbers(train.features, numbers)
    meet_limit(raw, numbers, limit=limit, rule=beyond)
    return Preprocessing(
        numbers=tuple(_standardized(name, values) for name, values in zip(numbers, raw, strict=True)),
        categories=tuple(_one_hot(name, _counts(train.features[name]), least_count) for name in categories),
        limit=limit,
        beyond=beyond,
    )


def _standardized(name: str, values: NDArray[np.float32]) -> Number:
    absent = np.isnan(values)
    there = values[~absent].astype(np.float64)
    fill = float(np.median(there)) if len(there) else 0.0
    filled = np.where(absent, np.float64(fill), values)
    if len(filled) == 0:
        return Number(name, fill)
    scale = float(filled.std()) if np.ptp(filled) > 0 else 1.0
    return Number(name, fill, float(filled.mean()), scale, bool(absent.any()))


def _one_hot(name: str, counts: Mapping[str, int], least: int) -> Category:
    kept = tuple(value for value, count in counts.items() if count >= least)
    return Category(name, kept, one_hot=True, other=len(kept) < len(counts))


def _by_type(features: pa.Table) -> tuple[list[str], list[str]]:
    """Return the columns that are numbers and those that are categories; raises ColumnError for any other."""
    types = {field.name: field.type for field in features.schema}
    other = {n: str(t) for n, t in types.items() if not (is_number(t) or is_category(t))}
    if other:
        raise ColumnError(f"features must be numbers or text, got {other}; convert them where they are made")
    return [n for n, t in types.items() if is_number(t)], [n for n, t in types.items() if is_category(t)]


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each value stands in the column, in order of the values."""
    counts = pc.value_counts(column.drop_null().cast(pa.string())).to_pylist()
    return {c["values"]: c["counts"] for c in sorted(counts, key=lambda c: str(c["values"]))}
