"""Where two versions of a table differ: told by their files, then by the hashes of their ticks, then read."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from mlsys_resources.table_version import TableVersion
from mlsys_resources.tick_rows import BLOCK, TICK, by_tick, of_ticks, tick_hashes


def differing(before: TableVersion, after: TableVersion) -> tuple[pa.Table, pa.Table]:
    """Return of each version the rows of the ticks in which the two differ, ``tick`` as their last column.

    A file is never changed, so that blocks of the same files are equal and are not read. Of a snapshot all rows are
    returned, unless both versions are of one file.

    Raises ValueError if one version is written by ticks and the other whole.
    """
    if before.ticked is not after.ticked:
        raise ValueError(f"{before.what} was written by ticks in one of the two versions, and whole in the other")
    if not before.ticked:
        same = before.paths() == after.paths()
        return (_none(before), _none(after)) if same else (_rows(before, None), _rows(after, None))
    ours, theirs = _files(before), _files(after)
    blocks = sorted(block for block in ours.keys() | theirs.keys() if ours.get(block) != theirs.get(block))
    old, new = _rows(before, blocks), _rows(after, blocks)
    if before.schema != after.schema:
        return old, new
    ticks = sorted({*old[TICK].unique().to_pylist(), *new[TICK].unique().to_pylist()})
    here, there = (tick_hashes(by_tick(before.what, rows, ticks)) for rows in (old, new))
    apart = [tick for tick in ticks if here[tick] != there[tick]]
    return _of(old, apart), _of(new, apart)


def _files(version: TableVersion) -> dict[str, list[str]]:
    """Return the files of each block."""
    found: dict[str, list[str]] = {}
    for path in version.paths():
        found.setdefault(path.partition("/")[0].removeprefix(f"{BLOCK}="), []).append(path)
    return found


def _rows(version: TableVersion, blocks: Sequence[str] | None) -> pa.Table:
    own = version.schema.names
    return version.rows([*own, TICK] if version.ticked else own, blocks=blocks)


def _none(version: TableVersion) -> pa.Table:
    return pa.table({f.name: pa.nulls(0, f.type) for f in version.schema})


def _of(rows: pa.Table, ticks: Sequence[datetime]) -> pa.Table:
    parts = of_ticks(rows, ticks)
    return pa.concat_tables([rows.slice(0, 0), *parts.values()])
