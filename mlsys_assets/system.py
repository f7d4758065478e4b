"""A system: everything that one model in production chooses, in one frozen declaration."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.features.feature import Feature, outputs
from mlsys_assets.features.leakage.detective import LeakageDetective
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES
from mlsys_assets.features.shortest_reads import shortest_reads
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.mistakes import not_one, sound
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import BehavioralTest
from mlsys_assets.offline_evaluation.choices.thresholds import ThresholdPolicy
from mlsys_assets.offline_evaluation.choices.worth import Worth
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder
from mlsys_assets.offline_evaluation.slicing.slices import Slicing
from mlsys_assets.offline_evaluation.studies.budgets import Unequal
from mlsys_assets.production_monitoring.alerting import Alerting
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.weekly.facts import Wording
from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.learning import Learning, in_stage
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.trigger import Trigger
from mlsys_assets.tables import EVENT_TIME, FEATURES, KNOWN_AT, PREDICT_AT, TIMESTAMP, TYPES, Column
from mlsys_assets.types import Calendar, DeclarationError

EVEN = 0.5
"""From here on a label of 1 is the likelier one."""
PROBE = LightGBM(
    rounds=30, leaves=15, column_share=0.5, more={"max_bin": 31},
    preprocessor=replace(FOR_TREES, beyond="missing"), name="probe",
)  # fmt: skip
"""What the detective learns with, unless a system says otherwise: 0.2 s on 10,000 rows of 87 columns."""


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

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        if wrong := not_one("requests: source", self.source, Source):
            return wrong
        if not self.source.is_legible:
            return []  # the source's own mistakes come first
        types = {c.name: c.type for c in self.source.columns} | {EVENT_TIME: "timestamp", KNOWN_AT: "timestamp"}
        found = []
        for role, name, wanted in (("key", self.key, "string"), ("predict_at", self.predict_at, "timestamp")):
            if name not in types:
                there = ", ".join(types)
                found.append(f"requests: {role} {name!r} is no column of {self.source.name}; columns: {there}")
            elif types[name] != wanted:
                found.append(f"requests: {role} {name!r} is of type {types[name]}; it must be {wanted}")
        if self.key in types and sound(self.source.key, str) != (self.key,):
            found.append(
                f"requests: key {self.key!r} is not the whole key of {self.source.name} ({self.source.key}), so that "
                "two requests could be of one name; give the source a key of this one column"
            )
        if self.source.corrections:
            found.append(
                f"requests: source {self.source.name!r} has corrections, so that a request could be asked twice; "
                "give the requests a source without, and the corrections one of their own"
            )
        if self.source.snapshot:
            found.append(
                f"requests: source {self.source.name!r} is a snapshot, whose rows belong to no tick; use events"
            )
        return found


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
        What is known at prediction time; all those of the system that is reused, if left out.
    split
        How rows are set apart for validation and test.
    candidates
        The models that compete; among them the baselines that any model must beat.
    detective
        Looks for leaks in each training set, before anything is fitted on it; it knows which columns are accepted.
    metrics, slices
        What is measured, and within which groups.
    slice_finder
        Looks for other groups in which a challenger loses more than its scores foretell; None: none is looked for.
    behavior, fairness
        What a challenger must do when its input changes, and how far groups may be apart.
    threshold
        How the score is chosen, on validation, from which on one acts; that of ``costs``, if not declared.
    worth
        What a model must gain over the best baseline to be worth its keep; None: not asked.
    abstention
        What a request costs that is left to others, so that none is decided whose score tells too little; None: none
        is left.
    unequal
        Which candidates were given more than others, and why they are compared nevertheless.
    gates
        What a challenger must show to become champion.
    triggers, retraining
        What is asked at every tick, and how the answers become a decision; without triggers, models are
        trained by hand only.
    learning
        Which rows a training learns from, from scratch or on from the champion, and whether the winner is refitted.
    policies
        Other ways to decide and to learn, to be compared with this one on the past, which `mlsys replay` does.
    monitoring
        What each tick is held against, and from where on a change counts.
    costs
        What its decisions cost, right and wrong; without it, no cost is told.
    cpu_hour_price
        What an hour of one processor costs, in the unit of ``costs``, for the price of each training; None: not told.
    simulated_from
        For data of the past: where the system's own clock begins, a tick's start, as of which the first
        champion is trained. None: the wall clock.
    cold_start
        The feature that counts the rows of a request's key, over its longest window: the error is then told by how
        much was known of what is predicted; None: not told.
    reuses
        Another system of the same requests, whose tables of sources and features this one reads and never writes:
        its ``calendar``, ``sources`` and ``requests`` are that system's, its ``features`` a selection from them.
    seed, threads
        Part of the record: the same of both, on the same kind of machine, gives the same bytes. A fit of trees takes
        no more of the threads than its rows keep busy.
    """

    name: str
    calendar: Calendar
    sources: tuple[Source, ...]
    requests: Requests
    label: NaturalLabel
    features: tuple[Feature, ...] = ()
    split: TimeSplit = field(kw_only=True)
    candidates: tuple[Candidate, ...] = field(kw_only=True)
    metrics: tuple[Metric, ...] = field(kw_only=True)
    gates: Gates = field(kw_only=True)
    slices: tuple[Slicing, ...] = ()
    detective: LeakageDetective = LeakageDetective(PROBE)
    slice_finder: SliceFinder | None = None
    behavior: tuple[BehavioralTest, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    threshold: ThresholdPolicy | None = None
    worth: Worth | None = None
    abstention: Abstention | None = None
    unequal: tuple[Unequal, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    retraining: Retraining = Retraining()
    learning: Learning = Learning()
    policies: tuple[Policy, ...] = ()
    monitoring: Monitoring = Monitoring()
    costs: CostMatrix | None = None
    cpu_hour_price: float | None = None
    simulated_from: datetime | None = None
    owner: str = ""
    description: str = ""
    seed: int = 0
    threads: int = 2
    tags: dict[str, str] = field(default_factory=dict)
    cold_start: str | None = None
    reuses: "MLSystem | None" = None

    def __post_init__(self) -> None:
        if self.features == () and isinstance(self.reuses, MLSystem):
            object.__setattr__(self, "features", self.reuses.features)
        from mlsys_assets.system_mistakes import system_mistakes  # it rests on what is declared here

        if mistakes := list(system_mistakes(self)):
            raise DeclarationError(f"system {self.name!r}", mistakes)

    def home(self, table: str) -> str:
        """Return the name of the system that writes a table: of sources and features that are reused, the other."""
        shared = table == FEATURES or table in [source.name for source in self.sources]
        return self.reuses.name if self.reuses is not None and shared else self.name

    @cached_property
    def selected(self) -> list[str] | None:
        """The columns to read of the feature table; None for all of them, where it is the system's own."""
        return None if self.reuses is None else self.feature_schema.names

    def price(self, cpu_s: float) -> float | None:
        """Return what so many seconds of a processor cost; None if no price is declared."""
        return None if self.cpu_hour_price is None else self.cpu_hour_price * cpu_s / 3600

    @property
    def alerting(self) -> Alerting:
        """Who is told of faults: as declared, or the owner."""
        return self.monitoring.alerting or Alerting(self.owner or self.name)

    @property
    def wording(self) -> Wording:
        """How its things are called on the pages of its ticks."""
        words, metric = self.monitoring.words, self.metrics[0]
        return Wording(
            self.name,
            self.owner or self.name,
            self.description,
            words.request,
            words.requests,
            words.positive,
            unit=None if self.costs is None else self.costs.unit,
            metric=metric.name,
            higher_is_better=metric.higher_is_better,
        )

    def acts_from(self, chosen: float | None = None) -> float:
        """Return the score from which on one acts: that chosen on validation, or of the costs, or one half."""
        if chosen is not None:
            return chosen
        return self.costs.threshold if self.costs is not None else EVEN

    @cached_property
    def learns(self) -> Learning:
        """What each training learns from, in the stage of retraining."""
        return in_stage(self.learning, self.retraining.stage)

    @cached_property
    def time_split(self) -> TimeSplit:
        """The split, with the label's delay as its embargo unless it declares a longer one."""
        return self.split.with_embargo(self.label.delay)

    @cached_property
    def feature_columns(self) -> tuple[Column, ...]:
        """The features' columns, in declared order."""
        return outputs(self.features, self.requests.columns)

    @cached_property
    def feature_schema(self) -> pa.Schema:
        """The feature table as it stands in the lake; of one that is reused, the part that is read."""
        head = [
            pa.field(self.requests.key, pa.string(), nullable=False),
            pa.field(PREDICT_AT, TIMESTAMP, nullable=False),
        ]
        return pa.schema(head + [pa.field(c.name, TYPES[c.type]) for c in self.feature_columns])

    @cached_property
    def shortest_reads(self) -> dict[str, tuple[str, timedelta]]:
        """By source the feature that looks back the shortest time, and that time."""
        return shortest_reads(self.features, self.requests.columns)

    @cached_property
    def feature_sources(self) -> tuple[Source, ...]:
        """The sources that features read besides the request."""
        read = {name for feature in self.features for name in feature.reads}
        return tuple(s for s in self.sources if s.name in read)
