"""A signature of declarations: state that other declarations stored says nothing of these."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from types import CodeType, FunctionType, MethodType
from typing import Any

from mlsys_assets.data_ingestion.source import Source


def signature(features: Sequence[object], *, code: str) -> str:
    """Return 16 hex digits that are others for other features, other functions in them, or other ``code``."""
    return sha256("\n".join([code, *_told(tuple(features))]).encode()).hexdigest()[:16]


def _told(value: Any) -> Iterator[str]:
    if isinstance(value, tuple | list):
        yield f"{len(value)}"
        for one in value:
            yield from _told(one)
    elif isinstance(value, set | frozenset):
        yield from sorted("\n".join(_told(one)) for one in value)  # their own order is another in each process
    elif (parts := parts_of(value)) is not None:
        yield type(value).__qualname__
        yield from _told(parts)
    else:
        yield f"{type(value).__qualname__} {value!r}"


def parts_of(value: Any) -> tuple[Any, ...] | None:  # noqa: PLR0911 - one for each kind of thing
    """Return what tells a value from others of its type; None if its repr does."""
    match value:
        case Source():
            columns = tuple((c.name, c.type) for c in value.columns)
            return value.name, value.key, value.corrections, value.snapshot, columns
        case FunctionType():
            held = tuple(cell.cell_contents for cell in value.__closure__ or ())
            return value.__qualname__, _undocumented(value), held, value.__defaults__, value.__kwdefaults__
        case CodeType():
            return value.co_code, value.co_names, value.co_consts
        case partial():
            return value.func, value.args, value.keywords
        case MethodType():
            return value.__func__, value.__self__
        case Mapping():
            return tuple(value.items())
    if isinstance(value, type):
        return None
    if is_dataclass(value):
        return tuple(getattr(value, one.name) for one in fields(value))
    if hasattr(value, "__dict__") and (callable(value) or " at 0x" in repr(value)):
        return getattr(type(value), "__call__", None), vars(value)  # noqa: B004 - the method itself
    return None


def _undocumented(function: FunctionType) -> CodeType:
    """Return a function's code without the text that documents it, which comes first among its constants."""
    code = function.__code__
    if function.__doc__ is None or code.co_consts[:1] != (function.__doc__,):
        return code
    return code.replace(co_consts=(None, *code.co_consts[1:]))
