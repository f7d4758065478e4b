"""Groups of rows that belong together: flights of one aircraft, visits of one patient."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.folds import FoldError
from mlsys_assets.data_sampling.views import View

BETWEEN = " | "
"""Stands between the values of several columns in a group's name."""
LISTED = 5
"""So many names are told in a message."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each row is of: (n,) codes, and the groups' names in rising order."""

    code: NDArray[np.intp]
    names: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The first names."""
        return ", ".join(self.names[:LISTED]) + (", …" if len(self.names) > LISTED else "")

    def counted(self, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return (groups,) how many of those rows each has."""
        return np.bincount(self.code[rows], minlength=len(self.names))

    def dealt(self, count: int, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return (groups,) one of ``count`` folds each, the largest first, each to the fold with the fewest rows.

        Only ``rows`` count; a group without any of them is in fold -1.
        """
        size = self.counted(rows)
        fold, filled = np.full(len(self.names), -1, dtype=np.intp), np.zeros(count, dtype=np.intp)
        for group in np.argsort(-size, kind="stable"):
            if size[group]:
                fold[group] = filled.argmin()
                filled[fold[group]] += size[group]
        return fold


def groups_of(view: View, by: tuple[str, ...], given: pa.Array | pa.ChunkedArray | None = None) -> Groups:
    """Return the groups that columns of features name together, or that are given as (n,) values.

    Raises FoldError for both or neither, for columns that are not there, other lengths, and rows without a group.
    """
    if (given is None) == (not by):
        got = "both" if by else "neither"
        raise FoldError(f"groups are named by columns in `by`, or handed in as `groups`; got {got}")
    missing = [name for name in by if name not in view.features.schema.names]
    if missing:
        raise FoldError(f"no features are named {missing}; there are {view.features.schema.names}")
    parts = {name: view.features[name] for name in by} if given is None else {"groups": given}
    coded = [_coded(name, values, rows=len(view)) for name, values in parts.items()]
    together = np.zeros(len(view), dtype=np.intp)
    for code, values in coded:
        together = np.unique(together * max(len(values), 1) + code, return_inverse=True)[1]
    _, first = np.unique(together, return_index=True)
    names = np.array([BETWEEN.join(values[code[row]] for code, values in coded) for row in first], dtype=object)
    order = np.argsort(names, kind="stable")
    return Groups(np.argsort(order)[together], tuple(names[order].tolist()))


def _coded(name: str, values: pa.Array | pa.ChunkedArray, *, rows: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return (n,) codes and what they stand for; raises FoldError for another length and for missing values."""
    if len(values) != rows:
        raise FoldError(f"{name!r} has {len(values)} values for {rows} rows; give one a row")
    if pa.types.is_dictionary(values.type):  # one may say a value twice, or none
        values = values.cast(values.type.value_type)
    floating = pa.types.is_floating(values.type)
    absent = int(pc.sum(pc.is_null(values, nan_is_null=floating)).as_py() or 0)
    if absent:
        raise FoldError(
            f"{absent} of {rows} rows have no {name!r}: they may be of any group; fill them in, or leave them out"
        )
    encoded = (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).dictionary_encode()
    code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.intp)
    return code, [str(value) for value in encoded.dictionary.to_pylist()]
