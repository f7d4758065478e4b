"""Rows of files as blocks of numbers, one at a time: a pass takes the same memory however many rows there are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.distributed.newton import Block

AT_ONCE = 65_536
"""How many rows are held at once, unless something else is said."""


def parquet_blocks(
    path: str | Path, preprocessing: Preprocessing, *, label: str, at_once: int = AT_ONCE
) -> Callable[[], Iterator[Block]]:
    """Return what begins a pass over training rows that lie in Parquet, in the files' order.

    Parameters
    ----------
    path
        A file, or a folder of files, which are taken by name.
    preprocessing
        Fitted on as many training rows as are held at once.
    label
        The column with 0 or 1; it is none of the preprocessing's.
    at_once
        How many rows a block has at most.

    A pass raises FitError for a label that is missing, ColumnError for columns that are not the preprocessing's.
    """
    import pyarrow.parquet as pq

    where = Path(path)
    files = sorted(where.glob("*.parquet")) if where.is_dir() else [where]
    if label in preprocessing.columns:
        raise ValueError(f"the label {label!r} is a column of the preprocessing; leave it out of the features")

    def blocks() -> Iterator[Block]:
        for file in files:
            with pq.ParquetFile(file, pre_buffer=False) as opened:
                for batch in opened.iter_batches(at_once, columns=[*preprocessing.columns, label]):
                    rows = pa.Table.from_batches([batch])
                    if missing := rows[label].null_count:
                        raise FitError(f"{file.name}: {missing} rows have no {label}; leave out what is not labelled")
                    yield preprocessing.transform(rows), rows[label].to_numpy().astype(np.float64)

    return blocks
