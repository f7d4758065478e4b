"""A system: everything that one model in production chooses, in one frozen declaration."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import pyarrow as pa

from mlsys_assets.data_ingestion.source import EVENT_TIME, KNOWN_AT, TIMESTAMP, TYPES, Column, Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.features.feature import PREDICT_AT, Feature
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.slices import Slice
from mlsys_assets.types import Calendar, DeclarationError

NAME_LENGTH = 40
"""Longest name of a system: it becomes part of table, job and group names."""
STEPS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""The calendars that a Dagster schedule can follow exactly."""


@dataclass(frozen=True, eq=False)
class Requests:
    """What predictions are asked for: the rows of a source, each at a time of its own.

    Parameters
    ----------
    source
        Its rows are the requests.
    key
        The column (text) that names the entity.
    predict_at
        The column (timestamp) that says when the prediction is asked for.
    """

    source: Source
    key: str
    predict_at: str = PREDICT_AT

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a request tells of itself."""
        return self.source.columns

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the declaration."""
        types = {c.name: c.type for c in self.source.columns} | {EVENT_TIME: "timestamp", KNOWN_AT: "timestamp"}
        for role, name, wanted in (("key", self.key, "string"), ("predict_at", self.predict_at, "timestamp")):
            if name not in types:
                yield f"requests: {role} {name!r} is no column of {self.source.name}; columns: {', '.join(types)}"
            elif types[name] != wanted:
                yield f"requests: {role} {name!r} is of type {types[name]}; it must be {wanted}"


@dataclass(frozen=True, eq=False)
class MLSystem:
    """One model in production, from its sources to its champion.

    Mistakes are found when it is declared, all at once, not weeks later in a run.

    Parameters
    ----------
    name
        An identifier: the first part of every asset's key and every table's path.
    calendar
        The ticks at which data arrives and decisions are taken.
    sources
        The tables, references before what refers to them.
    requests
        What is predicted for, and when.
    label
        What is predicted.
    features
        What is known at prediction time.
    split
        How rows are set apart for validation and test.
    candidates
        The models that compete; among them the baselines that any model must beat.
    metrics, slices
        What is measured, and within which groups.
    gates
        What a challenger must show to become champion.
    seed, threads
        Part of the record: the same of both, on the same kind of machine, gives the same bytes.
    """

    name: str
    calendar: Calendar
    sources: tuple[Source, ...]
    requests: Requests
    label: NaturalLabel
    features: tuple[Feature, ...]
    split: TimeSplit
    candidates: tuple[Candidate, ...]
    metrics: tuple[Metric, ...]
    gates: Gates
    slices: tuple[Slice, ...] = ()
    owner: str = ""
    description: str = ""
    seed: int = 0
    threads: int = 2
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mistakes = list(_mistakes(self))
        if mistakes:
            raise DeclarationError(f"system {self.name!r}", mistakes)

    @cached_property
    def time_split(self) -> TimeSplit:
        """The split, with the label's delay as its embargo unless it declares a longer one."""
        return self.split.with_embargo(self.label.delay)

    @cached_property
    def feature_columns(self) -> tuple[Column, ...]:
        """The features' columns, in declared order."""
        return tuple(c for feature in self.features for c in feature.outputs(self.requests.columns))

    @cached_property
    def feature_schema(self) -> pa.Schema:
        """The feature table as it stands in the lake."""
        head = [
            pa.field(self.requests.key, pa.string(), nullable=False),
            pa.field(PREDICT_AT, TIMESTAMP, nullable=False),
        ]
        return pa.schema(head + [pa.field(c.name, TYPES[c.type]) for c in self.feature_columns])

    @cached_property
    def feature_sources(self) -> tuple[Source, ...]:
        """The sources that features read besides the request."""
        read = {name for feature in self.features for name in feature.reads}
        return tuple(s for s in self.sources if s.name in read)


def _mistakes(system: MLSystem) -> Iterator[str]:
    if not system.name.isidentifier() or len(system.name) > NAME_LENGTH:
        yield f"its name is {system.name!r}; it must be an identifier of at most {NAME_LENGTH} letters"
    if system.calendar.step not in STEPS:
        yield f"its calendar steps by {system.calendar.step}; allowed: {', '.join(map(str, STEPS))}"
    if system.threads < 1:
        yield f"threads is {system.threads}; at least 1 is needed"
    yield from _alike("source", [s.name for s in system.sources])
    yield from _alike("candidate", [c.name for c in system.candidates])
    yield from _alike("metric", [m.name for m in system.metrics])
    yield from _alike("slice", [s.name for s in system.slices])
    yield from _undeclared_sources(system)
    yield from system.requests.mistakes()
    yield from system.label.mistakes(system.requests.key)
    yield from _feature_mistakes(system)
    yield from _split_mistakes(system)
    yield from system.gates.mistakes()
    yield from _missing_parts(system)


def _alike(kind: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{count} {kind}s are named {name!r}"


def _undeclared_sources(system: MLSystem) -> Iterator[str]:
    declared: list[Source] = []
    used: list[tuple[str, Sequence[Source]]] = [
        ("requests", [system.requests.source]),
        (f"label {system.label.name!r}", system.label.sources),
    ]
    for source in system.sources:
        late = [r.source.name for r in source.references if r.source not in declared]
        yield from (f"source {source.name!r} refers to {name!r}, which must be declared before it" for name in late)
        declared.append(source)
    for what, sources in used:
        for source in sources:
            if source not in declared:
                yield f"{what} read source {source.name!r}, which is not among the system's sources"
    names = {s.name for s in declared}
    for feature in system.features:
        for name in feature.reads:
            if name not in names:
                yield f"a feature reads source {name!r}, which is not among the system's: {', '.join(sorted(names))}"


def _feature_mistakes(system: MLSystem) -> Iterator[str]:
    mistakes = [m for feature in system.features for m in feature.mistakes(system.requests.columns)]
    yield from mistakes
    if mistakes:
        return  # the columns of a mistaken feature cannot be told
    names = [c.name for f in system.features for c in f.outputs(system.requests.columns)]
    yield from _alike("feature column", names)
    for name in {system.requests.key, PREDICT_AT} & set(names):
        yield f"a feature column is named {name!r}, which the table has already"
    known = set(names)
    for one in system.slices:
        if one.column not in known:
            yield f"slice {one.name!r} is by {one.column!r}, which is no feature column"
    for candidate in system.candidates:
        for name in candidate.needs:
            if name not in known:
                yield f"candidate {candidate.name!r} needs {name!r}, which is no feature column"


def _split_mistakes(system: MLSystem) -> Iterator[str]:
    try:
        system.split.with_embargo(system.label.delay)
    except DeclarationError as error:
        yield from error.mistakes


def _missing_parts(system: MLSystem) -> Iterator[str]:
    for what, parts in (("features", system.features), ("candidates", system.candidates), ("metrics", system.metrics)):
        if not parts:
            yield f"it has no {what}"
    if system.candidates and all(c.baseline for c in system.candidates):
        yield "all its candidates are baselines; at least one must be a model"
