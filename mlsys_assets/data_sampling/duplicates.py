"""Duplicates before and after the split: a copy in two parts is a test question with its answer in training."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.types import Finding, Severity


def duplicate_keys(ids: pa.Array | pa.ChunkedArray) -> Finding:
    """Return whether each entity stands once; a repeated key is an error of the source."""
    repeats = len(ids) - pc.count_distinct(ids, mode="all").as_py()
    return Finding(
        "no_entity_stands_twice",
        repeats == 0,
        f"{repeats} of {len(ids)} rows repeat a key" + ("; drop or merge them before the split" if repeats else ""),
        evidence={"rows": len(ids), "repeats": repeats},
    )


def duplicate_content(features: pa.Table, label: NDArray[np.float64], *, allowed: float = 0.0) -> Finding:
    """Return whether rows repeat another row's features exactly, and how often their labels disagree.

    Parameters
    ----------
    features
        (n, d) features, without keys and times.
    label
        (n,) labels; NaN where there is none.
    allowed
        The share of rows that may repeat: where features are few and coarse, repeats are legitimate.
    """
    groups, sizes = _groups(row_hashes(features))
    repeats = len(features) - len(sizes)
    known = ~np.isnan(label)
    positive = np.bincount(groups[known], weights=label[known], minlength=len(sizes))
    labelled = np.bincount(groups[known], minlength=len(sizes))
    conflicting = int(((positive > 0) & (positive < labelled)).sum())
    share = repeats / max(len(features), 1)
    return Finding(
        "few_rows_repeat_another",
        share <= allowed,
        f"{repeats} of {len(features)} rows ({share:.3%}) repeat another row's features, "
        f"{conflicting} groups of them with labels that disagree; allowed {allowed:.3%}",
        Severity.WARN,
        {"rows": len(features), "repeats": repeats, "groups": int((sizes > 1).sum()), "conflicting": conflicting},
    )


def keys_across(parts: Mapping[str, pa.Array]) -> Finding:
    """Return whether an entity stands in one part only; ``parts`` maps a part's name to its keys."""
    shared = {
        f"{first} & {second}": pc.sum(pc.is_in(later, value_set=earlier)).as_py() or 0
        for (first, earlier), (second, later) in combinations(parts.items(), 2)
    }
    twice = any(shared.values())
    listed = ", ".join(f"{pair} {count}" for pair, count in shared.items() if count) or "none"
    advice = "; keep each in one part only, or the test is no test" if twice else ""
    summary = f"entities in two parts: {listed}{advice}"
    return Finding("no_entity_in_two_parts", not twice, summary, evidence=dict(shared))


def _groups(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    _, groups, sizes = np.unique(hashes, return_inverse=True, return_counts=True)
    return groups, sizes
