"""MLflow's description of a model, reduced to what MLflow's pages show of it: nothing in it can be loaded or run."""

import json
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from mlsys_resources.canonical import canonical_json

MLMODEL: Final = "MLmodel"
"""Its file name, which MLflow gives."""
LARGEST_MLMODEL: Final = 256 * 1024
"""Bytes: some thousand columns."""
FORMAT: Final = 1
TYPES: Final = ("boolean", "integer", "long", "float", "double", "string", "datetime")
"""The types of columns that MLflow's pages know."""

ColumnType = Literal["boolean", "integer", "long", "float", "double", "string", "datetime"]


class MlmodelError(ValueError):
    """A description that says anything but what ``mlmodel`` writes."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Column(_Strict, frozen=True):
    name: str
    type: ColumnType
    required: bool


class _Flavor(_Strict, frozen=True):
    format: int
    kind: str


class _Flavors(_Strict, frozen=True):
    mlsys: _Flavor


class _Signature(_Strict, frozen=True):
    inputs: str
    outputs: str
    params: None


class _Mlmodel(_Strict, frozen=True):
    flavors: _Flavors
    signature: _Signature


def mlmodel(kind: str, inputs: Mapping[str, ColumnType], *, outputs: Mapping[str, ColumnType]) -> bytes:
    """Return the description of a model: the kind of its bundle, and its columns by name and type.

    It is JSON, which MLflow reads as the YAML that it also is. It names no flavor that MLflow could load:
    a model is read from its bundle, after its hashes were verified.

    >>> sorted(json.loads(mlmodel("linear", {"hour": "double"}, outputs={"probability": "double"})))
    ['flavors', 'signature']
    """
    signature = {"inputs": _columns(inputs), "outputs": _columns(outputs), "params": None}
    text = canonical_json({"flavors": {"mlsys": {"format": FORMAT, "kind": kind}}, "signature": signature})
    check_mlmodel(data := text.encode("ascii"))
    return data


def check_mlmodel(data: bytes) -> None:
    """Raise MlmodelError for anything that ``mlmodel`` does not write: a loader, code, another flavor, a path.

    What is not on the list of keys is refused; so are YAML's tags and anchors, since only JSON is read.
    """
    if len(data) > LARGEST_MLMODEL:
        raise MlmodelError(f"{MLMODEL} has {len(data)} bytes; at most {LARGEST_MLMODEL} are allowed")
    try:
        read = msgspec.json.decode(data, type=_Mlmodel, strict=True)
        outputs = [msgspec.json.decode(text, type=tuple[_Column, ...]) for text in _texts(read)][-1]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MlmodelError(
            f"{MLMODEL} says what no model here says of itself: {error}; allowed are flavors.mlsys and signature"
        ) from error
    kind, written = read.flavors.mlsys.kind, read.flavors.mlsys.format
    if written != FORMAT or not kind.isidentifier() or not outputs:
        raise MlmodelError(f"{MLMODEL} is of format {written} and kind {kind!r}, and names {len(outputs)} outputs")


def _columns(named: Mapping[str, ColumnType]) -> str:
    return json.dumps([{"name": name, "required": False, "type": kind} for name, kind in named.items()])


def _texts(read: _Mlmodel) -> tuple[str, str]:
    return read.signature.inputs, read.signature.outputs
