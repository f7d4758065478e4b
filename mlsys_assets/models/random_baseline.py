"""The random baseline: scores that know nothing, the floor that any model stands on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import mixed, text_hashes
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import is_category, read_codes, read_numbers, require
from mlsys_assets.models.candidate import Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.predictor import Rows, decode, encode

FILE: Final = "columns.json"
SPARE_BITS: Final = np.uint64(11)
"""Bits of a hash beyond the 53 that a float64 between 0 and 1 holds."""
UNIT: Final = 2.0**-53
LARGEST_SEED: Final = 2**63 - 1


@dataclass(frozen=True)
class RandomPredictor:
    """Gives a row a number drawn uniformly from [0, 1) by a hash of its features and the seed.

    Equal rows have equal scores, alone or in a table, today or in a year; unequal ones have
    independent scores, but for what a 64-bit hash cannot tell apart.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    seed: int
    kind: str = "random"

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"the seed must be from 0 to {LARGEST_SEED}, got {self.seed}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are hashed."""
        return (*self.numbers, *self.texts)

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) scores that say nothing of the label."""
        require(rows, self.columns)
        numbers = read_numbers(rows, self.numbers).astype(np.float64) + 0.0  # + 0.0 makes -0.0 the same as 0.0
        numbers[np.isnan(numbers)] = np.nan  # one NaN, whatever its bits were
        state = np.full(rows.num_rows if isinstance(rows, pa.Table) else 1, self.seed, dtype=np.uint64)
        for codes in (*numbers.view(np.uint64), *(_text_codes(rows, name) for name in self.texts)):
            state = mixed(state, codes)
        return (state >> SPARE_BITS).astype(np.float64) * UNIT

    def contents(self) -> dict[str, bytes]:
        """Return the columns and the seed."""
        return {FILE: encode(self)}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "RandomPredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        return decode(files, FILE, cls)


@dataclass(frozen=True)
class RandomBaseline:
    """Uniformly random scores: they rank no better than chance and are not calibrated to any rate.

    Whatever the labels are, its AUC is expected to be 1/2, its log loss 1 and its Brier score 1/3, and its average
    precision the share of positives. A metric in which a model is near these says that it learned nothing, or that
    something is wrong with the metric. ``ZeroRule`` is the calibrated one that knows nothing else.
    """

    name: str = "random"

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
        """Hashes."""
        return RandomPredictor.kind

    def mistakes(self) -> list[str]:
        """There is nothing to declare."""
        return []

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Return random scores by the seed; of the rows, only the columns are looked at."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Return random scores by the seed; of the rows, only the columns are looked at."""
        check_train(train, what=self.name)
        texts = [field.name for field in train.features.schema if is_category(field.type)]
        numbers = [name for name in train.features.schema.names if name not in texts]
        return Fitted(self.name, RandomPredictor(tuple(numbers), tuple(texts), seed), {"seed": seed})


def _text_codes(rows: Rows, name: str) -> NDArray[np.uint64]:
    """Return (n,) one hash a text, by way of its value and of no list of those that are known."""
    if isinstance(rows, pa.Table):
        values = [str(value) for value in rows[name].unique().to_pylist() if value is not None]
    else:
        values = [value for value in [rows[name]] if isinstance(value, str)]
    codes = read_codes(rows, name, {value: code for code, value in enumerate(values)})
    return text_hashes(values)[codes]
