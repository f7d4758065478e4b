"""What makes two tables, or two rows, the same: hashes of content that no storage detail changes."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def data_hash(table: pa.Table) -> str:
    """Return the SHA-256 of a table's names, types and values, in row order.

    Chunks, slices, dictionaries and the sign of zero do not matter; NaN and null are both "missing".

    >>> data_hash(pa.table({"x": [1.0, None]})) == data_hash(pa.table({"x": [1.0, float("nan")]}))
    True
    """
    digest = hashlib.sha256()
    for name in table.schema.names:
        kind = _plain(table.schema.field(name).type)
        values = pa.concat_arrays(table[name].cast(kind).chunks) if table.num_rows else pa.array([], kind)
        for part in (name.encode(), str(kind).encode(), *_parts(values, kind)):
            digest.update(memoryview(part).nbytes.to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def row_hashes(table: pa.Table) -> NDArray[np.uint64]:
    """Return (n,) one 64-bit hash a row (splitmix64, Steele et al. 2014); equal rows of any table share it.

    Some two unequal rows share one with probability n²/2⁶⁵: 3e-9 for 300,000 rows. Not for security.
    """
    state = np.zeros(table.num_rows, dtype=np.uint64)
    for name in table.schema.names:
        codes, values = _codes(table[name])
        state = mixed(state, codes if values is None else text_hashes(values)[codes.view(np.int64)])
    return state


def mixed(state: NDArray[np.uint64], codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return (n,) the states of hashes after one more code each: a step of splitmix64."""
    state = state ^ codes
    state += _GOLDEN
    state ^= state >> np.uint64(30)
    state *= _MIX_1
    state ^= state >> np.uint64(27)
    state *= _MIX_2
    state ^= state >> np.uint64(31)
    return state


def _parts(values: pa.Array, kind: pa.DataType) -> list[memoryview]:
    """Return the bytes of a column that say what its values are, whatever lies under those that are missing."""
    if pa.types.is_string(kind):
        lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy()
        told = pc.fill_null(values, "")
        data, ends = told.buffers()[2], np.frombuffer(told.buffers()[1] or b"", dtype=np.int32)
        spoken = memoryview(data)[ends[told.offset] : ends[told.offset + len(told)]] if data else memoryview(b"")
        return [memoryview(lengths), spoken]
    if pa.types.is_floating(kind):
        numbers = values.to_numpy(zero_copy_only=False) + 0  # + 0 makes -0.0 the same as 0.0, and a copy
        numbers[np.isnan(numbers)] = np.nan  # one NaN, whatever its bits were
        return [memoryview(numbers)]
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return [memoryview(missing), memoryview(pc.fill_null(values.cast(pa.int64()), 0).to_numpy())]


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.uint64], list[str] | None]:
    """Return (n,) 64-bit codes that are equal where values are, and the texts that codes of text point to."""
    kind = _plain(column.type)
    if pa.types.is_string(kind):
        encoded = column.cast(kind).combine_chunks().dictionary_encode()
        positions = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        return positions.view(np.uint64), encoded.dictionary.to_pylist()
    if pa.types.is_floating(kind):
        values = column.cast(pa.float64()).to_numpy() + 0.0  # + 0.0 makes -0.0 the same as 0.0
        values[np.isnan(values)] = np.nan  # one NaN, whatever its bits were
        return values.view(np.uint64), None
    whole = column.cast(pa.int64())
    missing = whole.is_null().to_numpy().astype(np.uint64)
    codes = pc.fill_null(whole, 0).to_numpy().view(np.uint64)
    return codes + missing * _GOLDEN if missing.any() else codes, None


def text_hashes(values: list[str]) -> NDArray[np.uint64]:
    """Return one hash a text, and last, where position -1 finds it, the hash of none."""
    digests = [hashlib.blake2b(v.encode(), digest_size=8).digest() for v in values]
    return np.append(np.frombuffer(b"".join(digests), dtype=np.uint64), _GOLDEN)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type without what only concerns storage."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
