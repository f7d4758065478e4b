"""A signature of declarations: state that other declarations stored says nothing of these."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.feature import Feature


def signature(features: Sequence[Feature], *, code: str) -> str:
    """Return 16 hex digits that are others for other features, other functions in them, or other ``code``."""
    return sha256("\n".join([code, *_told(tuple(features))]).encode()).hexdigest()[:16]


def _told(value: Any) -> Iterator[str]:
    if isinstance(value, Source):
        columns = [(c.name, c.type) for c in value.columns]
        yield repr((value.name, value.key, value.corrections, value.snapshot, columns))
    elif isinstance(value, FunctionType):
        yield value.__qualname__
        yield from _code(value.__code__)
        yield from _told(tuple(cell.cell_contents for cell in value.__closure__ or ()))
        yield from _told((value.__defaults__, tuple((value.__kwdefaults__ or {}).items())))
    elif is_dataclass(value):
        yield type(value).__name__
        for one in fields(value):
            yield from _told(getattr(value, one.name))
    elif isinstance(value, tuple | list):
        yield f"{len(value)}"
        for one in value:
            yield from _told(one)
    else:
        yield f"{type(value).__name__} {value!r}" if not callable(value) else type(value).__qualname__


def _code(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield repr(constant)
