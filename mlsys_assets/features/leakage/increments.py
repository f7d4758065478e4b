"""Trailing windows that include the row itself: the step a column takes at a row tells the row's own label.

Within a key's rows in order of time, a mean, a count or a rate over earlier labels steps by what became known since
the row before. Where the row itself is in its window, the step up to the row goes by its own label, and the step
after it does not take that back. Three things tell such a column from an honest one. Where the outcome comes in spells,
the honest window's next step tells the label more than its own, as that is when it becomes known. A strong honest
measurement of the row itself goes up for a positive, and down again at the next row. Any other honest column's step
tells little.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.charts import bars as chart
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.leakage.binned import CHANCE, Codes
from mlsys_assets.features.leakage.neighbours import Neighbours
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Floats, RocAuc
from mlsys_assets.thumbnails import bars
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_column_steps_by_its_rows_label"
LOOKED_AT: Final = 40_000
"""The latest rows of training, whole days: steps need neighbours in time."""
MOST_TOGETHER: Final = 15
"""Pairs and triples of categories that make groups: all of five categories, but for some triples."""
LEAST_STEPS: Final = 300
"""Steps that a key needs."""
KEPT: Final = 5
"""Columns with a key that get an interval."""
TELLS: Final = 0.7
"""The AUC of a step for its own row's label from which a column is accused: of clean flights the largest of a step that
the next does not take back is 0.64; a window of as many rows as one likes has 0.9 where one row leaves it for each
that comes, if one row of four is positive (in general 1 - p (1 - p) / 2)."""
TAKEN_BACK: Final = 0.5
"""The share of what the own step tells that the next may tell too, either way: a measurement takes all of it back, and
an honest window tells more of it."""
SHOWN: Final = 12
"""How many a picture shows."""


@dataclass(frozen=True)
class Increment:
    """What a column's steps tell within the rows of a key.

    Parameters
    ----------
    column, key
        The column, and the columns whose values make the groups.
    own, following
        AUCs of the step up to a row, and of the one after it, for the row's label: above 0.5 where up is positive.
    auc
        The AUC of the step up to a row, with an interval over days; None but for the best.
    """

    column: str
    key: tuple[str, ...]
    own: float
    following: float
    auc: Estimate | None = None

    @property
    def kept(self) -> bool:
        """Whether what the step tells is neither told nor taken back by the next."""
        return abs(self.following - 0.5) < TAKEN_BACK * abs(self.own - 0.5)

    @property
    def name(self) -> str:
        """The column and the key."""
        return f"{self.column} by {', '.join(self.key)}"


@dataclass(frozen=True)
class Increments:
    """The columns whose steps tell most of their own row, each by the key in which they do."""

    increments: tuple[Increment, ...]
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """The largest."""
        found: dict[str, Scalar] = {"steps_compared": len(self.increments)}
        for one in self.increments[:1]:
            found |= {"best_step": one.name, "own": one.own, "following": one.following}
        return found

    @property
    def finding(self) -> Finding:
        """Whether no column steps by its own row's label."""
        best = ", ".join(f"{one.name} with an AUC of {one.auc}" for one in self.increments[:1])
        clean = f"the step that tells most of its own row: {best}" if best else "insufficient data: no key has the rows"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = ("column", "within", "AUC of the step to a row", "of the next step", "kept", "by size, interval")
        rows: list[tuple[object, ...]] = [
            (i.column, ", ".join(i.key), i.own, i.following, i.kept, "" if i.auc is None else str(i.auc))
            for i in self.increments
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return what steps tell of their own row, as a small picture."""
        return bars(self._told(), title="AUC of a step for its own row")

    def plot(self) -> str:
        """Return it as an SVG picture with the limit."""
        return chart(self._told(), title="AUC of a step for its own row's label", marks={f"{TELLS:g}": TELLS})

    def _told(self) -> dict[str, float]:
        return {one.name: 0.5 + abs(one.own - 0.5) for one in self.increments[:SHOWN]}


def increments(train: Train, *, seed: int, keys: pa.Table | None = None) -> Increments:
    """Return which columns step by their own row's label.

    Parameters
    ----------
    seed
        Of the intervals' draws.
    keys
        (n, k) further columns that may make groups, such as an aircraft's number: of the rows of ``train``.
    """
    if keys is not None and len(keys) != len(train):
        raise ValueError(f"{len(keys)} keys for {len(train)} rows; they must be of the same rows")
    chosen = _latest_days(train)
    rows, own = train.take(chosen), None if keys is None else keys.take(pa.array(chosen))
    names = [field.name for field in rows.features.schema if not is_category(field.type)]
    values = read_numbers(rows.features, names).T
    values = np.ascontiguousarray(np.where(np.isnan(values), -np.finfo(np.float32).max, values))
    best: dict[str, Increment] = {}
    groups = dict(_groups(rows.features, own))
    for key, code in groups.items():
        for one in _told(names, key, Neighbours.of(code, rows.at), values, rows.label > 0):
            if one.column not in best or _weight(one) > _weight(best[one.column]):
                best[one.column] = one
    ranked = sorted(best.values(), key=lambda one: (-_weight(one), one.column))
    column = {name: k for k, name in enumerate(names)}
    sized = [_sized(one, values[:, column[one.column]], rows, groups[one.key], seed) for one in ranked[:KEPT]]
    return Increments((*sized, *ranked[KEPT:]), tuple(s for one in sized for s in _suspicions(one)))


def _latest_days(train: Train) -> Codes:
    """Return positions of the latest whole days."""
    block = day_blocks(train.at)
    later = np.cumsum(np.bincount(block)[::-1])[::-1] if len(block) else np.arange(0)
    first = int(np.argmax(later <= max(LOOKED_AT, later[-1]))) if len(later) else 0
    return np.flatnonzero(block >= first)


def _groups(features: pa.Table, keys: pa.Table | None) -> Iterator[tuple[tuple[str, ...], Codes]]:
    """Yield each category, each key handed in, and pairs and triples of categories, with the rows' groups by it."""
    categories = [field.name for field in features.schema if is_category(field.type)]
    single = {name: _codes(features[name]) for name in categories}
    handed = {} if keys is None else {name: _codes(keys[name]) for name in keys.schema.names if name not in single}
    for name, code in (single | handed).items():
        yield (name,), code
    for together in islice(chain(combinations(single, 2), combinations(single, 3)), MOST_TOGETHER):
        code = np.zeros(len(features), dtype=np.intp)
        for name in together:
            _, code = np.unique(code * (int(single[name].max(initial=0)) + 1) + single[name], return_inverse=True)
        yield together, code


def _codes(column: pa.ChunkedArray) -> Codes:
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(pc.fill_null(encoded.indices, 0)).astype(np.intp)


def _told(
    names: list[str], key: tuple[str, ...], near: Neighbours, values: NDArray[np.float32], positive: NDArray[np.bool_]
) -> list[Increment]:
    """Return what each column's steps tell of the row they lead to, and of the one they lead from."""
    if len(near.rows) < LEAST_STEPS:
        return []
    own = _step_auc(values.take(near.earlier, axis=0), values.take(near.rows, axis=0), positive[near.rows])
    leaving, later = (values.take(rows, axis=0) for rows in (near.leaving, near.later))
    following = _step_auc(leaving, later, positive[near.leaving])
    pairs = zip(names, own.tolist(), following.tolist(), strict=True)
    return [Increment(name, key, first, second) for name, first, second in pairs]


def _step_auc(first: NDArray[np.float32], second: NDArray[np.float32], positive: NDArray[np.bool_]) -> Floats:
    """Return (d,) AUCs of (m, d) steps: up above level above down, whatever their size; 0.5 of one class."""
    if positive.all() or not positive.any():
        return np.full(first.shape[1], CHANCE)
    risen, fallen = second > first, second < first
    up, down, other_up, other_down = (
        steps[own].sum(axis=0, dtype=np.int32) / own.sum() for own in (positive, ~positive) for steps in (risen, fallen)
    )
    level, other_level = 1 - up - down, 1 - other_up - other_down
    ties = up * other_up + level * other_level + down * other_down
    found: Floats = up * (1 - other_up) + level * other_down + ties / 2
    return found


def _weight(one: Increment) -> float:
    return abs(one.own - 0.5) * (1.0 if one.kept else 0.1)


def _sized(one: Increment, values: NDArray[np.float32], rows: Train, code: Codes, seed: int) -> Increment:
    """Return an increment with the AUC of the steps by their size, and its interval."""
    near = Neighbours.of(code, rows.at)
    step = values[near.rows].astype(np.float64) - values[near.earlier]
    label, at = rows.label[near.rows], rows.at[near.rows]
    score = step if one.own >= CHANCE else -step
    auc = estimate(RocAuc(), label, score, weights=bootstrap(day_blocks(at), seed=seed))
    return Increment(one.column, one.key, one.own, one.following, auc)


def _suspicions(one: Increment) -> list[Suspicion]:
    told = 0.5 + abs(one.own - 0.5)
    if not one.kept or one.auc is None or not one.auc.sufficient or max(told, one.auc.low) < TELLS:
        return []
    return [
        Suspicion(
            (one.column,),
            Severity.ERROR,
            f"steps by its own row's label: among the rows of one {' and '.join(one.key)} in order of time, the "
            f"step up to a row ranks its label with an AUC of {one.auc}, the next step with one of {one.following:.3f}",
            "A window that ends before the row cannot.",
            "End the window before the row: take only labels known at its prediction time.",
            {"own": one.own, "following": one.following, "low": one.auc.low},
        )
    ]
