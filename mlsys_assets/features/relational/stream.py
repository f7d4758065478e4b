"""Features of more requests than fit in memory: so many at once, from files or tables to a file or to batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlsys_assets.features.feature import Feature
from mlsys_assets.features.relational.database import Given
from mlsys_assets.features.relational.engine import columns_of, compute
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP, TYPES

if TYPE_CHECKING:
    import ibis.expr.types as ir

AT_ONCE = 200_000
"""How many requests are computed at once, unless something else is said."""


def stream(  # noqa: PLR0913 - those of `compute`, and how many at once
    features: Sequence[Feature],
    requests: "ir.Table | str | Path",
    tables: Mapping[str, Given],
    *,
    key: str,
    predict_at: str = PREDICT_AT,
    backend: Any,
    at_once: int = AT_ONCE,
) -> pa.RecordBatchReader:
    """Return the features of many requests, batch by batch, the same as `compute` gives for all.

    In memory are ``at_once`` requests and their features. The sources' rows that these can look at are the
    database's: it reads them anew for each batch, so that requests in order of time cost least, and spills what does
    not fit, save one key's rows while they are summed.

    Parameters
    ----------
    features, tables, key, predict_at, backend
        See `compute`.
    requests
        The path of a Parquet file, whose order is kept; or a table of the backend, which has none: its rows come in
        order of their prediction time.
    at_once
        How many requests are computed at once.

    Raises what `compute` raises; DeclarationError at once, everything else when the batches are read.
    """
    asked = _schema(requests) if isinstance(requests, str | Path) else requests.schema().to_pyarrow()
    named = columns_of(features, asked)
    schema = pa.schema([
        asked.field(key), pa.field(PREDICT_AT, TIMESTAMP),
        *(pa.field(c.name, TYPES[c.type]) for _, columns in named for c in columns),
    ])  # fmt: skip

    def batches() -> Iterator[pa.RecordBatch]:
        with TemporaryDirectory(prefix="mlsys-requests-") as folder:
            for part in _parts(_in_file(requests, predict_at, backend, Path(folder)), at_once):
                found = compute(features, part, tables, key=key, predict_at=predict_at, backend=backend)
                yield from found.cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def write(reader: pa.RecordBatchReader, to: str | Path) -> int:
    """Write batches to a Parquet file as they come, and return how many rows there were."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(to, reader.schema) as file:
        for batch in reader:
            file.write_batch(batch)
            rows += batch.num_rows
    return rows


def _in_file(requests: "ir.Table | str | Path", predict_at: str, backend: Any, folder: Path) -> Path:
    """Return a Parquet file of the requests: a table is asked once, since a database forgets what it was streaming."""
    if isinstance(requests, str | Path):
        return Path(requests)
    to = folder / "requests.parquet"
    backend.to_parquet(requests.order_by(predict_at), to)
    return to


def _parts(file: Path, at_once: int) -> Iterable[pa.Table]:
    """Yield the file's rows in order, ``at_once`` in each table."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in _batches(file, at_once):
        given = batch
        while rows + given.num_rows >= at_once:
            yield pa.Table.from_batches([*held, given.slice(0, at_once - rows)])
            held, rows, given = [], 0, given.slice(at_once - rows)
        if given.num_rows:
            held.append(given)
            rows += given.num_rows
    if held:
        yield pa.Table.from_batches(held)


def _batches(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    for file in _files(path):
        with pq.ParquetFile(file, pre_buffer=False) as opened:
            yield from opened.iter_batches(rows)


def _schema(path: str | Path) -> pa.Schema:
    import pyarrow.parquet as pq

    return pq.read_schema(_files(Path(path))[0])


def _files(path: Path) -> list[Path]:
    """Return the file, or those of a folder in order: Spark writes one for each part."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]
