"""Labelled rows: features joined with what is known of their labels, before any split."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_labeling.label import waiting
from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.tables import FEATURES, LABELS, TIMESTAMP


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Every row that could be trained on or tested with, in order of prediction time.

    Parameters
    ----------
    ids
        (n,) the entities' identifiers, unique.
    at
        (n,) datetime64[us], UTC: prediction times.
    features
        (n, d) the feature columns alone.
    label
        (n,) float64, NaN where there is none.
    known_at
        (n,) datetime64[us], UTC: when the label, or that there will be none, became known; NaT where it has not.
    state
        (n,) what became known, ``labelled`` or why there will be no label; null where nothing has.
    window
        How long a label is waited for.
    """

    ids: pa.Array
    at: NDArray[np.datetime64]
    features: pa.Table
    label: NDArray[np.float64]
    known_at: NDArray[np.datetime64]
    state: pa.Array
    window: timedelta

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def join(cls, features: pa.Table, labels: pa.Table, *, key: str, at: str, window: timedelta) -> "LabelledRows":
        """Join the features table (``key``, ``at``, feature columns) with the label table.

        The label table holds ``key``, ``label``, ``state`` and ``known_at``. Raises ValueError if a
        column is missing, or if a key is null or stands twice in either table.
        """
        require_columns(features, (key, at), what="features")
        require_columns(labels, (key, "label", "state", "known_at"), what="labels")
        for what, table in (("features", features), ("labels", labels)):
            require_unique(table[key], what=what)
        order = pc.sort_indices(features, sort_keys=[(at, "ascending"), (key, "ascending")])
        if not np.array_equal(order, np.arange(len(features))):  # taking costs more than all else here
            features = features.take(order)
        found = pc.index_in(features[key], value_set=labels[key].combine_chunks())
        joined = labels.select(["label", "state", "known_at"]).take(found)
        return cls(
            ids=features[key].combine_chunks(),
            at=moments(features[at]),
            features=features.drop_columns([key, at]),
            label=joined["label"].cast(pa.float64()).to_numpy(),
            known_at=moments(joined["known_at"]),
            state=joined["state"].combine_chunks().cast(pa.string()),
            window=window,
        )

    def labelled(self, as_of: datetime) -> NDArray[np.bool_]:
        """Return (n,) whether the row's label was known by then."""
        return ~np.isnan(self.label) & (self.known_at <= moment(as_of))

    def unlabelled_by_state(self, as_of: datetime) -> dict[str, int]:
        """Return how many rows predicted before then have no label as of then, by what became of them."""
        without = (self.at < moment(as_of)) & ~self.labelled(as_of)
        at = pa.array(self.at, pa.timestamp("us")).cast(TIMESTAMP)
        known = pa.array(self.known_at <= moment(as_of))
        state = pc.if_else(known, self.state, waiting(at, as_of=as_of, window=self.window))
        counts = pc.value_counts(state.filter(pa.array(without))).to_pylist()
        return {str(c["values"]): int(c["counts"]) for c in sorted(counts, key=lambda c: str(c["values"]))}

    @cached_property
    def content_hash(self) -> str:
        """The SHA-256 of everything here: what a training is based on."""
        own = {"ids": self.ids, "at": self.at, "label": self.label, "known_at": self.known_at, "state": self.state}
        return data_hash(pa.table(own | {f"feature {n}": self.features[n] for n in self.features.schema.names}))

    @cached_property
    def table_hashes(self) -> dict[str, str]:
        """The SHA-256 of what came of each table: the features of each request, and what became known of it."""
        told = {"ids": self.ids, "label": self.label, "known_at": self.known_at, "state": self.state}
        features = {f"feature {n}": self.features[n] for n in self.features.schema.names}
        asked = {"ids": self.ids, "at": self.at, **features}
        return {FEATURES: data_hash(pa.table(asked)), LABELS: data_hash(pa.table(told))}


def moment(at: datetime) -> np.datetime64:
    """Return an aware UTC datetime as NumPy has it."""
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")


def moments(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    """Return a timestamp column as (n,) datetime64[us], UTC."""
    found: NDArray[np.datetime64] = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")).to_numpy()
    return found


def require_columns(table: pa.Table, names: tuple[str, ...], *, what: str) -> None:
    """Raise ValueError unless the table, called ``what``, has every column."""
    missing = [n for n in names if n not in table.schema.names]
    if missing:
        raise ValueError(f"the {what} lack the columns {missing}; there are {table.schema.names}")


def require_unique(keys: pa.ChunkedArray, *, what: str) -> None:
    """Raise ValueError if a key of the table, called ``what``, is null or stands twice."""
    if keys.null_count:
        raise ValueError(f"{keys.null_count} rows of the {what} have no key")
    repeated = len(keys) - pc.count_distinct(keys).as_py()
    if repeated:
        raise ValueError(f"{repeated} rows of the {what} repeat a key; look at the duplicates, then drop or merge them")
