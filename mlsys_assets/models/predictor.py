"""What every model becomes: an object that turns rows into probabilities and can be written as plain files."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
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
    """Return the content of a JSON file, checked against ``kind``; raises BundleError if it does not fit.

    That it says more than ``kind`` holds is refused too: what nobody reads, somebody may rely on.
    """
    if name not in files:
        raise BundleError(f"the bundle lacks {name}; it has {sorted(files)}")
    try:
        found = msgspec.json.decode(files[name], type=kind)
        said = msgspec.json.decode(files[name]) if is_dataclass(kind) else {}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(f"{name} is not what was written: {error}") from error
    if said and (more := _beyond(said, msgspec.to_builtins(found))):
        raise BundleError(f"{name} is not what was written: nothing reads {more} of it")
    return found


def _beyond(said: object, read: object) -> str:
    """Return the first field of JSON content that is not among what was read of it, "" if there is none."""
    if isinstance(said, dict) and isinstance(read, dict):
        fields = (_beyond(v, read[k]) if k in read else repr(k) for k, v in said.items())
        return next((more for more in fields if more), "")
    if isinstance(said, list) and isinstance(read, list | tuple):
        return next((more for s, r in zip(said, read, strict=False) if (more := _beyond(s, r))), "")
    return ""


ReadKind: TypeAlias = Callable[[str, Mapping[str, bytes], str], Predictor]
"""Reads the model of a kind within another: its kind, its files, and what their names began with in the bundle."""
