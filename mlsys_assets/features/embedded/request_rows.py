"""The requests, sorted once for each key: by key, and then by prediction time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from mlsys_assets.features.embedded.key_codes import Ints, KeyCodes, Positions, combine, stable_by_code
from mlsys_assets.features.key import Key
from mlsys_assets.features.numpy_table import NumpyTable

PACKED_CODES = 2**24
"""Up to so many keys a key's number and a row's number share one int64."""


@dataclass(frozen=True, eq=False)
class Group:
    """Requests ordered by key and then by time; those without a key are left out.

    ``order``: (m,) positions of the requests. ``code``: (m,) their keys' numbers, ascending.
    ``dictionaries`` and ``distinct`` tell how a key's number is made.
    """

    keys: tuple[Key, ...]
    order: Positions
    code: Ints
    dictionaries: tuple[pa.Array, ...]
    distinct: Ints | None

    def codes_of(self, source: KeyCodes, rows: int) -> Ints:
        """Return (rows,) the numbers that these keys have in a source's table; -1 where no request has the key."""
        columns = [source.codes_in(k.in_source, d) for k, d in zip(self.keys, self.dictionaries, strict=True)]
        code = combine(columns, [len(d) for d in self.dictionaries], rows)
        if self.distinct is None:
            return code
        place = np.searchsorted(self.distinct, code)
        place[place == len(self.distinct)] = 0
        return np.where(self.distinct[place] == code, place, -1) if len(self.distinct) else np.full(rows, -1)


class RequestRows:
    """The request table, with its keys encoded once and its order by time found once."""

    def __init__(self, table: pa.Table, predict_at: str) -> None:
        self.columns = NumpyTable(table)
        self.at = self.columns.moments(predict_at)
        self._keys = KeyCodes(self.columns)

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def by_time(self) -> Positions:
        """(n,) positions in order of prediction time."""
        return np.argsort(self.at, kind="stable")

    def group(self, keys: tuple[Key, ...]) -> Group:
        """Return the requests by key and time: the one sort that all windows of the key are read from."""
        encoded = [self._keys.codes(k.request) for k in keys]
        dictionaries = tuple(d for _, d in encoded)
        code = combine([c for c, _ in encoded], [len(d) for d in dictionaries], len(self))
        distinct: Ints | None = None
        if np.prod([float(len(d)) for d in dictionaries]) > PACKED_CODES:
            distinct = np.unique(code[code >= 0])
            code = np.where(code < 0, -1, np.searchsorted(distinct, code))
        order = stable_by_code(code, self.by_time)
        return Group(keys, order, code[order], dictionaries, distinct)
