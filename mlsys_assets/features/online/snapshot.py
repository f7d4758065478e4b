"""Online state at rest: one stored row an entity, and what has changed since the last time it was stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mlsys_assets.features.online.engine import OnlineFeatures
from mlsys_assets.features.online.states import Entity

SEEN: Final = "seen"
"""The part, beside its states, of what was taken in of a source: one entity a day."""

Key = tuple[str, bytes]
"""A state's name, and an entity's key in it, as MessagePack."""


@dataclass(frozen=True)
class Changes:
    """What to store, and what to delete, for the stored state to be that in memory."""

    put: dict[Key, bytes]
    gone: set[Key]


def changes(online: OnlineFeatures) -> Changes:
    """Return what has changed since `stored` was last called."""
    put: dict[Key, bytes] = {}
    gone: set[Key] = set()
    for state in online.states():
        put |= {(state.name, _named(e)): _packed(state.by_entity[e].stored()) for e in state.changed}
        gone |= {(state.name, _named(e)) for e in state.dropped}
    for source in online.sources:
        seen = online.seen(source)
        put |= {
            (f"{source} {SEEN}", _packed(day)): _packed([[*of, keys] for of, keys in seen.by_day[day].items()])
            for day in seen.changed
        }
        gone |= {(f"{source} {SEEN}", _packed(day)) for day in seen.dropped}
    return Changes(put, gone)


def stored(online: OnlineFeatures) -> None:
    """Note that the state is stored as it is now."""
    for state in online.states():
        state.changed.clear()
        state.dropped.clear()
    for source in online.sources:
        online.seen(source).changed.clear()
        online.seen(source).dropped.clear()


def restore(online: OnlineFeatures, rows: Iterable[tuple[str, bytes, bytes]], *, horizon: int) -> None:
    """Fill an empty state from what was stored: states' names, keys and contents; nothing older than ``horizon``.

    Raises ValueError for what is damaged, or these declarations would not have stored.
    """
    states = {state.name: state for state in online.states()}
    seen = {f"{source} {SEEN}": online.seen(source) for source in online.sources}
    for name, key, content in rows:
        try:
            if (state := states.get(name)) is not None:
                state.by_entity[tuple(_unpacked(key))] = state.restored(_unpacked(content))
            elif name in seen:
                for row, known, keys in _unpacked(content):
                    entities = [None if entity is None else tuple(entity) for entity in keys]
                    seen[name].add(tuple(row), known, entities)
            else:
                raise ValueError("these declarations do not know it")
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise ValueError(
                f"the online state {name!r} is not as it was stored: {error}; rebuild it: mlsys online --rebuild"
            ) from error
    online.horizon = horizon
    stored(online)


def _named(entity: Entity) -> bytes:
    """Return a key's one name: 0.0 and -0.0 are one entity."""
    return _packed([0.0 if part == 0 and isinstance(part, float) else part for part in entity])


def _packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def _unpacked(stored: bytes) -> Any:
    return msgspec.msgpack.decode(stored)
