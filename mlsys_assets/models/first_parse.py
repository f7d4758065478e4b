"""The first parse of a Booster text, in a process that may die of it.

LightGBM 4.7 aborts on most truncated texts, and reads out of bounds before it does. So a text is
checked for completeness, and its trees for soundness, as plain text, then parsed and run by a
child, and only then here. The child is this very file run as a script: it loads LightGBM's library
by ctypes and nothing else, which costs some 50 ms where ``import lightgbm`` costs seconds.
"""

import contextlib
import ctypes
import re
import subprocess
import sys

SECONDS = 60.0
"""How long a child may take before it counts as hung."""
FLOAT64, NORMAL, ROW_MAJOR = 1, 0, 1
"""LightGBM's C constants: C_API_DTYPE_FLOAT64, C_API_PREDICT_NORMAL, is_row_major."""


class ParseError(ValueError):
    """A text that is no complete Booster of the expected shape."""


def check_text(text: bytes) -> None:
    """Raise ParseError unless every tree that the header announces is there, whole and sound, and so is the end."""
    from mlsys_assets.models.booster_trees import TreeError, check_tree  # not of the child, which has no packages

    sizes = re.search(rb"^tree_sizes=([\d ]+)$", text, re.MULTILINE)
    start = text.find(b"\nTree=0\n") + 1
    if not text.startswith(b"tree\n") or sizes is None or start == 0:
        raise ParseError("this is no Booster text: it has no header, or no trees")
    last = re.findall(rb"^max_feature_idx=(\d+)$", text[:start], re.MULTILINE)
    if len(last) != 1:
        raise ParseError(f"the header of the Booster text says {len(last)} times how many features there are")
    for tree, size in enumerate(int(n) for n in sizes[1].split()):
        if not text.startswith(b"Tree=%d\n" % tree, start):
            raise ParseError(f"tree {tree} of the Booster text is not where its header says: cut off or edited")
        try:
            check_tree(text[start : start + size], features=int(last[0]) + 1)
        except TreeError as error:
            raise ParseError(f"tree {tree} of the Booster text is unsound: {error}") from error
        start += size
    if not text.startswith(b"end of trees\n", start) or b"\nend of parameters\n" not in text[start:]:
        raise ParseError("the Booster text ends too early, or holds more trees than its header says")


def parse_in_child(text: bytes, *, library: str, features: int, probabilities: bool = True) -> None:
    """Parse and run the text in a child; raises ParseError unless it gives probabilities from ``features`` columns.

    With ``probabilities=False`` any finite number will do: a margin, or a number of minutes.
    """
    check_text(text)
    most = 1.0 if probabilities else sys.float_info.max
    least = 0.0 if probabilities else -most
    command = [sys.executable, "-I", "-S", __file__, library, str(features), repr(least), repr(most)]
    try:
        # What LightGBM prints of a broken text can be other people's memory: it goes nowhere.
        child = subprocess.run(
            command, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ParseError(f"the Booster text was not parsed within {SECONDS:g} s") from error
    if child.returncode != 0:
        raise ParseError(f"the Booster text does not parse to a model of {features} features (exit {child.returncode})")


def main(library: str, features: int, *, least: float = 0.0, most: float = 1.0) -> bool:
    """Return whether the text on standard input gives a score in [least, most] for a row of zeros and one of NaN."""
    with contextlib.suppress(ImportError, ValueError):
        import resource  # absent on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lightgbm = ctypes.CDLL(library)
    handle, count = ctypes.c_void_p(), ctypes.c_int()
    text = ctypes.c_char_p(sys.stdin.buffer.read())
    if lightgbm.LGBM_BoosterLoadModelFromString(text, ctypes.byref(count), ctypes.byref(handle)):
        return False
    for function, expected in (("LGBM_BoosterGetNumFeature", features), ("LGBM_BoosterGetNumClasses", 1)):
        if getattr(lightgbm, function)(handle, ctypes.byref(count)) or count.value != expected:
            return False
    rows = (ctypes.c_double * (2 * features))(*[0.0] * features, *[float("nan")] * features)
    scores, written = (ctypes.c_double * 2)(), ctypes.c_int64()
    failed = lightgbm.LGBM_BoosterPredictForMat(
        handle, rows, FLOAT64, ctypes.c_int32(2), ctypes.c_int32(features), ROW_MAJOR, NORMAL, 0, -1,
        ctypes.c_char_p(b"num_threads=1"), ctypes.byref(written), scores,
    )  # fmt: skip
    return not failed and written.value == len(scores) and all(least <= score <= most for score in scores)


if __name__ == "__main__":
    bounds = [float(argument) for argument in sys.argv[3:]] or [0.0, 1.0]
    sys.exit(0 if main(sys.argv[1], int(sys.argv[2]), least=bounds[0], most=bounds[1]) else 1)
