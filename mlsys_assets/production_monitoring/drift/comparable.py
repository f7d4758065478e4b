"""Columns of two tables that can be held against each other, and why the others cannot."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_category, is_number


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a window: (n,) UTC prediction times and (n, d) feature columns."""

    at: NDArray[np.datetime64]
    features: pa.Table


@dataclass(frozen=True, eq=False)
class Comparable:
    """Two tables with the same columns, of the same types.

    Parameters
    ----------
    before, now
        (m, d) and (n, d); numbers as float32, categories as text.
    left_out
        By name why a column is in neither.
    """

    before: pa.Table
    now: pa.Table
    left_out: dict[str, str]


def comparable(before: pa.Table, now: pa.Table) -> Comparable:
    """Return the columns that both tables have, in the order of the first, those that tell nothing left out."""
    names = list(dict.fromkeys([*before.schema.names, *now.schema.names]))
    left_out = {name: why for name in names if (why := _apart(before, now, name))}
    kept = [name for name in names if name not in left_out]
    kinds = {name: _kind(before, now, name) for name in kept}
    first, second = (pa.table({name: _cast(t[name], kinds[name]) for name in kept}) for t in (before, now))
    return Comparable(first, second, left_out)


def _apart(before: pa.Table, now: pa.Table, name: str) -> str:
    for table, when in ((before, "before"), (now, "now")):
        found = Counter(table.schema.names)[name]
        if found != 1:
            return f"is not there {when}" if not found else f"stands {found} times {when}"
    first, second = (table[name] for table in (before, now))
    known = [column.type for column in (first, second) if not pa.types.is_null(column.type)]
    if odd := [kind for kind in known if not is_number(kind) and not is_category(kind)]:
        return f"holds {odd[0]}, which is neither number nor text"
    if len({is_category(kind) for kind in known}) > 1:
        return f"held {first.type} before, and {second.type} now"
    if 0 < len(first) + len(second) == first.null_count + second.null_count:
        return "has no value, before or now"
    return ""


def _kind(before: pa.Table, now: pa.Table, name: str) -> pa.DataType:
    text = any(is_category(table[name].type) for table in (before, now))
    return pa.string() if text else pa.float32()


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type) and pa.types.is_floating(kind):
        column = column.cast(pa.int8())
    return pc.cast(column, kind, safe=False)
