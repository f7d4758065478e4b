"""Declarations as data: a frozen declaration written as JSON, and made again from it by the code of then."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from importlib import import_module
from types import FunctionType
from typing import Any, Final, TypeAlias

import numpy as np

from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.types import microseconds

Json: TypeAlias = Any
"""What JSON holds."""
TEXT: Final = "text"
"""How what cannot be made again is told."""
MOST_TOLD: Final = 200
"""Characters of a declaration that an error repeats."""
LOCAL: Final = "<"
"""Stands in the qualified name of what no module holds by a name: a lambda, or what a function defines."""


def declared(value: object) -> Json:
    """Return a declaration as JSON holds it.

    Told are numbers, text, durations, moments, members of enumerations, tuples, lists, sets, mappings by text, classes
    and functions by the module that holds them, dataclasses by their fields, and what has ``get_params`` by its
    parameters. Anything else is told in words, and cannot be made again.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, str | bool | int | float) and not isinstance(value, Enum)):
        return value if not isinstance(value, float) or math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple | list | Set | Mapping):
        return _several(value)
    return _one(value)


def _several(value: Iterable[object]) -> Json:
    match value:
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                return {TEXT: "a mapping whose keys are no text"}
            return {"mapping": [[key, declared(one)] for key, one in value.items()]}
        case Set():
            return {"set": sorted((declared(one) for one in value), key=repr)}
    return {"list" if isinstance(value, list) else "tuple": [declared(one) for one in value]}


def _one(value: Any) -> Json:
    kind = type(value)
    match value:
        case Enum() if LOCAL not in kind.__qualname__:
            return {"enum": _name(kind), "member": value.name}
        case timedelta():
            return {"microseconds": microseconds(value)}
        case datetime():
            return {"moment": value.isoformat()}
        case type() | FunctionType():
            return {TEXT: value.__qualname__} if LOCAL in value.__qualname__ else {"named": _name(value)}
    if LOCAL in kind.__qualname__ or not (is_dataclass(value) or callable(getattr(value, "get_params", None))):
        return {TEXT: f"a {kind.__qualname__}"}
    if is_dataclass(value):
        given = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
    else:
        given = value.get_params(deep=False)
    return {"made": _name(kind), "of": {name: declared(one) for name, one in given.items()}}


def untold(json: Json, *, place: str = "it") -> Iterator[str]:
    """Yield where in a declaration something was told in words only, and those."""
    if isinstance(json, dict) and TEXT in json:
        yield f"{place} is {json[TEXT]}"
    for name, one in _inside(json):
        yield from untold(one, place=f"{place}.{name}" if name else place)


def modules(json: Json) -> set[str]:
    """Return the modules that a declaration names."""
    named = {
        str(json[key]).partition(":")[0] for key in ("made", "named", "enum") if isinstance(json, dict) and key in json
    }
    return named | {name for _, one in _inside(json) for name in modules(one)}


def _inside(json: Json) -> Iterator[tuple[str, Json]]:
    """Yield the parts of a declaration: of what has names for them, each with its name."""
    if not isinstance(json, dict):
        return
    yield from json.get("of", {}).items()
    yield from json.get("mapping", ())
    for kind in ("tuple", "list", "set"):
        yield from (("", one) for one in json.get(kind, ()))


def made(json: Json) -> Any:
    """Return the declaration that ``declared`` told, which imports what it names; raises PassportError."""
    if not isinstance(json, dict):
        return json
    kind = next((kind for kind in READERS if kind in json), None)
    if kind is None:
        raise PassportError(f"this part of a declaration was told in words only: {str(json)[:MOST_TOLD]}")
    try:
        return READERS[kind](json)
    except PassportError:
        raise
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PassportError(f"the declaration {str(json)[:MOST_TOLD]} could not be made again: {error}") from error


def _made_of(json: Json) -> Any:
    return _held(json["made"])(**{name: made(one) for name, one in json["of"].items()})


READERS: Final[Mapping[str, Callable[[Json], Any]]] = {
    "made": _made_of,
    "named": lambda json: _held(json["named"]),
    "enum": lambda json: _held(json["enum"])[json["member"]],
    "microseconds": lambda json: timedelta(microseconds=json["microseconds"]),
    "moment": lambda json: datetime.fromisoformat(json["moment"]),
    "tuple": lambda json: tuple(made(one) for one in json["tuple"]),
    "list": lambda json: [made(one) for one in json["list"]],
    "set": lambda json: frozenset(made(one) for one in json["set"]),
    "mapping": lambda json: {key: made(one) for key, one in json["mapping"]},
    "float": lambda json: float(json["float"]),
}
"""How each kind of thing is made again."""


def _name(value: type | FunctionType) -> str:
    return f"{value.__module__}:{value.__qualname__}"


def _held(name: str) -> Any:
    """Return what a module holds by a name."""
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
