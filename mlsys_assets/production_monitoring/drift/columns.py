"""How far every column of a table is from what it was, from one sort of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.features.named_columns import require_once
from mlsys_assets.measures.count_distances import chi_square_p, jensen_shannon, total_variation
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.stability_index import psi
from mlsys_assets.production_monitoring.drift.number_distances import (
    gap_and_area,
    kolmogorov_smirnov_p,
    mean_difference,
    shape_distance,
)
from mlsys_assets.production_monitoring.drift.numbers import Numbers
from mlsys_assets.production_monitoring.drift.sides import Prepared, Side, alone, paired, prepared
from mlsys_assets.production_monitoring.drift.summary import Summary
from mlsys_assets.production_monitoring.drift.texts import Texts, in_common, new_share

NOTHING: Final = Summary(0, 0.0, np.nan)
"""Of a column that is not there, or is of no kind that can be looked at."""


@dataclass(frozen=True)
class Distances:
    """How far one column is from what it was; NaN for what it has not or cannot tell.

    Parameters
    ----------
    before, now
        What it looked like, and looks like.
    untold
        Why nothing, or not all, could be compared; empty otherwise.
    psi
        Population stability index: of numbers between the deciles before, of categories the 20 most frequent before
        and all others; missing ones are a bin.
    chi_square_p
        p-value of the counts of that index: rare bins are one (Cochran 1954).
    ks, ks_p
        Kolmogorov–Smirnov: the largest gap of the distribution functions, and its asymptotic p-value.
    wasserstein, wasserstein_normed
        The area between the distribution functions, in the column's unit, and in standard deviations before.
    jensen_shannon
        Of the values that are there, 0 to √ln 2: numbers in bins of equal width.
    total_variation
        The share of rows that would have to change their category.
    mean_shift
        Standardised mean difference.
    new_share
        The share of categories that were never seen before.
    """

    before: Summary = NOTHING
    now: Summary = NOTHING
    untold: str = ""
    psi: float = np.nan
    chi_square_p: float = np.nan
    ks: float = np.nan
    ks_p: float = np.nan
    wasserstein: float = np.nan
    wasserstein_normed: float = np.nan
    jensen_shannon: float = np.nan
    total_variation: float = np.nan
    mean_shift: float = np.nan
    new_share: float = np.nan

    @property
    def measures(self) -> dict[str, float]:
        """The numbers that could be told, by name."""
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("before", "now", "untold")}
        return {name: value for name, value in told.items() if np.isfinite(value)}


@dataclass(frozen=True, eq=False)
class Reference:
    """A table to hold others against, read once.

    >>> reference = Reference.of(pa.table({"delay": [1.0, 2.0, 3.0, 4.0]}))
    >>> reference.distances(pa.table({"delay": [2.0, 3.0, 4.0, 5.0]}))["delay"].wasserstein
    1.0
    """

    columns: Mapping[str, Prepared]
    types: Mapping[str, pa.DataType] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pa.Table, weights: Floats | None = None) -> "Reference":
        """Return a table's columns, sorted or counted.

        Parameters
        ----------
        table
            (n, d) columns: numbers or text; others are told of, not compared.
        weights
            (n,) what each row counts, such as importance weights, at least 0; None: 1 each.

        Raises ValueError for weights that are not one finite number of at least 0 a row.
        """
        _require_weights(table, weights)
        types = dict(zip(table.schema.names, table.schema.types, strict=True))
        return cls({name: prepared(table[name], weights) for name in types}, types)

    def distances(self, now: pa.Table, weights: Floats | None = None) -> dict[str, Distances]:
        """Return how far each column is from this table's: its columns first, then those that are new.

        A column that cannot be compared says why in ``untold``; the others are compared. Raises ValueError for weights
        as `of` does.
        """
        _require_weights(now, weights)
        found = {}
        for name, before in self.columns.items():
            if name not in now.schema.names:
                found[name] = Distances(_summary(alone(before)), untold="is gone: no such column now")
                continue
            found[name] = _distances(*paired(before, self.types[name], now[name], weights))
        for name in now.schema.names:
            if name not in self.columns:
                found[name] = Distances(untold="is new: no such column before")
        return found


def _distances(before: Side, now: Side) -> Distances:
    if isinstance(before, str) or isinstance(now, str):
        return Distances(_summary(before), _summary(now), untold=before if isinstance(before, str) else str(now))
    empty = [when for when, side in (("before", before), ("now", now)) if not side.size]
    untold = f"has no rows {' and '.join(empty)}" if empty else ""
    if isinstance(before, Numbers) and isinstance(now, Numbers):
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there is
            return _of_numbers(before, now, untold)
    if isinstance(before, Texts) and isinstance(now, Texts):
        return _of_texts(before, now, untold)
    kinds = [
        f"{'numbers' if isinstance(side, Numbers) else 'text'} {when}"
        for when, side in (("before", before), ("now", now))
    ]
    return Distances(before.summary, now.summary, untold=f"holds {' and '.join(kinds)}: was its type changed?")


def _of_numbers(before: Numbers, now: Numbers, untold: str) -> Distances:
    edges, (gap, area) = before.deciles.edges, gap_and_area(before, now)
    first, second = before.counts(edges), now.counts(edges)
    sd = before.summary.sd
    return Distances(
        before.summary,
        now.summary,
        untold or _without_values(before.total, now.total),
        psi=psi(first, second),
        chi_square_p=chi_square_p(first, second),
        ks=gap,
        ks_p=kolmogorov_smirnov_p(gap, before, now),
        wasserstein=area,
        wasserstein_normed=area / sd if sd else float(np.nan),
        jensen_shannon=shape_distance(before, now),
        mean_shift=mean_difference(before, now),
    )


def _of_texts(before: Texts, now: Texts, untold: str) -> Distances:
    first, second = before.counts(before.largest), now.counts(before.largest)
    levels = in_common(before, now)
    return Distances(
        before.summary,
        now.summary,
        untold or _without_values(before.total, now.total),
        psi=psi(first, second),
        chi_square_p=chi_square_p(first, second),
        jensen_shannon=jensen_shannon(*levels),
        total_variation=total_variation(*levels),
        new_share=new_share(before, now),
    )


def _without_values(before: float, now: float) -> str:
    """Return that a side has no values at all: what rests on them cannot be told."""
    none = [when for when, total in (("before", before), ("now", now)) if not total]
    return f"has no values {' and '.join(none)}: only its missing share is compared" if none else ""


def _summary(side: Side) -> Summary:
    return NOTHING if isinstance(side, str) else side.summary


def _require_weights(table: pa.Table, weights: Floats | None) -> None:
    require_once(table.schema.names)
    if weights is None:
        return
    if weights.shape != (table.num_rows,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"weights of shape {weights.shape} for {table.num_rows} rows; give each row one finite number of at least 0"
        )
