"""The bundle: a model as JSON, Booster text, arrays and checked graphs. No pickle; nothing runs when it is read."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec

from mlsys_assets.models.baselines import GroupRatePredictor, ZeroRulePredictor
from mlsys_assets.models.blend import PART, BlendPredictor
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.calibrated_predictor import CALIBRATOR, WITHIN, CalibratedPredictor
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.estimator_predictor import EstimatorPredictor
from mlsys_assets.models.exceedance_predictor import ExceedancePredictor
from mlsys_assets.models.human_rule import RulePredictor
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.onnx_predictor import MODEL, OnnxPredictor
from mlsys_assets.models.predictor import BundleError, Predictor, ReadKind, decode, encode
from mlsys_assets.models.random_baseline import RandomPredictor
from mlsys_assets.models.sgd_predictor import SgdPredictor
from mlsys_assets.models.stack_predictor import META, StackPredictor

HEADER: Final = "bundle.json"
FORMAT: Final = 1
"""Raised when a file's meaning changes; a bundle of another format is refused."""
DEEPEST: Final = 4
"""How deep models may stand within models: a stack of blends of calibrated ones is three deep."""

Reader: TypeAlias = Callable[[Mapping[str, bytes], ReadKind], Predictor]


class Kind(NamedTuple):
    """A kind's files and their reader; the files of models within it have names that begin with ``within``."""

    files: tuple[str, ...]
    read: Reader
    within: str = ""


def _plain(read: Callable[[Mapping[str, bytes]], Predictor]) -> Reader:
    """Return the reader of a kind that holds no other model."""
    return lambda files, _: read(files)


PREDICTOR_KINDS: Final[Mapping[str, Kind]] = {
    "zero_rule": Kind(("rates.json",), _plain(ZeroRulePredictor.from_contents)),
    "group_rate": Kind(("rates.json",), _plain(GroupRatePredictor.from_contents)),
    "random": Kind(("columns.json",), _plain(RandomPredictor.from_contents)),
    "human_rule": Kind(("rules.json",), _plain(RulePredictor.from_contents)),
    "linear": Kind(("coefficients.json", "preprocessing.json"), _plain(LinearPredictor.from_contents)),
    "sgd": Kind(("coefficients.json", "descent.json", "preprocessing.json"), _plain(SgdPredictor.from_contents)),
    "lightgbm": Kind(("model.txt", "preprocessing.json"), _plain(BoosterPredictor.from_contents)),
    "lightgbm_margin": Kind(("margin.json", "model.txt", "preprocessing.json"), _plain(MarginPredictor.from_contents)),
    "lightgbm_exceedance": Kind(
        ("exceedance.json", "model.txt", "preprocessing.json"), _plain(ExceedancePredictor.from_contents)
    ),
    "onnx": Kind((MODEL, "preprocessing.json"), _plain(OnnxPredictor.from_contents)),
    "estimator": Kind(
        ("estimator.json", "estimator.skops", "preprocessing.json"), _plain(EstimatorPredictor.from_contents)
    ),
    "mlp": Kind(("layers.json", "preprocessing.json", "weights.npz"), _plain(MlpPredictor.from_contents)),
    "compact_linear": Kind(
        ("layers.json", "preprocessing.json", "weights.npz"), _plain(CompactLinearPredictor.from_contents)
    ),
    "calibrated": Kind((CALIBRATOR,), CalibratedPredictor.from_contents, WITHIN),
    "blend": Kind(("blend.json",), BlendPredictor.from_contents, PART),
    "stack": Kind((META,), StackPredictor.from_contents, PART),
}
"""By name. What else lies beside a kind's files, such as a passport, is never read."""


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


def _read(kind: str, files: Mapping[str, bytes], begins: str = "", *, depth: int = 0) -> Predictor:
    """Return the model of a kind; ``begins`` is what its files' names began with in the bundle."""
    if kind not in PREDICTOR_KINDS:
        raise BundleError(f"kind {kind!r} is unknown; known: {sorted(PREDICTOR_KINDS)}")
    if depth > DEEPEST:
        raise BundleError(f"models stand within models more than {DEEPEST} deep: nothing here writes such a bundle")
    known = PREDICTOR_KINDS[kind]
    if absent := [begins + name for name in known.files if name not in files]:
        raise BundleError(f"a {kind} bundle without {absent}; it has {sorted(begins + name for name in files)}")
    own = {n: data for n, data in files.items() if n in known.files or (known.within and n.startswith(known.within))}
    predictor = known.read(own, partial(_read, depth=depth + 1))
    if predictor.kind != kind:
        raise BundleError(f"a {kind} bundle whose files say that it is {predictor.kind!r}")
    return predictor
