"""Questions about ranges of an array, asked all at once: the least value, and how many different ones."""

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.embedded.key_codes import Ints, Positions

Floats = NDArray[np.float64]


def extremes(values: Floats, start: Positions, end: Positions) -> Floats:
    """Return (m,) the least of ``values[start:end]``; infinite where the range is empty.

    A sparse table (Bender and Farach-Colton 2000), one level at a time: O(n + m) memory, O((n + m) log longest) time.
    """
    found = np.full(len(start), np.inf)
    length = end - start
    level, width, table = 0, 1, values
    longest = int(length.max(initial=0))
    while width <= longest:
        here = (length >= width) & (length < 2 * width)
        found[here] = np.minimum(table[start[here]], table[end[here] - width])
        if 2 * width > longest:
            break
        table = np.minimum(table[:-width], table[width:])
        level, width = level + 1, 2 * width
    return found


def distinct_values(values: NDArray[np.generic], code: Ints, start: Positions, end: Positions) -> Ints:
    """Return (m,) how many different values each range has; ranges lie within one ``code``, (n,) ascending.

    A value counts where it stands first in its range: where the same value before it, of the same code, lies before
    the range begins. O((n + m) log n) time, O(n + m) memory.
    """
    n = len(values)
    _, value = np.unique(values, return_inverse=True)
    order = np.lexsort((np.arange(n), value, code))
    again = (code[order[1:]] == code[order[:-1]]) & (value[order[1:]] == value[order[:-1]])
    before = np.zeros(n, np.int64)  # one more than where the same value stood before; 0 where it did not
    before[order[1:][again]] = order[:-1][again] + 1
    # Of the rows before the range all stood before it, so that those of the range are left over.
    return _below(before, end, start + 1) - start


def _below(values: Ints, end: Positions, bound: Ints) -> Ints:
    """Return (m,) how many of ``values[:end]`` are less than ``bound``; as a wavelet tree does (Navarro 2014)."""
    found = np.zeros(len(end), np.int64)
    low, high = np.zeros(len(end), np.int64), np.asarray(end, np.int64)
    for bit in range(int(max(values.max(initial=0), bound.max(initial=0))).bit_length() - 1, -1, -1):
        ones = (values >> bit) & 1 == 1
        zeros = np.append(0, np.cumsum(~ones))
        split = int(zeros[-1])
        low_zeros, high_zeros = zeros[low], zeros[high]
        larger = (bound >> bit) & 1 == 1
        found += np.where(larger, high_zeros - low_zeros, 0)
        low = np.where(larger, split + low - low_zeros, low_zeros)
        high = np.where(larger, split + high - high_zeros, high_zeros)
        values = np.concatenate([values[~ones], values[ones]])
    return found
