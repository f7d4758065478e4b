"""Which columns of which rows a report on a tick's data is made from: those that moved most, with scores and labels."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.tables import LABEL, SCORE

MOST_COLUMNS: Final = 30
"""Columns of a report: of 87 it takes three times as long, and shows no more that moved."""


def moved_most(drift: pa.Table, names: Sequence[str], *, most: int) -> list[str]:
    """Return at most so many of the columns, those first that moved most; the first ones where nobody measured.

    Parameters
    ----------
    drift
        (n, ≥ 2) ``column`` and ``psi``, null where it cannot be told.
    names
        The features, in order.
    """
    told = zip(drift["column"].to_pylist(), drift["psi"].to_pylist(), strict=True)
    psi = {name: value for name, value in told if value is not None and name in names}
    return sorted(names, key=lambda name: -psi.get(name, -1.0))[:most]


def side(rows: ScoredRows | None, features: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return one side of a report: columns with scores and labels; without those, where nothing was predicted.

    Parameters
    ----------
    rows
        Those of them that a champion scored, if any.
    features
        All of them.
    columns
        Which features.
    """
    own = [name for name in columns if name not in {SCORE, LABEL}]
    if rows is None or not len(rows):
        return features.select(own)
    found = rows.features.select(own).append_column(SCORE, pa.array(rows.score))
    return found.append_column(LABEL, pa.array(rows.label, from_pandas=True))
