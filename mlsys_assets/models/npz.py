"""Arrays as one NumPy archive: equal arrays give equal bytes, and what is read is what was expected, or refused.

NumPy's own writer puts the time of day into the archive, and its own reader believes what a header says
before it looks how much there is.
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.predictor import BundleError

Arrays = Mapping[str, NDArray[np.generic]]

NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can give a file."""
UNIX: Final = 3
"""The system that the archive says it was made on, wherever that was."""
MAGIC: Final = b"\x93NUMPY\x01\x00"
"""How an array of the first version of NumPy's format begins."""
ALIGNED: Final = 64
"""The bytes of a header are a multiple of this."""
LOCAL, CENTRAL, END = 30, 46, 22
"""The bytes that a zip archive spends on a file, on its entry in the directory, and on the directory's end."""
UNREADABLE: Final = (
    zipfile.BadZipFile, ValueError, KeyError, RuntimeError, OSError, EOFError, OverflowError, struct.error,
)  # fmt: skip
"""What zipfile and we raise for an archive that is broken, encrypted or not as expected."""


class Expected(NamedTuple):
    """What an array must be: its type, such as "<f4", and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The bytes of its elements."""
        return int(np.prod(self.shape, dtype=object)) * np.dtype(self.dtype).itemsize

    @property
    def header(self) -> bytes:
        """What NumPy's format says of it."""
        return f"{{'descr': '{self.dtype}', 'fortran_order': False, 'shape': {self.shape}, }}".encode()


def to_npz(arrays: Arrays) -> bytes:
    """Return an archive that ``numpy.load`` reads.

    >>> to_npz({"a": np.zeros(2)}) == to_npz({"a": np.zeros(2)})
    True
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", NO_TIME)
            entry.create_system = UNIX
            archive.writestr(entry, _npy(array))
    return out.getvalue()


def from_npz(files: Mapping[str, bytes], file: str, expected: Mapping[str, Expected]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of the archive among some files, read-only; raises BundleError unless they are as expected.

    Nothing is unpacked: a file in the archive is as long as what it holds, and all together as long as the archive.
    """
    if file not in files:
        raise BundleError(f"the bundle lacks {file}; it has {sorted(files)}")
    try:
        with zipfile.ZipFile(io.BytesIO(files[file])) as archive:
            _check_sizes(archive, expected, length=len(files[file]))
            return {name: _array(archive.read(f"{name}.npy"), one) for name, one in expected.items()}
    except UNREADABLE as error:
        raise BundleError(f"{file} is not what was written: {error}") from error


def _check_sizes(archive: zipfile.ZipFile, expected: Mapping[str, Expected], *, length: int) -> None:
    """Raise ValueError unless the archive holds the expected names in order, not compressed, and nothing else."""
    entries = archive.infolist()
    names = [f"{name}.npy" for name in expected]
    if [entry.filename for entry in entries] != names:
        raise ValueError(f"it holds {[entry.filename for entry in entries][:10]}, expected {names[:10]}")
    if packed := [
        e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED or e.compress_size != e.file_size
    ]:
        raise ValueError(f"{packed} are compressed, which nothing here writes")
    told = sum(LOCAL + CENTRAL + 2 * len(entry.filename) + entry.file_size for entry in entries) + END
    if told != length:
        raise ValueError(f"it has {length} bytes, its files take {told}")


def _npy(array: NDArray[np.generic]) -> bytes:
    dtype = array.dtype.newbyteorder("<")
    header = Expected(dtype.str, array.shape).header
    room = -(len(MAGIC) + 2 + len(header) + 1) % ALIGNED
    length = struct.pack("<H", len(header) + room + 1)
    return MAGIC + length + header + b" " * room + b"\n" + np.ascontiguousarray(array, dtype).tobytes()


def _array(data: bytes, expected: Expected) -> NDArray[np.generic]:
    begin = len(MAGIC) + 2
    if data[: len(MAGIC)] != MAGIC or len(data) < begin:
        raise ValueError("an array does not begin as NumPy's format does")
    start = begin + struct.unpack("<H", data[len(MAGIC) : begin])[0]
    if data[begin:start].rstrip() != expected.header:
        raise ValueError(f"an array says that it is {data[begin:start][:200]!r}, expected {expected.header!r}")
    if len(data) - start != expected.size:
        raise ValueError(f"an array has {len(data) - start} bytes, expected {expected.size}")
    return np.frombuffer(data, dtype=expected.dtype, offset=start).reshape(expected.shape)
