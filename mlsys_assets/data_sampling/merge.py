"""Merging duplicates before the split, so that no copy can stand on both sides of it."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import mixed, row_hashes
from mlsys_assets.data_sampling.rows import LabelledRows

Disagreement = Literal["refuse", "first", "drop"]
"""What happens where copies have labels that disagree: nothing goes on, the first known stands, or none does."""


@dataclass(frozen=True, eq=False)
class Merged:
    """Rows of which each stands once.

    Parameters
    ----------
    rows
        What is left, in order of prediction time.
    dropped, instead
        (k,) the identifiers that went, and those of the rows that stand for them; null where none does.
    disagreeing
        How many groups of copies had labels that disagree.
    """

    rows: LabelledRows
    dropped: pa.Array
    instead: pa.Array
    disagreeing: int

    def __str__(self) -> str:
        return (
            f"{len(self.dropped)} of {len(self.dropped) + len(self.rows)} rows were copies and went; labels of "
            f"{self.disagreeing} groups disagree"
        )


def merge_duplicates(rows: LabelledRows, *, same_time: bool = True, disagreement: Disagreement = "refuse") -> Merged:
    """Return the rows without copies: of each group the row whose label was known first stands for all.

    Parameters
    ----------
    rows
        Before any split.
    same_time
        Whether only rows predicted at one moment are copies of each other; equal features at another time may be
        coincidence, where features are few and coarse.
    disagreement
        What to do where labels of a group disagree: ``refuse``, keep the ``first`` known, or ``drop`` the group.

    Raises ValueError for labels that disagree, if they are refused.
    """
    if disagreement not in get_args(Disagreement):
        raise ValueError(f"labels that disagree are met by one of {get_args(Disagreement)}, got {disagreement!r}")
    content = row_hashes(rows.features)
    if same_time:
        content = mixed(content, rows.at.astype("datetime64[us]").view(np.uint64))
    _, group = np.unique(content, return_inverse=True)
    conflicting = _conflicting(rows, group)
    if conflicting.any() and disagreement == "refuse":
        at = int(np.flatnonzero(conflicting[group])[0])
        alike = rows.ids.filter(pa.array(group == group[at])).to_pylist()
        raise ValueError(
            f"the labels of {int(conflicting.sum())} groups of copies disagree, such as of {alike[:3]}; look at which "
            "is right, or merge with disagreement='first' or 'drop'"
        )
    stands = _first_known(rows, group)
    kept = np.zeros(len(rows), dtype=bool)
    kept[stands] = True
    gone = conflicting[group] if disagreement == "drop" else np.zeros(len(rows), dtype=bool)
    instead = pa.array(stands[group], mask=gone).filter(pa.array(~kept | gone))
    kept &= ~gone
    return Merged(_taken(rows, kept), rows.ids.filter(pa.array(~kept)), rows.ids.take(instead), int(conflicting.sum()))


def _conflicting(rows: LabelledRows, group: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return (g,) which groups have known labels that are not all the same."""
    number = int(group.max(initial=-1)) + 1
    known = ~np.isnan(rows.label) & (np.bincount(group, minlength=number) > 1)[group]
    least, most = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(least, group[known], rows.label[known])
    np.maximum.at(most, group[known], rows.label[known])
    return np.asarray(most > least)


def _first_known(rows: LabelledRows, group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return (g,) the position of each group's row whose label was known first; of several, the first row."""
    unknown = np.isnan(rows.label)  # what was known to have no label says less than a label
    order = np.lexsort((rows.known_at, unknown, group))  # NaT stands last
    first = np.diff(group[order], prepend=-1) != 0
    return np.asarray(order[first])


def _taken(rows: LabelledRows, kept: NDArray[np.bool_]) -> LabelledRows:
    if kept.all():
        return rows
    mask = pa.array(kept)
    return replace(
        rows,
        ids=rows.ids.filter(mask),
        at=rows.at[kept],
        features=rows.features.filter(mask),
        label=rows.label[kept],
        known_at=rows.known_at[kept],
        state=rows.state.filter(mask),
    )
