"""What any part of a declaration can get wrong: its names, tuples, numbers, durations and functions.

Each function returns mistakes in words, so that a declaration can list all it has at once.
"""

import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, NoReturn

import pyarrow as pa

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""What a system, table, column, candidate or metric may be called. It is the stores' own rule
(``mlsys_resources.names``), which no pure file may import; a test holds the two equal."""
LONGEST_NAME = 63
LARGEST_SHOWN = 128
"""Bits of a whole number that is written out."""
LONGEST = timedelta(days=36_525)
"""The longest duration: a century, in microseconds well within 64 bits."""

ARROW_LOADS = "pandas"
"""What Arrow loads when it first meets a plain value, such as the 15 of ``pc.greater(rows["delay"], 15)``: half a
second that no declaration may cost."""

Kinds = type | tuple[type, ...]


def misnamed(what: str, name: object, *, longest: int = LONGEST_NAME) -> list[str]:
    """Return why a name cannot be stored, if it cannot."""
    if isinstance(name, str) and NAME.fullmatch(name) and len(name) <= longest:
        return []
    rule = f"letters a-z, digits and underscores, no digit first, at most {longest} in all"
    return [f"{what} is called {name!r}; a name must be of {rule}"]


def alike(kind: str, names: Iterable[object]) -> list[str]:
    """Return which names stand twice; case does not count, as some disks and databases do not see it."""
    seen: dict[str, list[str]] = {}
    for name in names:
        seen.setdefault(str(name).casefold(), []).append(str(name))
    return [
        f"{len(found)} {kind}s are named {' and '.join(repr(n) for n in dict.fromkeys(found))}; rename all but one"
        + (" (upper and lower case count as the same)" if len(set(found)) > 1 else "")
        for found in seen.values()
        if len(found) > 1
    ]


def not_one(what: str, found: object, kind: Kinds) -> list[str]:
    """Return that something is not of a kind; a class is not one of its own objects."""
    if _is(found, kind):
        return []
    if isinstance(found, type):
        return [f"{what} is the class {found.__name__}; write {found.__name__}(...)"]
    lacks = _missing(found, kind)
    return [f"{what} is {_shown(found)}; it must be {_named(kind)}" + (f", and lacks {lacks}" if lacks else "")]


def not_all(what: str, found: object, kind: Kinds) -> list[str]:
    """Return that something is no tuple, or which of its elements are not of a kind."""
    if not isinstance(found, tuple):
        advice = "was a comma forgotten? write (one,)" if _is(found, kind) else "write (one, another)"
        return [f"{what} is {_shown(found)}; it must be a tuple of {_named(kind)}: {advice}"]
    return [mistake for i, one in enumerate(found) for mistake in not_one(f"{what}[{i}]", one, kind)]


def sound(found: object, kind: Kinds) -> tuple[Any, ...]:
    """Return what `not_all` has no complaint of, and what was meant where a comma was forgotten."""
    elements = found if isinstance(found, tuple | list) else (found,)
    return tuple(one for one in elements if _is(one, kind))


def out_of_range(
    what: str,
    value: object,
    *,
    whole: bool = False,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> list[str]:
    """Return that a number is none, not finite, or not within (above, most] and [least, most]."""
    number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if number and _is_finite(value) and above < value and least <= value <= most:  # type: ignore[operator]
        return []
    bounds = [
        f"{word} {bound}"
        for word, bound in (("above", above), ("at least", least), ("at most", most))
        if math.isfinite(bound)
    ]
    return [f"{what} is {_shown(value)}; it must be {', '.join(['a whole number' if whole else 'a number', *bounds])}"]


def not_seeds(what: str, found: object, *, least: int = 1) -> list[str]:
    """Return that something is no tuple of so many seeds or more: whole numbers from 0 on, none of them twice.

    >>> not_seeds("study: seeds", (3, -1))
    ['study: seeds[1] is -1; it must be a whole number, at least 0']
    """
    wrong = not_all(what, found, int)
    if wrong or not isinstance(found, tuple):
        return wrong
    wrong = [
        mistake for i, seed in enumerate(found) for mistake in out_of_range(f"{what}[{i}]", seed, whole=True, least=0)
    ]
    few = len(found) < least or len(set(found)) < len(found)
    return wrong + ([f"{what} are {found}; give {least} or more, each once"] if few else [])


def none_of(what: str, found: object, allowed: Collection[object]) -> list[str]:
    """Return that something is none of what is allowed, and what comes close."""
    if found in allowed:
        return []
    near = get_close_matches(str(found), [str(one) for one in allowed], n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return [f"{what} is {found!r}; allowed: {', '.join(map(str, allowed))}.{guess}"]


def not_long(what: str, length: object, *, zero: bool = False) -> list[str]:
    """Return that something is no duration from above nothing to a century; ``zero`` allows nothing itself."""
    if not isinstance(length, timedelta):
        return [f"{what} is {_shown(length)}; it must be a duration, such as hours(3)"]
    if length < timedelta(0) or (not zero and length == timedelta(0)):
        return [f"{what} must {'not be negative' if zero else 'be longer than nothing'}, got {length}"]
    if length > LONGEST:
        return [f"{what} must be at most {LONGEST.days} days, a century, got {length.days} days"]
    return []


def misfit(
    what: str,
    function: object,
    rows: pa.Table,
    *,
    gives: str,
    fits: Callable[[pa.DataType], bool],
    thorough: bool = False,
) -> list[str]:
    """Return why a function cannot serve on tables like this one, found by calling it with no rows.

    Parameters
    ----------
    function
        Maps a table to an Arrow array with one value a row.
    rows
        A table without rows, with the columns it will be given.
    gives, fits
        What its values must be, in words and by their type.
    thorough
        Call it even if pandas has to be loaded for it. Else, where nothing has loaded it yet, only the columns
        are looked at that it reads before its first computation.
    """
    if not callable(function):
        return [f"{what} is {_shown(function)}; it must be a function of a table that gives {gives}"]
    if not thorough and ARROW_LOADS not in sys.modules:
        return _misread(what, function, rows)
    try:
        found = function(rows)
    except Exception as error:  # noqa: BLE001 - a declared callable may raise anything; all mistakes are listed
        told = next(iter(str(error.args[0] if error.args else "").splitlines()), "")
        told = f"{type(error).__name__}: {told}"
        return [f"{what} fails on a table without rows ({told}); its columns: {', '.join(rows.column_names)}"]
    if not isinstance(found, pa.Array | pa.ChunkedArray):
        return [f"{what} gives {_shown(found)}; it must give an Arrow array of {gives}, one a row"]
    if len(found) != 0:
        return [f"{what} gives {len(found)} values for a table without rows; it must give one a row"]
    return [] if fits(found.type) else [f"{what} gives values of type {found.type}; they must be {gives}"]


class _Unread(list[None]):
    """Stands for a column, and ends the call as soon as Arrow asks for its values."""

    def __arrow_array__(self, type: object = None) -> NoReturn:  # noqa: A002 - the protocol's name
        raise _Enough


class _Enough(Exception):
    """The function has begun to compute: the columns read so far exist."""


class _Names(Mapping[str, _Unread]):
    """Stands for a table of which only the columns' names can be read."""

    def __init__(self, names: Sequence[str]) -> None:
        self.column_names, self.unknown = list(names), list[str]()

    def __getitem__(self, name: str) -> _Unread:
        if name not in self.column_names:
            self.unknown.append(name)
            raise _Enough
        return _Unread()

    column = __getitem__

    def __iter__(self) -> Iterator[str]:
        return iter(self.column_names)

    def __len__(self) -> int:
        return len(self.column_names)


def _misread(what: str, function: Callable[..., object], rows: pa.Table) -> list[str]:
    """Return a column that the function reads and the table lacks, without waking Arrow."""
    names = _Names(rows.column_names)
    with suppress(Exception):  # what is no mistake here: a stand-in is no table
        function(names)
    there = ", ".join(names.column_names)
    return [f"{what} reads {name!r}, which is not a column; its columns: {there}" for name in names.unknown]


def _is_finite(number: Any) -> bool:
    """Return whether a float can hold it: Python counts any size among the whole numbers, and NumPy durations."""
    try:
        return math.isfinite(number)
    except (OverflowError, TypeError):
        return False


def _is(found: object, kind: Kinds) -> bool:
    return isinstance(found, kind) and not isinstance(found, type)


def _missing(found: object, kind: Kinds) -> str:
    """Return what something would need to have to be what a protocol asks for."""
    if not getattr(kind, "_is_protocol", False):
        return ""
    return ", ".join(name for name in vars(kind) if not name.startswith("_") and not hasattr(found, name))


def _named(kind: Kinds) -> str:
    return " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))


def _shown(found: object) -> str:
    """Return a value as text where that is short, else its type."""
    if isinstance(found, int) and found.bit_length() > LARGEST_SHOWN:
        return f"a number of {found.bit_length():,} bits"
    plain = isinstance(found, str | Real | timedelta | None)
    return repr(found) if plain else f"a {type(found).__name__}"
