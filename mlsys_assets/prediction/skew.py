"""Train-serving skew: what was served online against what the lake says should have been."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.types import Finding, Severity

SKEW = "served_as_known"
TOLERANCE = 1e-6
"""The relative difference below which two numbers are the same: some ten times the step of 32 bits."""
NAMED = 3
"""How many features a summary names."""


@dataclass(frozen=True)
class Difference:
    """A feature that was served otherwise than it was known.

    ``rows``: how many requests, ``share``: of all. ``mean`` and ``largest`` absolute difference where both are numbers;
    None where none are. ``example``: a request, what it was served, what was known.
    """

    feature: str
    rows: int
    share: float
    mean: float | None
    largest: float | None
    example: tuple[str, object, object]


def differences(served: pa.Table, known: pa.Table, *, key: str) -> list[Difference]:
    """Return the features that differ for some request, the most frequent first.

    Parameters
    ----------
    served, known
        (n, 2 + d) with ``key``, a time, and the features; the same requests in any order.

    Raises ValueError unless both have the same requests, each once.
    """
    place = pc.index_in(served[key], value_set=known[key].combine_chunks())
    if served.num_rows != known.num_rows or place.null_count or pc.count_distinct(place).as_py() != served.num_rows:
        raise ValueError(
            f"{served.num_rows} requests were served and {known.num_rows} are known, and {place.null_count} of those "
            "served are not among them; bring the tick in again, so that both are of the same requests"
        )
    return sorted(_differences(served, known.take(place), key), key=lambda d: (-d.rows, d.feature))


def skew(found: Sequence[Difference], *, rows: int) -> Finding:
    """Return whether all that was served is as it was known, of so many requests."""
    if not rows:
        return Finding(
            SKEW, True, "nothing was served, so that nothing is compared", evidence={"rows": 0, "features": 0}
        )
    if not found:
        told = f"every feature of {rows:,} requests was served as it was known"
        return Finding(SKEW, True, told, evidence={"rows": rows, "features": 0})
    worst = "; ".join(map(_told, found[:NAMED]))
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return Finding(
        SKEW,
        False,
        f"{len(found)} feature{'s were' if len(found) > 1 else ' was'} served otherwise than known: {worst}{more}. "
        "Look at what updates the online state of the sources, and rebuild it: mlsys online --rebuild",
        Severity.ERROR,
        {"rows": rows, "features": len(found), "worst": found[0].feature, "share": found[0].share},
    )


def _differences(served: pa.Table, known: pa.Table, key: str) -> Iterator[Difference]:
    for name in known.column_names[2:]:
        mine, theirs = served[name].combine_chunks(), known[name].combine_chunks()
        if mine.equals(theirs):
            continue
        unlike, size = _unlike(mine, theirs)
        rows = np.flatnonzero(unlike)
        if not len(rows):
            continue
        sizes = size[rows][~np.isnan(size[rows])]
        mean, largest = (float(sizes.mean()), float(sizes.max())) if len(sizes) else (None, None)
        example = (served[key][int(rows[0])].as_py(), mine[int(rows[0])].as_py(), theirs[int(rows[0])].as_py())
        yield Difference(name, len(rows), len(rows) / len(unlike), mean, largest, example)


def _unlike(mine: pa.Array, theirs: pa.Array) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return (n,) which values differ, and by how much; NaN where one is missing, or text."""
    one_missing = np.asarray(mine.is_null(nan_is_null=True)) != np.asarray(theirs.is_null(nan_is_null=True))
    if pa.types.is_string(mine.type):
        return one_missing | np.asarray(pc.fill_null(pc.not_equal(mine, theirs), False)), np.full(len(mine), np.nan)
    a, b = (x.to_numpy(zero_copy_only=False).astype(np.float64) for x in (mine, theirs))
    with np.errstate(invalid="ignore"):
        size = np.where(a == b, 0.0, np.abs(a - b))  # no number is as near to an infinite one as that one itself
        largest = np.maximum(*(np.where(np.isinf(x), 0.0, np.abs(x)) for x in (a, b)))
        return one_missing | (size > TOLERANCE * largest), size


def _told(one: Difference) -> str:
    by = "" if one.largest is None else f" by {one.mean:.4g} on average, at most {one.largest:.4g}"
    request, mine, theirs = one.example
    return f"{one.feature} in {one.share:.1%} of requests{by} (of {request}: {_shown(mine)} for {_shown(theirs)})"


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "nothing" if value is None else str(value)
