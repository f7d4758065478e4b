"""One step of a decision as of a time: what was known then, and the ledger that it writes to."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlsys_assets.dagster_adapter import tick_window
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.training_window import EXPANDING
from mlsys_assets.data_sampling.views import TestRead, Train
from mlsys_assets.features.feature_hash import feature_hashes
from mlsys_assets.known import LabelledReading, known_rows
from mlsys_assets.ledger import CANDIDATE, CHANGES, FAILED, FITTED, MONITORING, TRAINING_SET, cpu_seconds
from mlsys_assets.models.passport.drift import drift
from mlsys_assets.models.passport.parts import FeaturizeAndPredict, file_name, part_of
from mlsys_assets.production_monitoring.dated_changes import dated_changes
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import KNOWN_AT, LABEL, LABELS
from mlsys_assets.types import CHAMPION, utc
from mlsys_resources.operations_rows import Alias, Decision, TestRead as StoredRead
from mlsys_resources.resources import Resources

if TYPE_CHECKING:
    from mlsys_resources.lake import Lake
    from mlsys_resources.model_store import ModelStore


class _Meter:
    """The processor time of a run's steps in this process and its children, told piece by piece."""

    def __init__(self) -> None:
        self.run, self.last = "", 0.0

    def begin(self, run: str) -> None:
        """Begin anew with another run."""
        if run != self.run:
            self.run, self.last = run, _cpu_s()

    def since_last(self) -> float:
        """Return the seconds since it was asked last."""
        before, self.last = self.last, _cpu_s()
        return round(self.last - before, 3)


METER = _Meter()


def _cpu_s() -> float:
    return sum(os.times()[:4])


class DecisionStep:
    """One step of a decision as of a tick's start: what was known then, and the ledger it writes to."""

    def __init__(self, context: dg.AssetExecutionContext, system: MLSystem, stores: Resources) -> None:
        self.context, self.system, self.stores = context, system, stores
        self.as_of = tick_window(context).start
        METER.begin(context.run.run_id)

    def rows(self, versions: Mapping[str, int]) -> LabelledRows:
        """Return the features and labels known as of then, as those table versions hold them."""
        return _rows(self.stores.lake, self.system, self.as_of, tuple(sorted(versions.items())))

    @property
    def reading(self) -> LabelledReading:
        """How the system's labelled rows are read."""
        return LabelledReading.of(self.system)

    def labels_known(self, versions: Mapping[str, int]) -> int:
        """Return how many labels were known then, also of what no prediction was asked for: monitoring counts alike."""
        window = (KNOWN_AT, self.system.calendar.start, self.as_of)
        found = self.stores.lake.read(
            self.system.name, LABELS, columns=[LABEL], window=window, version=versions[LABELS]
        )
        return int(found.num_rows - found[LABEL].null_count)

    def training_rows(self) -> LabelledRows:
        """Return the rows that the training set of this as-of recorded; raises if they are no longer the same."""
        (record,) = self.decisions(TRAINING_SET)
        rows = self.rows(record.context["versions"])
        if rows.content_hash != record.evidence["rows"]:
            raise RuntimeError(
                f"the rows as of {self.as_of:%Y-%m-%d} hash to {rows.content_hash}, the training set recorded "
                f"{record.evidence['rows']}: the lake's versions {record.context['versions']} were changed; "
                "materialize the training set again"
            )
        return rows

    @cached_property
    def changes(self) -> tuple[datetime, ...]:
        """Since when the world is another, as the training set of this as-of recorded it, or else as is known now.

        A window of all that is known asks for none.
        """
        if self.system.learning.window == EXPANDING:
            return ()
        if standing := self.standing(TRAINING_SET):
            return tuple(utc(at) for at in standing[0].evidence.get(CHANGES, ()))
        found = self.stores.operations.decisions(self.system.name, MONITORING, until=self.as_of)
        return dated_changes(found, as_of=self.as_of)

    def split(self, rows: LabelledRows) -> Split:
        """Return rows split as of then, train by the system's window; the steps of one process share it."""
        return _split(self.system, rows, self.as_of, self.changes)

    def refit_view(self, rows: LabelledRows) -> Train:
        """Return the window's rows that a recipe is refitted on as of then; the steps of one process share it."""
        return _refit_view(self.system, rows, self.as_of, self.changes)

    def learned_from(self, rows: LabelledRows) -> Train:
        """Return what the model that is registered as of then has learned from."""
        return self.refit_view(rows) if self.system.learning.refit else self.split(rows).train

    def record(
        self,
        kind: str,
        name: str,
        *,
        verdict: str,
        reason: str,
        evidence: Mapping[str, Any],
        context: Mapping[str, object] | None = None,
    ) -> None:
        """Append a decision as of then to the ledger; the identical one may stand there already."""
        store = {"dagster_run": self.context.run.run_id, "cpu_s": METER.since_last(), **(context or {})}
        self.stores.operations.record(
            Decision(self.system.name, self.as_of, kind, name, verdict, reason, dict(evidence), store)
        )

    @property
    def mlflow_parent(self) -> str:
        """The MLflow run of the training as of then, which its candidates' runs belong to."""
        return str(self.decisions(CANDIDATE)[0].context["mlflow_parent"])

    @property
    def cpu_s(self) -> float:
        """The processor time, in seconds, of all that is on record of the training as of then."""
        found = self.stores.operations.decisions(self.system.name, since=self.as_of, until=self.as_of)
        return cpu_seconds(found)

    @property
    def baselines(self) -> list[str]:
        """The names of the system's baselines."""
        return [c.name for c in self.system.candidates if c.baseline]

    def fitted(self) -> list[Decision]:
        """Return the record of each candidate that was fitted as of then and is still declared."""
        declared = {c.name for c in self.system.candidates}
        return [d for d in self.decisions(CANDIDATE) if d.name in declared and d.verdict == FITTED]

    def failures(self) -> list[str]:
        """Return why each candidate failed that could not be fitted as of then."""
        return [d.reason for d in self.decisions(CANDIDATE) if d.verdict == FAILED]

    def champion_before(self) -> Alias | None:
        """Return the champion that stood before any decision as of then."""
        return self.stores.operations.alias_at(self.system.name, CHAMPION, self.as_of - timedelta(microseconds=1))

    def champion_to_beat(self) -> Alias | None:
        """Return the champion that stood before; None if there was none, or it is not to be compared with."""
        champion = self.champion_before()
        return None if champion is None or self.not_to_beat(champion) else champion

    def not_to_beat(self, champion: Alias) -> str:
        """Return why a champion that stood is none to compare with: it is retired, or read other features."""
        if champion.version in self.stores.operations.retired(self.system.name):
            return f"version {champion.version} is retired"
        changed = _other_features(self.system, self.stores.models, champion.version)
        return f"version {champion.version} was made with other features: {'; '.join(changed)}" if changed else ""

    def standing(self, kind: str) -> list[Decision]:
        """Return what was decided as of then, which may be nothing yet."""
        return list(self.stores.operations.decisions(self.system.name, kind, since=self.as_of, until=self.as_of))

    def decisions(self, kind: str) -> list[Decision]:
        """Return what was decided as of then; raises if there is nothing."""
        found = self.standing(kind)
        if not found:
            raise RuntimeError(
                f"no {kind} of {self.system.name} as of {self.as_of:%Y-%m-%d} is on record; "
                "materialize the assets upstream of this one first"
            )
        return found

    def record_read(self, read: TestRead) -> None:
        """Put an opening of a sealed test on record."""
        self.stores.operations.record_test_read(
            StoredRead(self.system.name, read.split, read.content_hash, read.models, read.reason, read.as_of)
        )


@lru_cache(maxsize=2)
def _other_features(system: MLSystem, models: "ModelStore", version: int) -> tuple[str, ...]:
    """Return which features that a model reads are computed otherwise now, or are gone: it cannot be scored by them."""
    record = models.load(system.name, version).record
    if file_name("featurize_and_predict") not in record:
        return ()
    made = part_of(record, FeaturizeAndPredict)
    hashes = feature_hashes(system.features, system.requests.columns)
    return tuple(drift(made, versions=made.libraries, hashes=hashes))


@lru_cache(maxsize=1)
def _rows(lake: "Lake", system: MLSystem, as_of: datetime, versions: tuple[tuple[str, int], ...]) -> LabelledRows:
    return known_rows(lake, system, as_of, dict(versions))


@lru_cache(maxsize=1)
def _split(system: MLSystem, rows: LabelledRows, as_of: datetime, changes: tuple[datetime, ...]) -> Split:
    return system.time_split.split(rows, as_of=as_of, window=system.learning.window, changes=changes)


@lru_cache(maxsize=1)
def _refit_view(system: MLSystem, rows: LabelledRows, as_of: datetime, changes: tuple[datetime, ...]) -> Train:
    return system.time_split.refit_view(rows, as_of=as_of, window=system.learning.window, changes=changes)
