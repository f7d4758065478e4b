"""One byte string for one value: canonical JSON, and the hash of it."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence


def canonical_json(value: object) -> str:
    """Return the one JSON text of ``value``: keys sorted, no spaces, ASCII, floats by ``repr``.

    Raises ValueError, naming the place, for what JSON would lose or change: NaN and infinities, keys
    that are no text, and any other type.

    >>> canonical_json({"b": 0.1, "a": (1, None, True)})
    '{"a":[1,null,true],"b":0.1}'
    """
    _check(value, "value")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def json_hash(value: object) -> str:
    """Return the SHA-256 of ``canonical_json(value)``, as 64 hexadecimal digits."""
    return sha256(canonical_json(value).encode("ascii"))


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _check(value: object, place: str) -> None:
    if value is None or isinstance(value, str | bool | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value}, which JSON cannot hold; record None and say why in words")
    elif isinstance(value, dict):
        _check_mapping(value, place)
    elif isinstance(value, list | tuple):
        _check_sequence(value, place)
    else:
        raise ValueError(
            f"{place} is a {type(value).__module__}.{type(value).__qualname__}; allowed are text, bool, int, float,"
            " None and lists or dicts of them; convert it first"
        )


def _check_mapping(value: Mapping[object, object], place: str) -> None:
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"{place} has the key {key!r} ({type(key).__name__}); keys are text; convert it first")
        _check(item, f"{place}[{key!r}]")


def _check_sequence(value: Sequence[object], place: str) -> None:
    for position, item in enumerate(value):
        _check(item, f"{place}[{position}]")
