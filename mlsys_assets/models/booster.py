"""A LightGBM Booster as text: scored through the C library alone, so that a scoring process stays light."""

import ctypes
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.threads import on_free_cores

LIBRARY: Final = {"darwin": "lib_lightgbm.dylib", "win32": "lib_lightgbm.dll"}.get(sys.platform, "lib_lightgbm.so")
FOLDERS: Final = ("lib", "bin")
DTYPES: Final = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
"""LightGBM's C_API_DTYPE_FLOAT32 and C_API_DTYPE_FLOAT64."""
NORMAL: Final = 0
"""C_API_PREDICT_NORMAL: the objective's own scale, here probabilities."""
CONTRIBUTIONS: Final = 3
"""C_API_PREDICT_CONTRIB: what each feature adds to the log odds, and last what all rows begin from."""
ROW_MAJOR: Final = 1


class Booster:
    """A parsed Booster text. Only for text whose hash was verified and that a child has parsed before.

    The C library lets any number of threads score with one Booster: it is read only.
    """

    def __init__(self, text: bytes) -> None:
        self._handle = ctypes.c_void_p()
        _call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(ctypes.c_int()), ctypes.byref(self._handle))
        weakref.finalize(self, _library().LGBM_BoosterFree, self._handle)
        if (classes := self._count("LGBM_BoosterGetNumClasses")) != 1:
            raise ValueError(f"the Booster gives {classes} scores a row; a binary model gives one")
        self.features = self._count("LGBM_BoosterGetNumFeature")

    def _count(self, function: str) -> int:
        count = ctypes.c_int()
        _call(function, self._handle, ctypes.byref(count))
        return count.value

    def predict(self, matrix: NDArray[np.floating], *, threads: int) -> NDArray[np.float64]:
        """Return (n,) probabilities of an (n, d) matrix; a row's does not depend on the threads."""
        return self._run(matrix, NORMAL, width=1, threads=threads)[:, 0]

    def contributions(self, matrix: NDArray[np.floating], *, threads: int) -> NDArray[np.float64]:
        """Return (n, d + 1) Shapley values of an (n, d) matrix in log odds, the base last (Lundberg et al. 2020)."""
        return self._run(matrix, CONTRIBUTIONS, width=self.features + 1, threads=threads)

    def _run(self, matrix: NDArray[np.floating], kind: int, *, width: int, threads: int) -> NDArray[np.float64]:
        """Return (n, width) what the library gives of that kind."""
        rows = np.ascontiguousarray(matrix)
        if rows.ndim != 2 or rows.shape[1] != self.features or rows.dtype not in DTYPES:  # noqa: PLR2004
            raise ValueError(f"expected (n, {self.features}) float32 or float64, got {rows.shape} {rows.dtype}")
        given, written = np.empty((len(rows), width)), ctypes.c_int64()
        told = f"num_threads={on_free_cores(threads)}".encode()
        if len(rows) == 0:
            return given
        _call(
            "LGBM_BoosterPredictForMat", self._handle, rows.ctypes.data_as(ctypes.c_void_p), DTYPES[rows.dtype],
            ctypes.c_int32(rows.shape[0]), ctypes.c_int32(rows.shape[1]), ROW_MAJOR, kind, 0, -1,
            told, ctypes.byref(written), given.ctypes.data_as(ctypes.c_void_p),
        )  # fmt: skip
        return given


@contextmanager
def few_where_cores_are_taken(threads: int) -> Iterator[None]:
    """Let LightGBM take, meanwhile, no more of the threads than find a free core; whatever it fits says all of them.

    With its ``deterministic`` and one fixed layout, a model does not depend on the number of threads.
    """
    _call("LGBM_SetMaxThreads", ctypes.c_int(on_free_cores(threads)))
    try:
        yield
    finally:
        _call("LGBM_SetMaxThreads", ctypes.c_int(-1))


@cache
def library_path() -> str:
    """Return where LightGBM's shared library lies, without importing the package, which loads pandas and more."""
    spec = find_spec("lightgbm")
    folders = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / name for name in FOLDERS]
    found = [folder / LIBRARY for folder in folders if (folder / LIBRARY).is_file()]
    if not found:
        raise FileNotFoundError(f"LightGBM's {LIBRARY} was not found in {[str(f) for f in folders]}; install lightgbm")
    return str(found[0])


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(library_path())
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(function: str, *arguments: object) -> None:
    if getattr(_library(), function)(*arguments) != 0:
        raise ValueError(f"LightGBM's {function} failed: {_library().LGBM_GetLastError().decode(errors='replace')}")
