"""The detective: every test for leaks on one training set, before anything is fitted on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.leakage import (
    ablation,
    availability,
    encodings,
    groups,
    identifiers,
    increments,
    label_blindness,
    pairs,
    pure_ends,
    served,
    single,
    source_blindness,
)
from mlsys_assets.features.leakage.examination import Accepted, Examination
from mlsys_assets.features.leakage.joins import joins_of
from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.leakage.logged_rows import LoggedRows
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.mistakes import none_of, not_all, not_one, sound
from mlsys_assets.types import Finding, Scalar, TimeWindow

SINGLE, PAIRS, SETS = "no_column_tells_the_label", "no_pair_tells_the_label", "no_few_columns_carry_the_model"
ENCODINGS, WINDOWS = "no_encoding_holds_its_own_label", "no_window_holds_its_own_label"
PURE, IDENTIFIERS = "no_column_is_pure_at_an_end", "no_identifier_is_a_feature"

CHECKS: Final[Mapping[str, str]] = {
    availability.NAME: "No value stands in a feature that became known only after its prediction time.",
    source_blindness.NAME: "No row of a source changes when the records that became known later are removed.",
    label_blindness.NAME: "No label changes when later events are removed.",
    SINGLE: "No column alone ranks labels better than what is honestly known can.",
    PAIRS: "No two columns tell together what neither tells apart.",
    SETS: "No few columns carry a model that is better than honest ones are.",
    ENCODINGS: "No column's values are means of labels that its own rows' labels are among.",
    WINDOWS: "No column steps, from row to row of a key, as the row's own label does.",
    PURE: "No column has an end at which all labels are alike beyond chance.",
    IDENTIFIERS: "No feature numbers the rows, which would tell the order of a file.",
    groups.FINDING: "No group of rows is known by its label.",
    served.FINDING: "Training rows stand as they were served, where they were.",
}
"""What each test looks for: an ERROR of any of them keeps a training set from being trained on."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where a training set comes from: what its columns can be held against.

    Parameters
    ----------
    requests, key
        The source of the requests, and the column that names them.
    sources, features, label
        The declarations that it was made by.
    tables
        By source, the rows known as of the training set's time, also those known after a request's.
    audited
        Within which time the sources' own functions are tried again.
    served
        What was served before, and logged; None where nothing was.
    """

    requests: Source
    key: str
    sources: tuple[Source, ...]
    features: tuple[Feature, ...]
    label: NaturalLabel
    tables: Mapping[str, pa.Table]
    audited: TimeWindow
    served: LoggedRows | None = None


@dataclass(frozen=True)
class LeakageDetective:
    """Looks for leaks in every training set of a system.

    Parameters
    ----------
    learner
        What probes are fitted with, some twenty times on 10,000 rows: a small, quick candidate.
    accepts
        Columns that honestly tell as much as is suspect elsewhere, each with the reason.
    groups
        Columns of the requests' source that name groups whose rows belong together, such as a patient's number;
        the features' own categories are looked at in any case.
    """

    learner: Learner
    accepts: tuple[Accepted, ...] = ()
    groups: tuple[str, ...] = ()

    def mistakes(self, *, features: Sequence[str], requests: Sequence[str]) -> list[str]:
        """Return what is wrong with the declaration, for those feature columns and columns of requests."""
        found = not_one("detective: learner", self.learner, Learner)
        found += not_all("detective: accepts", self.accepts, Accepted) + not_all("detective: groups", self.groups, str)
        for one in sound(self.accepts, Accepted):
            found += none_of("detective: an accepted column", one.column, features)
            if not isinstance(one.because, str) or not one.because.strip():
                found.append(f"detective: {one.column!r} is accepted without a reason; say why in because=")
        for name in sound(self.groups, str):
            found += none_of("detective: a column that names groups", name, requests)
        return found

    def examine(
        self, train: Train, validation: Validation, around: Surroundings, *, seed: int, threads: int = 1
    ) -> tuple[Examination, ...]:
        """Return what each test says, in the order of ``CHECKS``; the tests are sealed, and not looked at."""
        require_train(train, what="the detective")
        require_validation(validation, what="the detective")
        found = _Examiner(self, train, validation, around, seed, threads)
        return tuple(one.accepting(self.accepts) for one in found.all())


@dataclass(frozen=True, eq=False)
class _Examiner:
    """One look at one training set."""

    detective: LeakageDetective
    train: Train
    validation: Validation
    around: Surroundings
    seed: int
    threads: int

    def all(self) -> Iterator[Examination]:
        """Give each examination."""
        yield from self._known_in_time()
        yield from self._lifts()
        yield from self._own_labels()
        yield self._groups()
        yield self._served()

    def _known_in_time(self) -> Iterator[Examination]:
        around = self.around
        joins = joins_of(around.requests, around.sources, around.features, key=around.key)
        yield _examined(
            availability.availability(
                self.train, around.tables, joins, requests=around.requests.name, key=around.key, seed=self.seed
            )
        )
        yield _examined(source_blindness.source_blindness(around.sources, around.audited, seed=self.seed))
        events = around.tables[around.label.source.name]
        yield label_blindness.label_blindness(around.label, events, seed=self.seed)

    def _lifts(self) -> Iterator[Examination]:
        probe = Probe.of(self.train, self.validation, self.detective.learner, seed=self.seed, threads=self.threads)
        best = single.single_columns(probe)
        yield _pictured(SINGLE, best, "the best column alone ranks labels of other days no better than is honest")
        found = pairs.column_pairs(self.train, probe)
        yield _pictured(PAIRS, found, "no pair tells much more together than its columns do apart")
        yield _pictured(SETS, ablation.ablations(probe), "no few columns carry more of the model than is honest")

    def _own_labels(self) -> Iterator[Examination]:
        own = encodings.encodings(self.train, self.validation, seed=self.seed)
        yield _pictured(ENCODINGS, own, "no column's values agree with its own rows' labels more than chance gives")
        steps = increments.increments(self.train, seed=self.seed)
        yield _pictured(WINDOWS, steps, "no column's step from the row before tells its own row's label")
        yield _pictured(PURE, pure_ends.pure_ends(self.train), "no column has an end at which all labels are alike")
        numbered = identifiers.identifiers(self.train, seed=self.seed)
        yield _pictured(IDENTIFIERS, numbered, "no feature numbers the rows")

    def _groups(self) -> Examination:
        names = self.detective.groups
        ids = {name: (self._requested(name, self.train), self._requested(name, self.validation)) for name in names}
        found = groups.group_leakage(
            self.train, self.validation, self.detective.learner, groups=ids, seed=self.seed, threads=self.threads
        )
        return _examined(found, thumbnail=found.thumbnail(), plot=found.plot())

    def _requested(self, name: str, rows: Train | Validation) -> pa.ChunkedArray:
        requests = self.around.tables[self.around.requests.name]
        found = pc.index_in(rows.ids, value_set=requests[self.around.key].combine_chunks())
        return requests[name].take(found)

    def _served(self) -> Examination:
        log = self.around.served
        if log is None:
            return Examination(served.FINDING, (), "nothing has been served, so that nothing is compared")
        parts = (self.train, self.validation)
        trained = LoggedRows(
            pa.concat_arrays([part.ids for part in parts]),
            np.concatenate([part.at for part in parts]),
            pa.concat_tables([part.features for part in parts]),
        )
        own = {"seed": self.seed, "threads": self.threads}
        return _examined(served.served_as_trained(trained, log, self.detective.learner, **own))


class _Told(Protocol):
    """What a test gives that says what it found."""

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What it says against columns."""
        ...

    @property
    def finding(self) -> Finding:
        """What it says altogether."""
        ...


class _Shown(Protocol):
    """What a test gives that shows what it found."""

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What it says against columns."""
        ...

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """Its numbers."""
        ...

    def thumbnail(self) -> str:
        """Return a small picture."""
        ...

    def plot(self) -> str:
        """Return an SVG picture."""
        ...


def _examined(found: _Told, *, thumbnail: str = "", plot: str = "") -> Examination:
    told = found.finding
    return Examination(told.name, found.suspicions, told.summary, told.evidence, thumbnail, plot)


def _pictured(name: str, found: _Shown, clean: str) -> Examination:
    return Examination(name, found.suspicions, clean, found.evidence, found.thumbnail(), found.plot())
