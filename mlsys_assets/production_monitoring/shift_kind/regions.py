"""Where in the features labels no longer follow from the score: residuals in bins of each column, then and now."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_category, is_number, read_numbers
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.shift_kind.by_day import Days, two_sided
from mlsys_assets.production_monitoring.shift_kind.density_ratio import numbers_of_both
from mlsys_assets.production_monitoring.shift_kind.scored_rows import LEAST_DAYS, ScoredRows

BINS: Final = 8
"""Bins of a column: as many shares of the reference's rows, or its most frequent categories and all others."""
SAMPLED: Final = 2_000
"""Rows of the reference that the edges of bins are taken from."""
LEAST_SPREAD: Final = 10.0
"""Σ p (1 − p) of a bin's rows: with less on a side, the bin says nothing."""
Codes = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The bin of each row of a reference, and of a window."""
TIES: Final = 1e-12
"""Of p-values that are all 0, the farthest bin is named."""


@dataclass(frozen=True)
class Region:
    """The column in which residuals moved most.

    Parameters
    ----------
    column
        Its name.
    told
        The bin that moved most, in words.
    residual
        How much more often than before labels are 1 there, beyond what the recalibrated score foretells.
    rows
        Rows of the window in that bin.
    gain
        Log loss a request of the window that knowing each bin's residual regains, less what chance gives.
    p
        How likely chance gives any bin of any column as much.
    """

    column: str
    told: str
    residual: float
    rows: int
    gain: float
    p: float


@dataclass(frozen=True, eq=False)
class _Side:
    """A reference or a window: each row's residual, p(1 − p) and p."""

    residual: Floats
    spread: Floats
    foretold: Floats
    day: NDArray[np.intp]

    def sums(self, code: NDArray[np.intp], bins: int, days: int) -> "_Sums":
        """Return the sums in each of (n,) bins."""
        spread, foretold = (np.bincount(code, weights=v, minlength=bins) for v in (self.spread, self.foretold))
        cell = code * days + self.day
        residual = np.bincount(cell, weights=self.residual, minlength=bins * days).reshape(bins, days)
        rows = np.bincount(cell, minlength=bins * days).reshape(bins, days)
        return _Sums(*(part.astype(np.float64) for part in (spread, foretold, residual, rows)))


@dataclass(frozen=True, eq=False)
class _Sums:
    """By bin (b,) Σ p(1 − p) and Σ p; by bin and day (b, k) Σ of residuals, and rows."""

    spread: Floats
    total: Floats
    residual: Floats
    days: Floats

    def of(self, bins: NDArray[np.intp]) -> "_Sums":
        return _Sums(self.spread[bins], self.total[bins], self.residual[bins], self.days[bins])

    @property
    def rows(self) -> Floats:
        return np.asarray(self.days.sum(axis=1))

    @property
    def mean(self) -> Floats:
        """(b,) the mean residual."""
        return np.asarray(self.residual.sum(axis=1) / self.rows)

    @property
    def foretold(self) -> Floats:
        """(b,) the mean probability."""
        return self.total / self.rows

    @property
    def by_day(self) -> Floats:
        """(b, k) what each day adds to the error of the mean."""
        return np.asarray((self.residual - self.mean[:, None] * self.days) / self.rows[:, None])


def worst_region(
    reference: ScoredRows, window: ScoredRows, foretold: tuple[Floats, Floats], days: Days
) -> Region | None:
    """Return the column in which labels moved away most from what recalibrated scores foretell; None if none can tell.

    Parameters
    ----------
    reference, window
        Labelled rows of the same columns.
    foretold
        (n,) and (m,) probabilities, recalibrated on each side by itself, so that only where is asked, not how much.
    days
        Of those rows.
    """
    sides = tuple(
        _Side(rows.label - p, p * (1 - p), p, day)
        for rows, p, day in zip((reference, window), foretold, (days.reference, days.window), strict=True)
    )
    found, asked = list[Region](), 0
    for column, names, codes in _binned(reference.features, window.features):
        region, bins = _of_column(column, names, (sides[0], sides[1]), codes, days)
        asked += bins
        found += [region] if region is not None else []
    if not found:
        return None
    worst = max(found, key=lambda one: (one.gain, one.column))
    return Region(worst.column, worst.told, worst.residual, worst.rows, worst.gain, min(worst.p * asked, 1.0))


def _of_column(
    column: str, names: list[str], sides: tuple[_Side, _Side], codes: Codes, days: Days
) -> tuple[Region | None, int]:
    """Return what a column tells, with the smallest p-value of a bin as it is, and how many bins were asked."""
    then, now = (side.sums(code, len(names), days.count) for side, code in zip(sides, codes, strict=True))
    present = np.minimum((then.days > 0).sum(axis=1), (now.days > 0).sum(axis=1))
    asked = np.flatnonzero((np.minimum(then.spread, now.spread) >= LEAST_SPREAD) & (present >= LEAST_DAYS))
    if len(asked) < 2:  # noqa: PLR2004 - a single bin holds all rows, of which the level has told
        return None, 0
    then, now, present = then.of(asked), now.of(asked), present[asked]
    moved = now.mean - then.mean
    by_rows = now.spread / now.rows**2 + then.spread / then.rows**2
    by_days = ((now.by_day - then.by_day) ** 2).sum(axis=1) * present / (present - 1)
    inflated = np.sqrt(by_rows * now.rows**2 / now.spread)
    error = np.maximum(np.sqrt(np.maximum(by_rows, by_days)), inflated * _exact(moved, now.foretold, now.rows))
    p = two_sided(moved, error, present)
    gains = now.rows / len(codes[1]) * (moved**2 - by_rows) / (2 * now.spread / now.rows)
    k = int(np.argmin(p - np.abs(moved) / error * TIES))
    region = Region(column, names[asked[k]], float(moved[k]), int(now.rows[k]), float(gains.sum()), float(p[k]))
    return region, len(asked)


def _exact(moved: Floats, foretold: Floats, rows: Floats) -> Floats:
    """Return (b,) the error under which a difference is as unlikely as the deviance of so many labels says.

    Of rare labels a normal tail is far too thin; exp(−n KL) bounds the binomial's (Chernoff 1952).
    """
    q = np.clip(foretold, 1e-12, 1 - 1e-12)
    o = np.clip(q + moved, 1e-12, 1 - 1e-12)
    divergence = o * np.log(o / q) + (1 - o) * np.log((1 - o) / (1 - q))
    return np.abs(moved) / np.sqrt(np.maximum(2 * rows * divergence, 1e-300))


def _binned(reference: pa.Table, window: pa.Table) -> Iterator[tuple[str, list[str], Codes]]:
    """Yield each column that both have, the names of its bins, and the bin of each row of both."""
    both = [name for name in reference.schema.names if name in window.schema.names]
    numbers = [name for name in both if all(is_number(table.schema.field(name).type) for table in (reference, window))]
    numbers = numbers_of_both(reference, window)
    first, second = (read_numbers(rows, numbers) for rows in (reference, window))
    step = max(len(reference) // SAMPLED, 1)
    for name, before, now in zip(numbers, first, second, strict=True):
        sample = before[::step]
        sample = sample[np.isfinite(sample)]
        if not len(sample):
            continue
        edges = np.unique(np.quantile(sample, np.arange(1, BINS) / BINS, method="lower"))
        codes = tuple(
            np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="left")) for x in (before, now)
        )
        told = [f"≤ {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges))]
        yield name, [*told, f"> {edges[-1]:g}", "missing"], (codes[0], codes[1])
    for name in both:
        if not all(is_category(table.schema.field(name).type) for table in (reference, window)):
            continue
    texts = [{f.name for f in side.schema if is_category(f.type)} for side in (reference, window)]
    for name in (name for name in reference.schema.names if name in texts[0] & texts[1]):
        counts = pc.value_counts(reference[name].cast(pa.string()))
        ranked = sorted(((c["counts"].as_py(), str(c["values"])) for c in counts if c["values"].is_valid), reverse=True)
        values = [value for _, value in ranked[: BINS - 1]]
        if values:
            codes = tuple(_codes(rows[name], values) for rows in (reference, window))
            yield name, [*values, "others"], (codes[0], codes[1])


def _codes(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.intp]:
    found = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=pa.array(values)), len(values))
    return np.asarray(found.to_numpy(), dtype=np.intp)
