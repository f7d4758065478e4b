"""A complete passport: the nine things without which a model is not registered, each there and not empty."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import msgspec

from mlsys_assets.models.passport.code import SourceArchive, brought
from mlsys_assets.models.passport.declared import modules, untold
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.models.passport.parts import (
    CODE,
    PARTS,
    Asked,
    Context,
    Data,
    Definition,
    Experiment,
    FeaturizeAndPredict,
    Generation,
    Parameters,
    Tags,
    file_name,
    part_of,
)

MAY_BE_EMPTY: Final = frozenset({
    "parameters.params", "parameters.recipe", "parameters.seed", "experiment.loss_curve", "experiment.behavior",
    "generation.window", "generation.changes", "decision.triggers",
})  # fmt: skip
"""What a sound model may have none of: a rule has no parameters, one that is not fitted in rounds no loss curve, a
training that was started by hand no triggers, and what learned from all that was
known no window, nor a window changes where none was dated."""


@dataclass(frozen=True)
class CompletePassport:
    """The record of a model that may be registered; made by ``of`` alone, which refuses what is not complete.

    Parameters
    ----------
    files
        As they lie beside the model.
    definition, parameters, featurize_and_predict, dependencies, data, generation, experiment, tags, decision
        The nine parts.
    context
        What stores assigned, outside the hash.
    """

    files: Mapping[str, bytes] = field(repr=False)
    definition: Definition
    parameters: Parameters
    featurize_and_predict: FeaturizeAndPredict
    dependencies: Dependencies
    data: Data
    generation: Generation
    experiment: Experiment
    tags: Tags
    decision: Asked
    context: Context

    @classmethod
    def of(cls, files: Mapping[str, bytes], *, content_hash: str) -> "CompletePassport":
        """Return the passport that files hold, if it is that of the model of this content hash.

        Raises PassportError that names every part that is missing, is empty, or cannot be read.
        """
        parts: dict[str, Any] = {}
        wrong: list[str] = []
        for name, (kind, _) in PARTS.items():
            try:
                parts[name] = part_of(files, kind)
            except PassportError as error:
                wrong.append(str(error))
                continue
            wrong += [f"{place} is empty" for place in _empty(name, msgspec.to_builtins(parts[name]))]
        if not wrong:
            wrong += _unlike(parts, files, content_hash)
        if wrong:
            raise PassportError(
                f"the passport is not complete, and the model could not be explained or made again: {'; '.join(wrong)}"
            )
        return cls(files, **parts)

    @cached_property
    def source(self) -> SourceArchive:
        """The code that made it, verified."""
        return SourceArchive.from_json(self.files[CODE], expected=self.generation.code)

    @property
    def content_hash(self) -> str:
        """The SHA-256 of all but the context: equal for two equal trainings. The code stands in it by its hash."""
        named = {name: hashlib.sha256(self.files[file_name(name)]).hexdigest() for name in PARTS if name != "context"}
        return hashlib.sha256(msgspec.json.encode(named, order="deterministic")).hexdigest()


def _empty(place: str, value: Any) -> Iterator[str]:
    """Yield what is empty and must not be, by its place: text, a number that counts, a collection."""
    if place in MAY_BE_EMPTY:
        return
    if value is None or (not isinstance(value, bool) and not value):
        yield place
    elif isinstance(value, dict) and place.count(".") < DEEPEST:
        for name, one in value.items():
            yield from _empty(f"{place}.{name}", one)


DEEPEST: Final = 1
"""How deep it is looked for what is empty: into the parts and their fields, not into what was measured."""


def _unlike(parts: Mapping[str, Any], files: Mapping[str, bytes], content_hash: str) -> list[str]:
    """Return where the parts contradict each other, or the model."""
    definition, generation = parts["definition"], parts["generation"]
    found = []
    if (named := parts["featurize_and_predict"].content_hash) != content_hash:
        found.append(f"it is of the model {named}, not of {content_hash}")
    featurize = parts["featurize_and_predict"]
    found += [
        f"it reads {c!r}, of which it does not tell the feature" for c in featurize.reads if c not in featurize.features
    ]
    if CODE not in files:
        return [*found, f"generation (how it was made) is missing its source text: there is no {CODE}"]
    try:
        source = SourceArchive.from_json(files[CODE], expected=generation.code)
    except PassportError as error:
        return [*found, f"generation: {error}"]
    made_of = {
        "definition": definition.declaration,
        "generation.split": generation.split,
        "generation.window": generation.window,
    }
    for what, one in made_of.items():
        found += [f"{what} cannot be made again: {told}" for told in untold(one, place="the declaration")]
        found += [
            f"{what} names the module {m!r}, whose code was not kept: declare it in a file that can be imported"
            for m in sorted(modules(one))
            if _lost(m, source)
        ]
    found += [
        f"{what} is missing {key!r}"
        for what, mapping, key in (
            ("generation.candidates", generation.candidates, definition.candidate),
            ("experiment.evaluations", parts["experiment"].evaluations, definition.candidate),
        )
        if key not in mapping
    ]
    return found


def _lost(module: str, source: SourceArchive) -> bool:
    """Return whether a module's code is neither kept nor brought by a distribution whose version is on record."""
    return not source.holds(module) and not brought(module)
