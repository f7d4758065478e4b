"""Two rows of one name cannot both be true: the one known first stays, whatever is ingested with it.

Where a source has corrections, one known later replaces it from then on: a row's name is then its key and that time.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.filing import micros
from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.tables import KNOWN_AT, SOURCE_FILE, SOURCE_LINE

RANK = "rank"
"""A row's place in the order in which the rows became known, ties in the order of the file."""
STANDING_RANK = -1
REPEATED = "repeated record"
"""The rule of a row that was delivered again and says the same: it is put aside and counted, and breaks nothing."""


def check_keys(source: Source, rows: pa.Table, rejections: Rejections, standing: pa.Table | None) -> None:
    """Reject all but the first known of the sound rows that share a key, and all whose key stands already.

    Parameters
    ----------
    standing
        The keys of rows that became known before any of ``rows``.
    """
    key = (*source.key, KNOWN_AT) if source.corrections else source.key
    standing = None if source.corrections else standing
    sound = np.flatnonzero(~rejections.mask)
    if not len(sound):
        return
    found = rows if len(sound) == rows.num_rows else rows.take(pa.array(sound))
    order = np.argsort(micros(found[KNOWN_AT]), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    keys = found.select(key).append_column(RANK, pa.array(rank))
    if standing is not None:
        keys = pa.concat_tables([_shared(standing, keys, key), keys])
    firsts = keys.group_by(list(key), use_threads=False).aggregate([(RANK, "min")])
    first = np.asarray(firsts.column(f"{RANK}_min"))
    again = np.ones(rows.num_rows, dtype=bool)
    again[sound[order[first[first != STANDING_RANK]]]] = False
    again &= ~rejections.mask
    if again.any():
        names, values = ", ".join(source.key), rows.column(source.key[0])
        rejections.add(_told_twice(rows, again, rejections.mask, key), rule=REPEATED, column=names, values=values)
        rejections.add(again, rule="duplicate key", column=names, values=values)


def _told_twice(
    rows: pa.Table, again: NDArray[np.bool_], broken: NDArray[np.bool_], key: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Return which of the rows whose key stands already say just what the row says that stays.

    Where each was read from, file and line, is nothing that it says.
    """
    rows = rows.drop_columns([SOURCE_FILE, SOURCE_LINE])
    later = np.flatnonzero(again)
    said_again = rows.take(pa.array(later)).to_pylist()
    named = pc.is_in(rows[key[0]], value_set=rows[key[0]].take(pa.array(later)).combine_chunks())
    kept = np.flatnonzero(np.asarray(named) & ~again & ~broken)
    said = {tuple(row.items()) for row in rows.take(pa.array(kept)).to_pylist()}
    same = np.zeros(len(again), dtype=bool)
    same[later] = [tuple(row.items()) in said for row in said_again]
    return same


def _shared(standing: pa.Table, keys: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the standing keys that may be among ``keys``: most are not, and need no grouping."""
    maybe = standing.select(key).filter(pc.is_in(standing[key[0]], value_set=keys[key[0]].combine_chunks()))
    return maybe.append_column(RANK, pa.repeat(STANDING_RANK, maybe.num_rows)).cast(keys.schema)
