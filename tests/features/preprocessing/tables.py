"""Tables of two columns of numbers and two of text."""

import pyarrow as pa

NAMES = ("a", "b", "c", "d")


def table_of(rows):
    kinds = [pa.float32(), pa.float32(), pa.string(), pa.string()]
    columns = {n: pa.array([r[j] for r in rows], k) for j, (n, k) in enumerate(zip(NAMES, kinds, strict=True))}
    return pa.table(columns)
