"""What is observed of each row, as numbers beside which every column's missing values can be set."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.features.quality.groups import most_frequent
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats

MOST_CATEGORIES: Final = 20
"""Categories of a column that are told apart: the most frequent."""

NESTED: Final = 0.5
"""A column that is missing in a larger share of a column's missing rows says nothing of their values."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Rows in order of time, each column in standard deviations from its mean, 0 where it is missing.

    Parameters
    ----------
    names
        (p,) what each number is: a column, or ``carrier = UA`` for whether a category stands there.
    source
        (p,) the column each is made of.
    values
        (n, p) mean 0 and variance 1 where present; what is infinite is 0.
    missing
        (n, q) the different ways to be missing, each with some rows missing and some not.
    alike
        (q,) the columns that are missing in exactly those rows.
    block
        (n,) each row's day, rising.
    label
        (n,) the labels.
    """

    names: tuple[str, ...]
    source: tuple[str, ...]
    values: Floats
    missing: NDArray[np.bool_]
    alike: tuple[tuple[str, ...], ...]
    block: NDArray[np.intp]
    label: Floats

    @classmethod
    def of(cls, rows: Train | Validation) -> "Observed":
        """Return what is observed of the rows."""
        order = np.argsort(rows.at, kind="stable")
        rows = rows if np.array_equal(order, np.arange(len(order))) else rows.take(order)
        numbers = [f.name for f in rows.features.schema if not is_category(f.type)]
        raw = read_numbers(rows.features, numbers).astype(np.float64)
        absent = {name: np.isnan(own) for name, own in zip(numbers, raw, strict=True)}
        columns = [(name, name, own) for name, own in zip(numbers, raw, strict=True)]
        for name in (f.name for f in rows.features.schema if is_category(f.type)):
            absent[name] = np.asarray(pc.is_null(rows.features[name]))
            columns += [
                (f"{name} = {value}", name, np.where(absent[name], np.nan, own))
                for value, own in most_frequent(rows.features[name], MOST_CATEGORIES)
            ]
        varied = [(name, source, z) for name, source, own in columns for z in [_standardized(own)] if z is not None]
        alike = _alike({name: absent[name] for name in rows.features.schema.names})
        return cls(
            names=tuple(name for name, _, _ in varied),
            source=tuple(source for _, source, _ in varied),
            values=np.array([z for _, _, z in varied]).reshape(len(varied), len(rows)).T.copy(),
            missing=np.array([absent[names[0]] for names in alike], dtype=bool).reshape(len(alike), len(rows)).T.copy(),
            alike=alike,
            block=day_blocks(rows.at),
            label=rows.label,
        )

    def tells(self, j: int) -> NDArray[np.intp]:
        """Return which of the p numbers are mostly there where the j-th are missing: their own column is not."""
        together = self.missing[self.missing[:, j]].mean(axis=0) > NESTED
        hidden = {name for names, nested in zip(self.alike, together, strict=True) if nested for name in names}
        return np.flatnonzero([source not in hidden for source in self.source])

    @property
    def starts(self) -> NDArray[np.intp]:
        """(days,) the first row of each day."""
        return np.flatnonzero(np.diff(self.block, prepend=-1))

    def by_day(self, values: Floats) -> Floats:
        """Return (days, …) sums of (n, …) values over each day's rows."""
        sums: Floats = np.add.reduceat(values, self.starts, axis=0)
        return sums


def _standardized(values: Floats) -> Floats | None:
    """Return the values with mean 0 and variance 1, 0 where there is none; None if they do not vary."""
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known) or known.min() == known.max():
        return None
    spread = float(known.std())
    return np.where(finite, (values - known.mean()) / spread, 0.0) if spread > 0 else None


def _alike(absent: dict[str, NDArray[np.bool_]]) -> tuple[tuple[str, ...], ...]:
    """Return the columns with some values missing, those together that miss the same rows."""
    together: dict[bytes, list[str]] = {}
    for name, own in absent.items():
        if own.any() and not own.all():
            together.setdefault(np.packbits(own).tobytes(), []).append(name)
    return tuple(map(tuple, together.values()))
