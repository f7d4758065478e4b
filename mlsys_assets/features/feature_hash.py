"""The hash of a feature: of its declaration, of the functions in it, and of what those call."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.features.online.signature import parts_of, signature
from mlsys_assets.tables import Column

CONSTANTS = (str, int, float, bool, tuple, frozenset, timedelta)
"""What a function reads of its module beside other functions."""


def feature_hashes(features: Sequence[Feature], requests: Sequence[Column]) -> dict[str, str]:
    """Return by feature column a hash of the declaration that gives it, in declared order.

    Another column of a source, another parameter, and other code of a function or of one that it calls give another
    hash; names of variables, lines, comments and texts that document a function do not. What is computed from features
    has theirs in its own.

    Parameters
    ----------
    requests
        The columns of the request's table.
    """
    found: dict[str, str] = {}
    before: list[Column] = []
    for feature, outputs in each_with_outputs(features, requests):
        own = signature((feature,), code="\n".join(_told(feature)))
        for position, column in enumerate(outputs):
            read = [found[name] for name in _read(feature, position, before)]
            found[column.name] = sha256("\n".join([column.name, column.type, own, *read]).encode()).hexdigest()[:16]
        before += outputs
    return found


def _read(feature: Feature, position: int, before: Sequence[Column]) -> list[str]:
    """Return the features that an output is computed from."""
    if isinstance(feature, Derived):
        return list(columns_read(feature.computed[position][1], as_read(before)))
    return [name for choice in feature.choices for name in choice] if isinstance(feature, Backoff) else []


def _told(feature: Feature) -> Iterator[str]:
    """Yield the code of every function that the declaration's functions call, and the constants that they read."""
    waiting, seen = _functions(feature), list[FunctionType]()
    while waiting:
        function = waiting.pop(0)  # in the order in which they are met, which is the same in every process
        if function in seen:
            continue
        seen.append(function)
        for name, value in _globals(function):
            if isinstance(value, FunctionType):
                waiting.append(value)
                yield f"{name} {signature((value,), code='')}"
            else:
                yield f"{name} {value!r}"


def _functions(part: Any) -> list[FunctionType]:
    """Return the functions that stand anywhere in a part of a declaration."""
    found, waiting = list[FunctionType](), [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, FunctionType):
            found.append(one)
        held = one if isinstance(one, tuple | list | set | frozenset) else parts_of(one)
        waiting += held or ()
    return found


def _globals(function: FunctionType) -> list[tuple[str, Any]]:
    """Return the functions and constants of its module that a function's code names, in order of their names."""
    named = {n: function.__globals__[n] for n in _names(function.__code__) if n in function.__globals__}
    return [
        (n, v) for n, v in sorted(named.items(), key=lambda item: item[0]) if isinstance(v, (FunctionType, *CONSTANTS))
    ]


def _names(code: CodeType) -> set[str]:
    inner = [_names(one) for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*inner)
