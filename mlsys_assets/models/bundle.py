"""The bundle: a model as JSON and Booster text. No pickle, no code, nothing that runs when it is read."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from mlsys_assets.models.baselines import GroupRatePredictor, ZeroRulePredictor
from mlsys_assets.models.blend import PART, BlendPredictor
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.exceedance_predictor import ExceedancePredictor
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.predictor import BundleError, Predictor, decode, encode

HEADER: Final = "bundle.json"
FORMAT: Final = 1
"""Raised when a file's meaning changes; a bundle of another format is refused."""

Reader = Callable[[Mapping[str, bytes]], Predictor]
PREDICTOR_KINDS: Final[Mapping[str, tuple[tuple[str, ...], Reader]]] = {
    "zero_rule": (("rates.json",), ZeroRulePredictor.from_contents),
    "group_rate": (("rates.json",), GroupRatePredictor.from_contents),
    "linear": (("coefficients.json", "preprocessing.json"), LinearPredictor.from_contents),
    "lightgbm": (("model.txt", "preprocessing.json"), BoosterPredictor.from_contents),
    "lightgbm_margin": (("margin.json", "model.txt", "preprocessing.json"), MarginPredictor.from_contents),
    "lightgbm_exceedance": (("exceedance.json", "model.txt", "preprocessing.json"), ExceedancePredictor.from_contents),
    "blend": (("blend.json",), lambda files: BlendPredictor.from_contents(files, _read)),
}
"""Each kind's files and their reader; a blend also reads those of its parts, whose names begin with ``part.``.
What else lies beside them, such as a passport, is never read."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of bundle.json: how to read the rest."""

    format: int
    kind: str
    columns: tuple[str, ...]
    output: str = "probability"


def to_files(predictor: Predictor) -> dict[str, bytes]:
    """Return the model as files by name; equal models give equal bytes."""
    header = Header(FORMAT, predictor.kind, predictor.columns)
    return {HEADER: encode(header), **predictor.contents()}


def from_files(files: Mapping[str, bytes]) -> Predictor:
    """Return the model that ``to_files`` wrote; its predictions are equal to the last bit.

    For files whose hashes were verified before; those that are not the kind's own are left alone.
    Raises BundleError for an unknown format or kind, a missing file, and content that is not what
    was written. A Booster text is parsed in a child process first.
    """
    header = decode(files, HEADER, Header)
    if header.format != FORMAT:
        raise BundleError(f"format {header.format} of kind {header.kind!r} is unknown; known: {FORMAT}")
    predictor = _read(header.kind, files)
    if predictor.columns != header.columns:
        raise BundleError(f"{HEADER} names other columns than the model reads: {header.columns}, {predictor.columns}")
    return predictor


def _read(kind: str, files: Mapping[str, bytes], begins: str = "") -> Predictor:
    """Return the model of a kind; raises BundleError for an unknown one, and where files are missing or broken."""
    if kind not in PREDICTOR_KINDS:
        raise BundleError(f"kind {kind!r} is unknown; known: {sorted(PREDICTOR_KINDS)}")
    names, read = PREDICTOR_KINDS[kind]
    if absent := [begins + name for name in names if name not in files]:
        raise BundleError(f"a {kind} bundle without {absent}; it has {sorted(files)}")
    return read({name: files[name] for name in files if name in names or name.startswith(PART)})
