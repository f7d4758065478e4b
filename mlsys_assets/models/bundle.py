"""The bundle: a model as JSON and Booster text. No pickle, no code, nothing that runs when it is read."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from mlsys_assets.models.baselines import GroupRatePredictor, ZeroRulePredictor
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.calibrated_predictor import CALIBRATOR, WITHIN, CalibratedPredictor
from mlsys_assets.models.human_rule import RulePredictor
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.predictor import BundleError, Predictor, decode, encode
from mlsys_assets.models.random_baseline import RandomPredictor

HEADER: Final = "bundle.json"
FORMAT: Final = 1
"""Raised when a file's meaning changes; a bundle of another format is refused."""

Reader = Callable[[Mapping[str, bytes]], Predictor]


def _calibrated(files: Mapping[str, bytes]) -> Predictor:
    return CalibratedPredictor.from_contents(files, read=_within)


PREDICTOR_KINDS: Final[Mapping[str, tuple[tuple[str, ...], Reader]]] = {
    "zero_rule": (("rates.json",), ZeroRulePredictor.from_contents),
    "group_rate": (("rates.json",), GroupRatePredictor.from_contents),
    "random": (("columns.json",), RandomPredictor.from_contents),
    "human_rule": (("rules.json",), RulePredictor.from_contents),
    "linear": (("coefficients.json", "preprocessing.json"), LinearPredictor.from_contents),
    "lightgbm": (("model.txt", "preprocessing.json"), BoosterPredictor.from_contents),
    "calibrated": ((CALIBRATOR,), _calibrated),
}
"""Each kind's files and their reader: what else lies beside them, such as a passport, is never read."""


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
        raise BundleError(f"format {header.format} is unknown; known: {FORMAT}")
    predictor = _read(header.kind, files)
    if predictor.columns != header.columns:
        raise BundleError(f"{HEADER} names other columns than the model reads: {header.columns}, {predictor.columns}")
    return predictor


def _read(kind: str, files: Mapping[str, bytes], *, prefix: str = "") -> Predictor:
    """Return the model of a kind; ``prefix`` is what its files' names began with in the bundle."""
    if kind not in PREDICTOR_KINDS:
        raise BundleError(f"kind {kind!r} is unknown; known: {sorted(PREDICTOR_KINDS)}")
    names, read = PREDICTOR_KINDS[kind]
    if absent := [prefix + name for name in names if name not in files]:
        raise BundleError(f"a {kind} bundle without {absent}; it has {sorted(prefix + name for name in files)}")
    return read(files)


def _within(kind: str, files: Mapping[str, bytes]) -> Predictor:
    if kind == CalibratedPredictor.kind:
        raise BundleError("a calibrated model holds one that is calibrated already: nothing here writes such a bundle")
    return _read(kind, files, prefix=WITHIN)
