"""One tick that is monitored: what its data and its champion were, as known by its end, and where findings go."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.data_sampling.rows import moments
from mlsys_assets.held_out import Predicted, held_out, joined, ordinary
from mlsys_assets.ledger import DIAGNOSIS, MONITORING
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.prediction.skew import differences
from mlsys_assets.production_monitoring.diagnosing.odd_requests import Ordinary
from mlsys_assets.production_monitoring.diagnosing.seen import NO_MOMENTS, Seen, TablePair
from mlsys_assets.production_monitoring.diagnosing.shown_list import TICKS, ShownList
from mlsys_assets.production_monitoring.diagnosis import BUGS, Price, Symptom
from mlsys_assets.production_monitoring.drift.references import ReferenceTimes, without
from mlsys_assets.production_monitoring.feedback.feedback_log import listed
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests
from mlsys_assets.production_monitoring.pipeline.volume import Flow
from mlsys_assets.production_monitoring.shift_kind.scored_rows import scored
from mlsys_assets.production_monitoring.skew_symptoms import skew_price, skew_symptoms
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, KNOWN_AT, LABEL, LABELS, PREDICT_AT, PREDICTIONS, SCORE, SERVED
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.resources import Resources

if TYPE_CHECKING:
    from mlsys_resources.lake import Lake

KEPT = 48
"""Reads of a tick's rows that are kept: each is asked for again by other findings, and by the ticks after it."""


class MonitoringStep:
    """One tick that is monitored, as known by its end."""

    def __init__(
        self, context: dg.AssetExecutionContext, system: MLSystem, stores: Resources, window: TimeWindow
    ) -> None:
        self.context, self.system, self.stores, self.window = context, system, stores, window
        self._versions: dict[tuple[str, str], int] = {}

    @classmethod
    def each(cls, context: dg.AssetExecutionContext, system: MLSystem, stores: Resources) -> "list[MonitoringStep]":
        """Return a step for each tick of the run."""
        return [cls(context, system, stores, w) for w in system.calendar.ticks(adapter.tick_window(context))]

    # ------------------------------------------------------------------------------------- where findings go

    def write(self, table: str, rows: pa.Table, schema: pa.Schema) -> None:
        """Replace the tick's rows of a table."""
        placed, ticks = adapter.in_tick(rows, self.window.start), [self.window.start]
        self.stores.lake.write_ticks(
            self.system.name, table, placed, schema=schema, ticks=ticks, run_id=self.context.run.run_id
        )

    def record(self, name: str, evidence: Mapping[str, Any], said: tuple[str, str]) -> None:
        """Put on the ledger what was found: evidence, and verdict with reason."""
        run = {"dagster_run": self.context.run.run_id}
        self.stores.operations.record(
            Decision(self.system.name, self.window.end, MONITORING, name, *said, dict(evidence), run)
        )

    # ------------------------------------------------------------------------------------- what was known

    @cached_property
    def champion(self) -> ModelVersion | None:
        """The model that was champion when the tick began."""
        operations = self.stores.operations
        found = operations.alias_at(self.system.name, CHAMPION, self.window.start)
        return None if found is None else operations.model(self.system.name, found.version)

    def features(self, window: TimeWindow) -> pa.Table:
        """Return key, prediction time and features of the requests of a window, which are read once."""
        return self._read(FEATURES, self.system.selected, window=(PREDICT_AT, window.start, window.end))

    def predictions(self, window: TimeWindow) -> pa.Table:
        """Return what champions said of the requests of a window; no rows before the first one."""
        return self.stores.lake.read(self.system.name, PREDICTIONS, window=(PREDICT_AT, window.start, window.end))

    def labels(self, since: datetime, *, by: datetime | None = None) -> pa.Table:
        """Return what became known since then, and by a moment (the tick's end), once for each request."""
        key, known = self.system.requests.key, (KNOWN_AT, since, by or self.window.end)
        found = self.stores.lake.read(self.system.name, LABELS, window=known)
        return settled(found, key=key, corrections=self.system.label.corrections)

    def predicted(self, window: TimeWindow, *, by: datetime | None = None) -> Predicted:
        """Return the requests of a window that were predicted, with the labels known by a moment (the tick's end)."""
        made = self.predictions(window)
        return joined(made, self.features(window), self.labels(window.start, by=by), key=self.system.requests.key)

    @cached_property
    def reference_times(self) -> ReferenceTimes:
        """The earlier times that the tick is held against, but for ticks in which a bug was found.

        Else a bug that stays would be called gone as soon as the reference holds it. One that stays for all of the
        reference times is the new normal.
        """
        found = self.system.monitoring.reference.times(self.window, earliest=self.system.calendar.start)
        if not found.windows:
            return found
        step, operations = self.system.calendar.step, self.stores.operations
        since = min(window.start for window in found.windows)
        told = operations.decisions(self.system.name, MONITORING, since=since, until=self.window.start)
        broken = [TimeWindow(d.as_of - step, d.as_of) for d in told if d.name == DIAGNOSIS and d.verdict in BUGS]
        sound = without(found.windows, broken)
        return replace(found, windows=sound) if sound else found

    def observed(self, past: Mapping[str, Floats], together: Floats | None = None) -> Seen:
        """Return all that a diagnosis looks at.

        Parameters
        ----------
        past
            By column, the stability index of each tick before against its own reference.
        together
            (k,) the distance of all columns together of each tick before; None: nobody measured.
        """
        predicted, earlier = self.predicted(self.window), self.reference_times.windows
        skew, skew_price = self._skew(predicted)
        return Seen(
            self.window,
            raw={source.name: self._raw(source) for source in self._watched},
            features=self.feature_pair(),
            predicted=predicted.rows,
            ids=predicted.ids,
            held_out=None if (held := self.held_out) is None else held.rows,
            recent=scored([self.predicted(window, by=self.window.start).rows for window in earlier]),
            skew=skew,
            skew_price=skew_price,
            past=past,
            past_together=np.empty(0) if together is None else together,
            costs=self.system.costs,
            says=None if self.champion is None else partial(self._says, self.champion),
        )

    def _predictor(self, model: ModelVersion) -> Predictor:
        return from_files(self.stores.models.load(self.system.name, model.version).content)

    def _says(self, model: ModelVersion, rows: pa.Table) -> Floats:
        """Return what a model says of rows of features, scored anew."""
        return self._predictor(model).predict(rows)

    def _skew(self, predicted: Predicted) -> tuple[tuple[Symptom, ...], Price | None]:
        """Return the features that were served otherwise than known, and what that costs by the champion's scores."""
        system, lake, key = self.system, self.stores.lake, self.system.requests.key
        if self.champion is None or not lake.has(system.name, SERVED) or not len(predicted.ids):
            return (), None
        there = set(lake.schema(system.name, SERVED).names)
        names = [name for name in system.feature_schema.names if name in there]
        asked = (PREDICT_AT, self.window.start, self.window.end)
        served = lake.read(system.name, SERVED, columns=names, window=asked)
        known = self.features(self.window).select(names)
        found = skew_symptoms(differences(served, known, key=key), served, known, key=key)
        if not found:
            return (), None
        place = pc.index_in(served[key], value_set=predicted.ids)
        label = pa.array(predicted.rows.label).take(place).to_numpy(zero_copy_only=False)
        return found, skew_price(
            self._predictor(self.champion), served, known, key=key, label=label, costs=system.costs
        )

    @property
    def _watched(self) -> tuple[Source, ...]:
        """The sources whose rows come in tick by tick."""
        every = (self.system.requests.source, *self.system.feature_sources)
        return tuple({s.name: s for s in every if not s.snapshot}.values())

    def _raw(self, source: Source) -> TablePair:
        """Return a source's rows that became known in the tick, and in the reference times."""
        columns, times = [c.name for c in source.columns], self.reference_times
        read = partial(self._read, source.name, [*columns, KNOWN_AT])
        now, *before = (read(window=(KNOWN_AT, w.start, w.end)) for w in (self.window, *times.windows))
        pair = self._pair(before, now, KNOWN_AT, drop=[KNOWN_AT], tests=self.system.monitoring.bugs.get(source.name))
        if len(pair.now) or any(len(at) for at in pair.before_at):
            return replace(pair, flow=Flow.of(np.concatenate([*pair.before_at, NO_MOMENTS]), self._ticks_before))
        ever = self._read(source.name, [KNOWN_AT], window=(KNOWN_AT, self.system.calendar.start, self.window.end))
        return replace(pair, before_at=(moments(ever[KNOWN_AT]),))  # silent for long: what was usual is long ago

    def _read(self, table: str, columns: Sequence[str] | None, *, window: tuple[str, datetime, datetime]) -> pa.Table:
        """Return what the version of a table that this step found says of a window."""
        lake, home = self.stores.lake, self.system.home(table)
        if (home, table) not in self._versions:
            self._versions[home, table] = lake.version(home, table)
        return _read(
            lake, home, table, self._versions[home, table], None if columns is None else tuple(columns), window
        )

    @cached_property
    def _ticks_before(self) -> list[TimeWindow]:
        """The ticks that lie in the reference times as a whole."""
        windows, ticks = self.reference_times.windows, self.system.calendar.ticks
        return [t for w in windows for t in ticks(w) if w.start <= t.start and t.end <= w.end]

    def feature_pair(self) -> TablePair:
        """Return what was known of the requests of the tick, and of the reference times."""
        now, *before = map(self.features, (self.window, *self.reference_times.windows))
        drop = [self.system.requests.key, PREDICT_AT]
        return self._pair(before, now, PREDICT_AT, drop=drop, tests=self.system.monitoring.bugs.get(FEATURES))

    def _pair(
        self, before: list[pa.Table], now: pa.Table, at: str, *, drop: list[str], tests: PipelineTests | None
    ) -> TablePair:
        """Return the two sides of a table, ``at`` being the column of their moments."""
        return TablePair(
            (pa.concat_tables(before) if before else now.slice(0, 0)).drop_columns(drop),
            now.drop_columns(drop),
            tests,
            self.reference_times.untold,
            tuple(moments(part[at]) for part in before),
            moments(now[at]),
        )

    @property
    def held_out(self) -> Predicted | None:
        """Return what the champion's recipe said of rows that it had not learned from; None without a champion."""
        return (
            None
            if self.champion is None
            else held_out(self.system, self.stores.lake, self.stores.operations, self.champion.as_of)
        )

    @property
    def ordinary(self) -> Ordinary | None:
        """Return what is ordinary of those rows; None without a champion."""
        champion = self.champion
        return (
            None
            if champion is None
            else ordinary(self.system, self.stores.lake, self.stores.operations, champion.as_of)
        )

    def shown_list(self) -> ShownList | None:
        """Return the list that the last ticks' predictions made; None where none is declared, or none was made."""
        system, calendar, declared = self.system, self.system.calendar, self.system.monitoring.feedback
        if declared is None:
            return None
        key, source = system.requests.key, system.requests.source.name
        first, end, read = (
            max(calendar.start, self.window.end - TICKS * calendar.step),
            self.window.end,
            self.stores.lake.read,
        )
        made = read(system.name, PREDICTIONS, columns=[key, PREDICT_AT, SCORE], window=(PREDICT_AT, first, end))
        if not len(made):
            return None
        asked = (system.requests.predict_at, first, end)
        requests = read(system.home(source), source, columns=[key, *declared.item], window=asked)
        labels = self.labels(first).select([key, LABEL])
        found = listed(declared, made, requests, labels, key=key)
        return ShownList(found, calendar, self.window, system.seed, declared.limits)


@lru_cache(maxsize=KEPT)
def _read(
    lake: "Lake", home: str, table: str, version: int, columns: tuple[str, ...] | None,
    window: tuple[str, datetime, datetime],
) -> pa.Table:  # fmt: skip
    return lake.read(home, table, columns=columns, window=window, version=version)
