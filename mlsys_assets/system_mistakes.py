"""What can be wrong with a system, told all at once when it is declared.

One mistake must not hide another: what is of the wrong kind is told, and left out of what follows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_ingestion.source_mistakes import RESERVED
from mlsys_assets.data_labeling.label import label_schema
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.splits import TimeSplit, reach
from mlsys_assets.evaluation_mistakes import evaluation_mistakes
from mlsys_assets.features.feature import FEATURE_KINDS, Feature, mistakes_of_each, outputs
from mlsys_assets.features.leakage.detective import LeakageDetective
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.mistakes import alike, misnamed, none_of, not_all, not_one, out_of_range, sound
from mlsys_assets.models.bundle import PREDICTOR_KINDS
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import BehavioralTest
from mlsys_assets.offline_evaluation.evaluation import score_schema
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness
from mlsys_assets.offline_evaluation.slicing.slices import Slicing
from mlsys_assets.offline_evaluation.studies.budgets import Unequal
from mlsys_assets.prediction.batch import prediction_schema
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.revisions import revised_schema
from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.learning import Learning
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.trigger import Trigger
from mlsys_assets.retraining_mistakes import retraining_mistakes
from mlsys_assets.reuse_mistakes import reuse_mistakes
from mlsys_assets.system import MLSystem, Requests
from mlsys_assets.tables import FEATURES, PREDICT_AT, TICK, Column
from mlsys_assets.types import CHAMPION, Calendar, TimeWindow, days

LONGEST_SYSTEM_NAME = 40
"""A system's name becomes part of table, job and group names."""
STEPS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""The calendars that a Dagster schedule can follow exactly."""
HIGHEST_PRICE = 1e6
"""What an hour of a processor may cost, in whatever unit."""
LARGEST_SEED = 2**31 - 1
"""LightGBM's seeds are signed, of 32 bits."""
TAG_KEY, TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,63}"), re.compile(r"[A-Za-z0-9_.-]{0,63}")
"""What Dagster takes as a tag."""
OWN_TAGS = ("system", "stage")
"""The tags by which assets are found."""

PARTS: dict[str, type] = {
    "calendar": Calendar,
    "requests": Requests,
    "label": NaturalLabel,
    "split": TimeSplit,
    "gates": Gates,
    "retraining": Retraining,
    "learning": Learning,
    "detective": LeakageDetective,
    "monitoring": Monitoring,
}
LISTS: dict[str, type | tuple[type, ...]] = {
    "sources": Source, "features": FEATURE_KINDS, "candidates": Candidate, "metrics": Metric, "slices": Slicing,
    "triggers": Trigger, "policies": Policy, "behavior": BehavioralTest, "fairness": Fairness, "unequal": Unequal,
}  # fmt: skip


MAY_BE_EMPTY = {"slices", "triggers", "policies", "behavior", "fairness", "unequal"}


@dataclass(frozen=True)
class _Declared:
    """What of a declaration is of the kind it must be; None for a part that is not."""

    sources: tuple[Source, ...]
    features: tuple[Feature, ...]
    candidates: tuple[Candidate, ...]
    metrics: tuple[Metric, ...]
    slices: tuple[Slicing, ...]
    triggers: tuple[Trigger, ...]
    policies: tuple[Policy, ...]
    behavior: tuple[BehavioralTest, ...]
    fairness: tuple[Fairness, ...]
    unequal: tuple[Unequal, ...]
    calendar: Calendar | None
    requests: Requests | None
    label: NaturalLabel | None
    split: TimeSplit | None
    gates: Gates | None
    retraining: Retraining | None
    learning: Learning | None
    detective: LeakageDetective | None
    monitoring: Monitoring | None

    @classmethod
    def of(cls, system: MLSystem) -> "_Declared":
        found: dict[str, Any] = {name: sound(getattr(system, name), kind) for name, kind in LISTS.items()}
        for name, kind in PARTS.items():
            found[name] = next(iter(sound(getattr(system, name), kind)), None)
        return cls(**found)

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """What a request tells of itself, if that can be told."""
        source = self.requests.source if self.requests is not None else None
        return source.columns if isinstance(source, Source) and source.is_legible else None


def system_mistakes(system: MLSystem) -> Iterator[str]:
    """Yield everything that is wrong with a system, one by one."""
    declared = _Declared.of(system)
    yield from _own_mistakes(system)
    yield from reuse_mistakes(system)
    for name, kind in PARTS.items():
        yield from not_one(name, getattr(system, name), kind)
    for name, kinds in LISTS.items():
        yield from not_all(name, getattr(system, name), kinds)
        if getattr(system, name) in ((), []) and name not in MAY_BE_EMPTY:
            yield f"it has no {name}"
    yield from _name_mistakes(declared)
    if declared.calendar is not None:
        yield from _calendar_mistakes(declared.calendar)
    for source in declared.sources:
        yield from source.mistakes()
    yield from _reference_mistakes(declared)
    yield from _request_mistakes(declared)
    yield from _feature_mistakes(declared, system)
    yield from _candidate_mistakes(declared)
    yield from _split_mistakes(declared)
    yield from _monitoring_mistakes(declared, system)
    if declared.gates is not None:
        static = declared.split is None or bool(declared.split.static_test)
        yield from declared.gates.mistakes(metrics=declared.metrics, slices=declared.slices, static=static)
    yield from retraining_mistakes(system)
    if system.cpu_hour_price is not None:
        yield from out_of_range("cpu_hour_price", system.cpu_hour_price, least=0, most=HIGHEST_PRICE)
    if system.costs is not None:
        yield from not_one("costs", system.costs, CostMatrix) or system.costs.mistakes()
    if declared.calendar is not None and _is_zoned(declared.calendar):
        yield from _clock_mistakes(system.simulated_from, declared.calendar)


def _clock_mistakes(start: object, calendar: Calendar) -> Iterator[str]:
    if start is None:
        return
    if not isinstance(start, datetime) or start.utcoffset() is None:
        yield f"simulated_from is {start!r}; it must be a moment with a time zone, such as utc('2013-07-01')"
    elif not calendar.holds(TimeWindow(start, start)) or calendar.tick_of(start).start != start:
        yield f"simulated_from {start:%Y-%m-%d %H:%M} is not the start of a tick; the calendar {reach(calendar)}"
    elif start == calendar.start:
        yield f"simulated_from is the calendar's start {start:%Y-%m-%d %H:%M}, with no data before it to train on"


def _split_mistakes(declared: _Declared) -> Iterator[str]:
    split, gates = declared.split, declared.gates
    if split is None:
        return
    told = declared.label.delay if declared.label is not None else None
    delay = told if isinstance(told, timedelta) and told > timedelta(0) else None
    calendar = declared.calendar if declared.calendar is not None and _is_zoned(declared.calendar) else None
    mistakes = split.mistakes(delay=delay, calendar=calendar)
    yield from mistakes
    wanted = gates.support.least_blocks if gates is not None and isinstance(gates.support, Support) else 0
    if not mistakes and split.test - (split.embargo or delay or timedelta(0)) < days(wanted - 1):
        yield (
            f"gates: support asks for {wanted} days with rows, and a test part of {split.test} less the embargo never "
            "has so many; lengthen it, or ask for less"
        )


def _own_mistakes(system: MLSystem) -> Iterator[str]:
    yield from misnamed("it", system.name, longest=LONGEST_SYSTEM_NAME)
    yield from out_of_range("seed", system.seed, whole=True, least=0, most=LARGEST_SEED)
    yield from out_of_range("threads", system.threads, whole=True, least=1)
    for name in ("owner", "description"):
        yield from not_one(name, getattr(system, name), str)
    if wrong := not_one("tags", system.tags, Mapping):
        yield from wrong
        return
    for key, value in system.tags.items():
        if not (isinstance(key, str) and TAG_KEY.fullmatch(key)):
            yield f"tag {key!r} is no tag's name; it must match ^{TAG_KEY.pattern}$"
        elif key in OWN_TAGS:
            yield f"tag {key!r} is set for every system; choose another name"
        if not (isinstance(value, str) and TAG_VALUE.fullmatch(value)):
            yield f"tag {key!r} has value {value!r}; it must match ^{TAG_VALUE.pattern}$"


def _name_mistakes(declared: _Declared) -> Iterator[str]:
    for kind, named in (("candidate", declared.candidates), ("metric", declared.metrics)):
        for one in named:
            yield from misnamed(f"a {kind}", one.name)
    for candidate in declared.candidates:
        if str(candidate.name).casefold() == CHAMPION:
            yield f"candidate {candidate.name!r} is named as the serving model is in comparisons; choose another name"
    taken = [*revised_schema(()).names, TICK]
    for metric in declared.metrics:
        if str(metric.name).casefold() in taken:
            yield f"metric {metric.name!r} is named as a column of the performance table; taken are {', '.join(taken)}"
    for kind, found in (("source", declared.sources), ("candidate", declared.candidates),
                        ("metric", declared.metrics), ("slice", declared.slices)):  # fmt: skip
        yield from alike(kind, [one.name for one in found])


def _is_zoned(calendar: Calendar) -> bool:
    return all(at is None or at.utcoffset() is not None for at in (calendar.start, calendar.end))


def _calendar_mistakes(calendar: Calendar) -> Iterator[str]:
    if calendar.step not in STEPS:
        yield f"its calendar steps by {calendar.step}; allowed: {', '.join(map(str, STEPS))}"
    for name, at in (("start", calendar.start), ("end", calendar.end)):
        if at is not None and at.utcoffset() is None:
            yield f"its calendar's {name} {at} is in no time zone; use Daily(...), Weekly(...) or Hourly(...)"
        elif at is not None and (at.second or at.microsecond):
            yield f"its calendar's {name} {at} is not at a whole minute, as a schedule is"


def _reference_mistakes(declared: _Declared) -> Iterator[str]:
    before: list[Source] = []
    for source in declared.sources:
        for reference in source.references if isinstance(source.references, tuple) else ():
            referred = getattr(reference, "source", None)
            if isinstance(referred, Source) and referred not in before:
                yield f"source {source.name!r} refers to {referred.name!r}, which must be declared before it"
        before.append(source)
    users: list[tuple[str, object]] = [
        (f"features[{i}]", getattr(f, "source", None)) for i, f in enumerate(declared.features)
    ]
    if declared.requests is not None:
        users.append(("requests", declared.requests.source))
    if declared.label is not None:
        users += [(f"label {declared.label.name!r}", source) for source in declared.label.sources]
    names = [s.name for s in before]
    for user, read in users:
        if isinstance(read, Source) and read not in before:
            what = (
                "another object than the system's of that name"
                if read.name in names
                else "which is none of the system's"
            )
            yield f"{user} reads source {read.name!r}, {what}; the system's: {', '.join(map(str, names))}"


def _request_mistakes(declared: _Declared) -> Iterator[str]:
    requests, label = declared.requests, declared.label
    if requests is not None:
        yield from requests.mistakes()
        if str(requests.key).casefold() in _own_columns():
            yield f"requests: key {requests.key!r} is called as a column of the tables that it names rows of; rename it"
    if label is not None and requests is not None:
        yield from label.mistakes(requests.key)
        if label.source is requests.source:
            yield (
                f"label {label.name!r} is read off the requests' own rows, which are known when the prediction is "
                "asked for; give the later event a source of its own"
            )


def _own_columns() -> set[str]:
    """Return the columns that stand beside the requests' key in labels, scores and predictions."""
    key = ""
    schemas = (label_schema(key), score_schema(key, PREDICT_AT), prediction_schema(key, PREDICT_AT))
    return {name for schema in schemas for name in schema.names} - {key}


def _monitoring_mistakes(declared: _Declared, system: MLSystem) -> Iterator[str]:
    """Yield what is wrong with how it is monitored, once what is monitored is sound itself."""
    if declared.monitoring is None:
        return
    try:
        features = [c.name for c in system.feature_columns]
    except Exception:  # noqa: BLE001 - of features that are wrong themselves, as is told elsewhere
        return
    legible = [s for s in declared.sources if s.is_legible]
    columns = {s.name: [c.name for c in s.columns] for s in legible} | {FEATURES: features}
    asked = [] if declared.columns is None else [c.name for c in declared.columns]
    yield from declared.monitoring.mistakes(sources=columns, features=features, requests=asked)


def _feature_mistakes(declared: _Declared, system: MLSystem) -> Iterator[str]:
    if (requests := declared.columns) is None:
        return  # what they would read cannot be told
    unread = [f for f in declared.features if isinstance(s := getattr(f, "source", None), Source) and not s.is_legible]
    mistakes = mistakes_of_each([f for f in declared.features if f not in unread], requests)
    yield from mistakes
    if mistakes or unread:
        return  # the columns of a mistaken feature cannot be told
    columns = outputs(declared.features, requests)
    names = [c.name for c in columns]
    if system.cold_start is not None:
        yield from none_of("cold_start", system.cold_start, [c.name for c in columns if c.type != "string"])
    key = declared.requests.key if declared.requests is not None else ""
    yield from (mistake for name in names for mistake in misnamed("a feature column", name))
    yield from alike("feature column", names)
    for name in names:
        if name.casefold() in {str(key).casefold(), PREDICT_AT, *RESERVED}:
            yield f"a feature column is named {name!r}, which is a column of every such table; rename it"
    yield from evaluation_mistakes(system, names, [c.name for c in requests])
    if declared.detective is not None:
        yield from declared.detective.mistakes(features=names, requests=[c.name for c in requests])
    for candidate in declared.candidates:
        for name in candidate.needs:
            if name not in names:
                there = ", ".join(names)
                yield f"candidate {candidate.name!r} needs {name!r}, which is no feature column; columns: {there}"


def _candidate_mistakes(declared: _Declared) -> Iterator[str]:
    for candidate in declared.candidates:
        yield from candidate.mistakes()
        yield from none_of(f"candidate {candidate.name!r}: the kind of its predictor", candidate.kind, PREDICTOR_KINDS)
    if declared.candidates and all(c.baseline for c in declared.candidates):
        yield "all its candidates are baselines; at least one must be a model"
    if declared.candidates and not any(c.baseline for c in declared.candidates):
        yield "none of its candidates is a baseline, so that the gate has nothing to beat; add one, such as ZeroRule()"
