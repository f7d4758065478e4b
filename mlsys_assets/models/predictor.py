"""What every model becomes: an object that turns rows into probabilities and can be written as plain files."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Rows: TypeAlias = "pa.Table | Mapping[str, object]"
"""A table of feature columns, or a single row as a mapping from column to value."""

T = TypeVar("T")


class BundleError(ValueError):
    """Files that are no model: nothing of them is used."""


class Predictor(Protocol):
    """Scores rows; immutable, independent of the libraries it was fitted with, safe to share among threads."""

    @property
    def kind(self) -> str:
        """The name of its file format."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns it reads, by name; others are ignored."""
        ...

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities; a row's does not depend on its neighbours. Raises ColumnError."""
        ...

    def contents(self) -> dict[str, bytes]:
        """Return all it needs, as JSON and Booster text by file name; equal models give equal bytes."""
        ...


def encode(content: object) -> bytes:
    """Return JSON in which every float comes back as it was; raises ValueError for infinite ones and NaN."""
    return msgspec.json.encode(content)


def decode(files: Mapping[str, bytes], name: str, kind: type[T]) -> T:
    """Return the content of a JSON file, checked against ``kind``; raises BundleError if it does not fit."""
    if name not in files:
        raise BundleError(f"the bundle lacks {name}; it has {sorted(files)}")
    try:
        return msgspec.json.decode(files[name], type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BundleError(f"{name} is not what was written: {error}") from error


ReadKind: TypeAlias = Callable[[str, Mapping[str, bytes], str], Predictor]
"""Reads the model of a kind within another: its kind, its files, and what their names began with in the bundle."""
