"""What can be wrong with a system that reuses another's sources and features."""

from collections.abc import Iterator, Sequence

from mlsys_assets.mistakes import not_one, sound
from mlsys_assets.system import MLSystem


def reuse_mistakes(system: MLSystem) -> Iterator[str]:
    """Yield what a system shares with the one that it reuses, and says in other words than that one does."""
    home = system.reuses
    if home is None:
        return
    if wrong := not_one("reuses", home, MLSystem):
        yield from wrong
        return
    if str(system.name).casefold() == home.name.casefold():
        yield f"it reuses {home.name!r}, a system of its own name, whose tables it would write into; name it otherwise"
    if home.reuses is not None:
        yield (
            f"reuses: {home.name!r} has no features of its own, it reuses those of {home.reuses.name!r}; allowed is a "
            f"system that reuses none: name {home.reuses.name!r}"
        )
    for part in ("calendar", "requests"):
        if (own := getattr(system, part)) != getattr(home, part):
            yield (
                f"{part} is {_shown(own)}, another than that of {home.name!r}, {_shown(getattr(home, part))}, whose "
                f"tables are reused; write {part}={home.name}.{part}"
            )
    yield from _source_mistakes(system, home)
    yield from _feature_mistakes(system, home)


def _source_mistakes(system: MLSystem, home: MLSystem) -> Iterator[str]:
    own, names = sound(system.sources, object), [s.name for s in home.sources]
    foreign = [one for one in own if not _is_in(one, home.sources)]
    missing = [one.name for one in home.sources if not _is_in(one, own)]
    told = [f"{getattr(one, 'name', one)!r} is none of {home.name!r}" for one in foreign]
    told += [f"{name!r} of {home.name!r} is left out" for name in missing]
    if told:
        yield (
            f"sources: {'; '.join(told)}; allowed are the very objects {', '.join(names)}: write "
            f"sources={home.name}.sources, and declare a further one there"
        )


def _feature_mistakes(system: MLSystem, home: MLSystem) -> Iterator[str]:
    for i, feature in enumerate(sound(system.features, object)):
        if not _is_in(feature, home.features):
            last = len(home.features) - 1
            yield (
                f"features[{i}] is a {type(feature).__name__} that {home.name!r} does not compute; allowed are the "
                f"very objects {home.name}.features[0] to [{last}]: select from these, or declare it in {home.name!r}"
            )


def _is_in(one: object, many: Sequence[object]) -> bool:
    """Return whether this very object is there; a declaration that looks the same may compute something else."""
    return any(one is other for other in many)


def _shown(part: object) -> str:
    start, step, key = (getattr(part, name, None) for name in ("start", "step", "key"))
    if step is not None:
        return f"from {start:%Y-%m-%d %H:%M} to {getattr(part, 'end', None) or 'no end'} by {step}"
    return f"of key {key!r} at {getattr(part, 'predict_at', None)!r}" if key is not None else repr(part)
