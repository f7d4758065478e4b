"""Which columns an Evidently report can take, and in which form: the others are named, with the reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.charts import printable
from mlsys_assets.features.named_columns import is_category, is_number

MOST_CATEGORIES: Final = 20
"""Categories of a text column that are told apart; all others are one, as in a training profile."""
LEAST_COVERED: Final = 0.5
"""The share of the reference's values that those categories must hold: else the column is an identifier, and is left
out."""
LEAST_OF_A_CATEGORY: Final = 10
"""Rows of the reference that a category must have to be named: what stands once may be somebody's."""
MOST_DISTINCT: Final = 0.9
"""Whole numbers of which a larger share is distinct are identifiers, and are left out."""
OTHER: Final = "(all others)"
"""What stands for the categories that are not told apart."""
SAFE: Final = str.maketrans({"<": "‹", ">": "›"})
"""An Evidently page holds names and categories within a script, as they are: none may end it."""


@dataclass(frozen=True)
class Screened:
    """The columns of two tables that a report can take.

    Parameters
    ----------
    reference, current
        (n, d) and (m, d) of the same columns: float64, or text of few categories.
    left_out
        Why, by column.
    """

    reference: pa.Table
    current: pa.Table
    left_out: dict[str, str]


def screened(reference: pa.Table, current: pa.Table) -> Screened:
    """Return what of (n, ≥ d) and (m, ≥ d) rows a report can take; it raises for no data whatever.

    Left out is what only one of them has, what has changed its type, what is empty throughout on a side, what is
    neither number nor text, and identifiers. Booleans become text, and infinities are missing.
    """
    there = Counter(reference.column_names), Counter(current.column_names)
    left_out, kept = dict[str, str](), dict[str, tuple[pa.Array, pa.Array]]()
    for name in dict.fromkeys([*reference.column_names, *current.column_names]):
        counts = [found[name] for found in there]
        if max(counts) > 1:
            left_out[name] = f"it stands {max(counts)} times"
        elif not min(counts):
            left_out[name] = "only the reference has it" if counts[0] else "the reference does not have it"
        else:
            found = _column(_flat(reference[name]), _flat(current[name]))
            if isinstance(found, str):
                left_out[name] = found
            else:
                kept[name] = found
    named = _named(kept)
    before, now = (pa.table({named[name]: pair[side] for name, pair in kept.items()}) for side in (0, 1))
    return Screened(before, now, left_out)


def safe(text: str) -> str:
    """Return a text that neither ends a script nor begins a tag.

    >>> safe("</script>")
    '‹/script›'
    """
    return printable(text).translate(SAFE)


def _column(before: pa.Array, now: pa.Array) -> tuple[pa.Array, pa.Array] | str:
    """Return both sides of a column as a report takes them, or why it does not."""
    kinds = [_kind(side) for side in (before, now)]
    empty = [what for what, side in (("reference", before), ("current", now)) if side.null_count == len(side)]
    if empty:
        return f"every value is missing in the {' and the '.join(empty)} rows"
    if "" in kinds:
        return f"it holds {before.type if not kinds[0] else now.type}, neither numbers nor text"
    if kinds[0] != kinds[1]:
        return f"it holds {before.type} in the reference and {now.type} now"
    return _numbers(before, now) if kinds[0] == "number" else _texts(before, now)


def _kind(column: pa.Array) -> str:
    if pa.types.is_boolean(column.type) or is_category(column.type):
        return "text"
    return "number" if is_number(column.type) or pa.types.is_decimal(column.type) else ""


def _numbers(before: pa.Array, now: pa.Array) -> tuple[pa.Array, pa.Array] | str:
    if pa.types.is_integer(before.type):
        known = before.drop_null()
        distinct = len(known.unique()) / len(known)
        if distinct > MOST_DISTINCT:
            return f"{distinct:.0%} of its whole numbers are distinct: an identifier"
    sides = [side.cast(pa.float64()).to_numpy(zero_copy_only=False) for side in (before, now)]
    if not all(np.isfinite(side).any() for side in sides):
        return "a side has no finite number"
    first, second = (pa.array(np.where(np.isfinite(side), side, np.nan), from_pandas=True) for side in sides)
    return first, second


def _texts(before: pa.Array, now: pa.Array) -> tuple[pa.Array, pa.Array] | str:
    """Name the frequent categories of before; all others are one."""
    counts = sorted(
        ((one["counts"], one["values"]) for one in before.drop_null().value_counts().to_pylist()),
        key=lambda one: (-one[0], one[1]),
    )
    kept = [(count, value) for count, value in counts[:MOST_CATEGORIES] if count >= LEAST_OF_A_CATEGORY]
    covered = sum(count for count, _ in kept) / (len(before) - before.null_count)
    if covered < LEAST_COVERED:
        return (
            f"{len(counts):,} categories, of which the {MOST_CATEGORIES} most frequent hold {covered:.0%} of the rows: "
            "an identifier"
        )
    words = pa.array([value for _, value in kept], pa.string())
    names = pa.array([*_distinct(value for _, value in kept), OTHER], pa.string())
    first, second = (_renamed(side, words, names) for side in (before, now))
    return first, second


def _renamed(column: pa.Array, words: pa.Array, names: pa.Array) -> pa.Array:
    found = pc.fill_null(pc.index_in(column, value_set=words), len(words))
    return names.take(pc.if_else(pc.is_valid(column), found, None))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece: dictionaries as their text, booleans as words, every text of one type."""
    kind = column.type
    if pa.types.is_boolean(kind) or is_category(kind):
        column = column.cast(pa.string())
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.chunked_array(whole).combine_chunks()


def _named(columns: Iterable[str]) -> dict[str, str]:
    columns = list(columns)
    return dict(zip(columns, _distinct(columns), strict=True))


def _distinct(texts: Iterable[str]) -> list[str]:
    """Return texts made safe, none of them twice."""
    found: dict[str, None] = {}
    for text in texts:
        name = safe(text)
        while name in found or name == OTHER:
            name += "·"
        found[name] = None
    return list(found)
