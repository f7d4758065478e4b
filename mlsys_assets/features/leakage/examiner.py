"""The examiner: every test for leaks on one training set, before anything is fitted on it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_sampling.views import Train, Validation
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
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.declared_availability import declared_availability
from mlsys_assets.features.leakage.detective import LeakageDetective, Surroundings
from mlsys_assets.features.leakage.examination import Examination, Table
from mlsys_assets.features.leakage.joins import joins_of, request_keys
from mlsys_assets.features.leakage.logged_rows import LoggedRows
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.types import Finding


@dataclass(frozen=True, eq=False)
class Examiner:
    """One look at one training set.

    Parameters
    ----------
    threads
        With more than one, what needs no fit is searched for beside the fits. Each of these takes one: of a fifth of
        a second, it gains nothing from a second one, and loses much where it has to wait.
    """

    detective: LeakageDetective
    train: Train
    validation: Validation
    around: Surroundings
    seed: int
    threads: int

    def all(self) -> Iterator[Examination]:
        """Give each examination: the same, in the same order, on any number of threads."""
        with ThreadPoolExecutor(1) as beside:
            # What a system brings along, readers and a learner, stays in the thread that it is called in.
            searched = beside.submit(self._searched) if self.threads > 1 else None
            blind, lifts = tuple(self._blind()), tuple(self._lifts())
            known_groups, log = self._groups(), self._served()
            known, labels = searched.result() if searched is not None else self._searched()
        yield from (known, *blind, *lifts, *labels, known_groups, log)

    def _searched(self) -> tuple[Examination, tuple[Examination, ...]]:
        """Return what the values alone say: whether they were known, and whether they are made of labels."""
        return self._known_in_time(), tuple(self._own_labels())

    def _known_in_time(self) -> Examination:
        around = self.around
        joins = joins_of(around.requests, around.sources, around.features, key=around.key)
        own = {"requests": around.requests.name, "key": around.key}
        sample = DaySample.of(self.train, around.tables[around.requests.name], key=around.key, seed=self.seed)
        known = availability.availability(sample, around.tables, joins, **own)
        return replace(_examined(known), table=self._known_when(sample))

    def _blind(self) -> Iterator[Examination]:
        around = self.around
        yield _examined(source_blindness.source_blindness(around.sources, around.audited, seed=self.seed))
        events = around.tables[around.label.source.name]
        yield label_blindness.label_blindness(around.label, events, seed=self.seed)

    def _known_when(self, sample: DaySample) -> Table:
        """Return when what each feature is read from was known."""
        around = self.around
        told = declared_availability(around.features, around.requests, sample, around.tables)
        header = ("feature", "read from", "known within", "newest known before")
        rows = [(one.feature, ", ".join(map(".".join, one.read_from)), one.within, one.newest) for one in told]
        return header, [[_told(cell) for cell in row] for row in rows]

    def _lifts(self) -> Iterator[Examination]:
        probe = Probe.of(self.train, self.validation, self.detective.learner, seed=self.seed)
        yield _pictured(single.single_columns(probe))
        yield _pictured(pairs.column_pairs(self.train, probe))
        yield _pictured(ablation.ablations(probe))

    def _own_labels(self) -> Iterator[Examination]:
        yield _pictured(encodings.encodings(self.train, self.validation, seed=self.seed))
        names = [n for n in request_keys(self.around.features) if n not in self.train.features.schema.names]
        keys = self._requested(names, self.train) if names else None
        yield _pictured(increments.increments(self.train, seed=self.seed, keys=keys))
        yield _pictured(pure_ends.pure_ends(self.train))
        yield _pictured(identifiers.identifiers(self.train, seed=self.seed))

    def _groups(self) -> Examination:
        names = self.detective.groups
        parts = [self._requested(names, rows) for rows in (self.train, self.validation)] if names else []
        ids = {name: (parts[0][name], parts[1][name]) for name in names}
        return _pictured(
            groups.group_leakage(self.train, self.validation, self.detective.learner, groups=ids, seed=self.seed)
        )

    def _requested(self, names: Sequence[str], rows: Train | Validation) -> pa.Table:
        requests = self.around.tables[self.around.requests.name]
        found = pc.index_in(rows.ids, value_set=requests[self.around.key].combine_chunks())
        return requests.select(list(dict.fromkeys(names))).take(found)

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
        return _examined(served.served_as_trained(trained, log, self.detective.learner, seed=self.seed))


class _Found(Protocol):
    """What a test gives that says what it found."""

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What it says against columns."""
        ...

    @property
    def finding(self) -> Finding:
        """What it says altogether."""
        ...


class _Shown(_Found, Protocol):
    """What a test gives that shows it, too."""

    @property
    def table(self) -> Table:
        """Header and rows."""
        ...

    def thumbnail(self) -> str:
        """Return a small picture."""
        ...

    def plot(self) -> str:
        """Return an SVG picture."""
        ...


def _examined(found: _Found) -> Examination:
    told = found.finding
    return Examination(told.name, found.suspicions, told.summary, told.evidence)


def _pictured(found: _Shown) -> Examination:
    return replace(_examined(found), thumbnail=found.thumbnail(), plot=found.plot(), table=found.table)


def _told(cell: object) -> str:
    return "always" if cell is None else str(cell)
