"""Baselines: what a model must beat to be worth its keep (zero rule, and the rate of similar rows)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import MISSING, UNSEEN, is_category, read_codes, read_numbers, require
from mlsys_assets.mistakes import not_all, out_of_range, sound
from mlsys_assets.models.candidate import Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.explanation import Contributions
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode
from mlsys_assets.types import Scalar


@dataclass(frozen=True)
class ZeroRulePredictor:
    """Gives every row the share of positives seen in training."""

    rate: float
    kind: str = "zero_rule"
    columns: tuple[str, ...] = ()

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) the same probability for all."""
        return np.full(rows.num_rows if isinstance(rows, pa.Table) else 1, self.rate)

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return the rate as the base, to which no column adds anything."""
        return Contributions((), self.rate, np.empty((len(self.predict(rows)), 0)), "probability")

    def contents(self) -> dict[str, bytes]:
        """Return the rate."""
        return {"rates.json": encode({"rate": self.rate})}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "ZeroRulePredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        rate = decode(files, "rates.json", dict[str, float]).get("rate", np.nan)
        if not 0.0 <= rate <= 1.0:
            raise BundleError(f"rates.json must hold a rate in [0, 1], got {rate}")
        return cls(rate)


@dataclass(frozen=True)
class ZeroRule:
    """The prior: the same probability for every row."""

    name: str = "zero_rule"

    @property
    def baseline(self) -> bool:
        """A model must beat it."""
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        """No column in particular."""
        return ()

    @property
    def kind(self) -> str:
        """A rate."""
        return ZeroRulePredictor.kind

    def mistakes(self) -> list[str]:
        """There is nothing to declare."""
        return []

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return the share of positives in train."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return the share of positives in train."""
        check_train(train, what=self.name)
        return Fitted(self.name, ZeroRulePredictor(float(train.label.mean())))


@dataclass(frozen=True)
class GroupColumn:
    """A column that rows are grouped by: text as it is, numbers rounded down; ``values`` are those seen."""

    name: str
    values: tuple[str | int, ...]
    is_number: bool

    def codes(self, rows: Rows) -> NDArray[np.int64]:
        """Return (n,) the position of each row's value, MISSING or UNSEEN."""
        if not self.is_number:
            return read_codes(rows, self.name, self._positions).astype(np.int64)
        numbers = np.floor(read_numbers(rows, [self.name])[0].astype(np.float64))
        known = np.array(self.values, dtype=np.float64)
        place = (
            np.minimum(np.searchsorted(known, numbers), len(known) - 1) if len(known) else np.zeros(len(numbers), int)
        )
        found = known[place] == numbers if len(known) else np.zeros(len(numbers), bool)
        return np.where(np.isnan(numbers), MISSING, np.where(found, place, UNSEEN))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {str(value): code for code, value in enumerate(self.values)}


@dataclass(frozen=True)
class GroupRatePredictor:
    """Gives a row the rate of the finest group of it that was seen in training.

    ``keys`` and ``rates`` hold, for each depth from 0 (all rows) on, the groups' codes in ascending
    order and their rates.
    """

    by: tuple[GroupColumn, ...]
    keys: tuple[tuple[int, ...], ...]
    rates: tuple[tuple[float, ...], ...]
    kind: str = "group_rate"

    def __post_init__(self) -> None:
        depths = [len(self.keys), len(self.rates)]
        if depths != [len(self.by) + 1] * 2 or any(
            len(k) != len(r) for k, r in zip(self.keys, self.rates, strict=True)
        ):
            raise ValueError(f"{len(self.by)} columns need {len(self.by) + 1} depths of keys with a rate each")
        if self.keys[0] != (0,) or not all(0.0 <= rate <= 1.0 for depth in self.rates for rate in depth):
            raise ValueError("rates must be in [0, 1] and start with the rate of all rows")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns rows are grouped by."""
        return tuple(column.name for column in self.by)

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) the rate of each row's finest known group."""
        finest: NDArray[np.float64] = self._rates(rows)[-1]
        return finest

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return the step of the rate at each column, coarsest first, from the rate of all rows."""
        steps = np.diff(self._rates(rows), axis=0).T
        return Contributions(self.columns, self.rates[0][0], steps, "probability")

    def _rates(self, rows: Rows) -> NDArray[np.float64]:
        """Return (depths, n) the rate of each row's finest known group, down to each depth."""
        require(rows, self.columns)
        codes = group_codes(self.by, rows)
        found = np.full(codes.shape, self.rates[0][0])
        for depth in range(1, len(self.by) + 1):
            keys, rates = np.array(self.keys[depth], dtype=np.int64), np.array(self.rates[depth])
            place = np.minimum(np.searchsorted(keys, codes[depth]), len(keys) - 1)
            found[depth] = np.where(keys[place] == codes[depth], rates[place], found[depth - 1])
        return found

    def contents(self) -> dict[str, bytes]:
        """Return the groups and their rates."""
        return {"rates.json": encode(self)}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "GroupRatePredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        return decode(files, "rates.json", cls)


@dataclass(frozen=True)
class GroupRate:
    """The rate of similar rows: each group's, drawn towards that of the coarser group that holds it.

    With by=("carrier", "sched_hour"), a flight gets the rate of its carrier at its hour; where that
    rests on few flights, it moves towards the carrier's rate, and that towards the rate of all
    (partial pooling, Efron and Morris 1975).

    Parameters
    ----------
    by
        Feature columns, coarsest first; numbers are rounded down.
    strength
        How many rows' weight the coarser group's rate has.
    """

    by: tuple[str, ...]
    strength: float = 20.0
    name: str = "group_rate"

    @property
    def baseline(self) -> bool:
        """A model must beat it."""
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns it groups by."""
        return sound(self.by, str)

    @property
    def kind(self) -> str:
        """Rates by group."""
        return GroupRatePredictor.kind

    def mistakes(self) -> list[str]:
        """Return grouping by nothing or by a column twice, and a negative strength."""
        what = f"candidate {self.name!r}"
        found = not_all(f"{what}: by", self.by, str) + out_of_range(f"{what}: strength", self.strength, least=0)
        if self.by == ():
            found.append(f"{what}: by is empty, which is what ZeroRule() does; name feature columns, coarsest first")
        twice = sorted({name for name in self.needs if self.needs.count(name) > 1})
        return found + [f"{what}: by holds {name!r} twice" for name in twice]

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return the rates seen in train."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return the rates seen in train."""
        check_train(train, what=self.name)
        require(train.features, self.by)
        by = tuple(_group_column(train.features, name) for name in self.by)
        codes = group_codes(by, train.features)
        rate = np.full(len(train), train.label.mean())
        keys, rates = [(0,)], [(float(rate[0]),)]
        for depth in range(1, len(by) + 1):
            seen, first, group = np.unique(codes[depth], return_index=True, return_inverse=True)
            count, positive = np.bincount(group), np.bincount(group, weights=train.label)
            pooled = (positive + self.strength * rate[first]) / (count + self.strength)
            keys.append(tuple(seen.tolist()))
            rates.append(tuple(pooled.tolist()))
            rate = pooled[group]
        params: dict[str, Scalar] = {"by": ",".join(self.by), "strength": self.strength}
        return Fitted(self.name, GroupRatePredictor(by, tuple(keys), tuple(rates)), params)


def group_codes(by: tuple[GroupColumn, ...], rows: Rows) -> NDArray[np.int64]:
    """Return (depths, n) one number for a row's group at each depth; -1 where it was never seen."""
    n = rows.num_rows if isinstance(rows, pa.Table) else 1
    codes = np.zeros((len(by) + 1, n), dtype=np.int64)
    for depth, column in enumerate(by):
        own = column.codes(rows)
        finer = codes[depth] * (len(column.values) + 1) + own + 1  # 0 stands for missing, which is a value too
        codes[depth + 1] = np.where((codes[depth] < 0) | (own == UNSEEN), -1, finer)
    return codes


def _group_column(features: pa.Table, name: str) -> GroupColumn:
    if is_category(features.schema.field(name).type):
        return GroupColumn(name, tuple(sorted(set(features[name].to_pylist()) - {None})), is_number=False)
    numbers = np.unique(np.floor(read_numbers(features, [name])[0]))
    return GroupColumn(name, tuple(int(v) for v in numbers if np.isfinite(v)), is_number=True)
