"""Conditions over triggers: any of them, all of them, in words and by the operators ``|`` and ``&``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from mlsys_assets.mistakes import not_all, not_one, sound
from mlsys_assets.retraining.trigger import Trigger


class Combinable:
    """Lets triggers and conditions be combined: ``a & b | c`` is ``AnyOf(AllOf(a, b), c)``.

    A trigger of one's own may inherit it; one that does not is combined with those that do, or by ``AnyOf(...)`` and
    ``AllOf(...)``. Python's ``and`` and ``or`` would silently leave one side out: they raise TypeError.
    """

    def __bool__(self) -> NoReturn:
        """Refuse to be true or false: what holds is told by verdicts."""
        raise TypeError("a trigger or a condition is neither true nor false; write & and | in place of and and or")

    def __and__(self, other: "Trigger | AnyOf | AllOf") -> "AllOf":
        """Return that both hold."""
        return AllOf(*_flat(AllOf, self), *_flat(AllOf, other)) if _is_part(other) else NotImplemented

    def __rand__(self, other: "Trigger | AnyOf | AllOf") -> "AllOf":
        """Return that both hold."""
        return AllOf(*_flat(AllOf, other), *_flat(AllOf, self)) if _is_part(other) else NotImplemented

    def __or__(self, other: "Trigger | AnyOf | AllOf") -> "AnyOf":
        """Return that one of them holds."""
        return AnyOf(*_flat(AnyOf, self), *_flat(AnyOf, other)) if _is_part(other) else NotImplemented

    def __ror__(self, other: "Trigger | AnyOf | AllOf") -> "AnyOf":
        """Return that one of them holds."""
        return AnyOf(*_flat(AnyOf, other), *_flat(AnyOf, self)) if _is_part(other) else NotImplemented


@dataclass(frozen=True)
class AnyOf(Combinable):
    """Holds if any of its parts does: triggers, or further conditions."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: "Trigger | AnyOf | AllOf") -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " or ".join(map(_in_words, self.parts))


@dataclass(frozen=True)
class AllOf(Combinable):
    """Holds if all of its parts do: triggers, or further conditions."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: "Trigger | AnyOf | AllOf") -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " and ".join(map(_in_words, self.parts))


Condition = AnyOf | AllOf


def holds(when: Condition, fires: Callable[[str], bool | None]) -> bool:
    """Return whether a condition holds.

    Parameters
    ----------
    fires
        Whether the trigger of a name fires; None where it does not count: it is as if it were not a part. A condition
        of which no part counts does not hold.
    """
    return bool(_truth(when, fires))


def triggers_in(when: Condition) -> Iterator[Trigger]:
    """Yield the triggers that a condition names, from left to right."""
    for part in when.parts:
        if isinstance(part, Condition):
            yield from triggers_in(part)
        else:
            yield part


def condition_mistakes(when: object, triggers: tuple[Trigger, ...]) -> list[str]:
    """Return what is wrong with a condition, for a system with these triggers."""
    if wrong := not_one("retraining: when", when, (AnyOf, AllOf)):
        return wrong
    kinds = (Trigger, AnyOf, AllOf)
    parts = getattr(when, "parts", ())
    found = not_all("retraining: when", parts, kinds)
    if not parts:
        found.append("retraining: when has no parts; name at least one trigger, or leave it out to take any")
    for part in sound(parts, kinds):
        if isinstance(part, AnyOf | AllOf):
            found += condition_mistakes(part, triggers)
        elif part not in triggers:
            found.append(_not_there(part, triggers))
    return found


def _not_there(part: Trigger, triggers: tuple[Trigger, ...]) -> str:
    there = [t.name for t in triggers]
    if part.name in there:
        return f"retraining: when names another trigger {part.name!r} than the system's; name that very one"
    return (
        f"retraining: when names the trigger {part.name!r}, which is none of the system's: {', '.join(there) or 'none'}"
    )


def _truth(when: Condition, fires: Callable[[str], bool | None]) -> bool | None:
    found = [_truth(part, fires) if isinstance(part, Condition) else fires(part.name) for part in when.parts]
    counting = [one for one in found if one is not None]
    if not counting:
        return None
    return any(counting) if isinstance(when, AnyOf) else all(counting)


def _flat(kind: type[AnyOf | AllOf], part: Any) -> tuple[Any, ...]:
    """Return the parts of a condition of the same kind: ``a | b | c`` is one of three, not of two."""
    return part.parts if isinstance(part, kind) else (part,)


def _is_part(found: object) -> bool:
    return isinstance(found, Trigger | AnyOf | AllOf) and not isinstance(found, type)


def _in_words(part: Any) -> str:
    return f"({part})" if isinstance(part, Condition) else str(getattr(part, "name", part))
