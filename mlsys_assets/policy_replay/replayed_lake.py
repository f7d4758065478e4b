"""A lake to live on once more: what was told is read of the true one, what is said stays in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.profile import PROFILE_SCHEMA, TRAINING_PROFILE
from mlsys_assets.held_out import TEST_SCORES
from mlsys_assets.ledger import DRIFT, PERFORMANCE
from mlsys_assets.offline_evaluation.evaluation import score_schema
from mlsys_assets.policy_replay.held_table import HeldTable
from mlsys_assets.policy_replay.journal import Journal
from mlsys_assets.prediction.batch import baseline_schema, prediction_schema
from mlsys_assets.production_monitoring.diagnosing.history import RECENT_DRIFT, RECENT_DRIFT_SCHEMA
from mlsys_assets.production_monitoring.drift.profile_drift import DRIFT_SCHEMA
from mlsys_assets.production_monitoring.revisions import revised_schema
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import BASELINES, FEATURES, PREDICT_AT, PREDICTIONS, SERVED, TICK, TIMESTAMP
from mlsys_resources.lake import Lake, Written
from mlsys_resources.tick_rows import TICK_FIELD

THE_ONLY = 0
"""The number of the version of each table: what is held does not change."""
OWN = (PREDICTIONS, BASELINES, PERFORMANCE, DRIFT, RECENT_DRIFT, TEST_SCORES, TRAINING_PROFILE)
"""The tables that another policy would have written otherwise."""

OF_TRAININGS = (TEST_SCORES, TRAINING_PROFILE)
"""Those of them that only the champion's monitoring reads."""


class SharedTables:
    """What the world told, read of the lake once for all lives, and of each moment no more than was there.

    Parameters
    ----------
    lake
        The lake of a system that has been lived; it is only read.
    since
        From when on predictions are made. A tick whose features no champion was served, because there was none yet,
        is served what was known.
    """

    def __init__(self, lake: Lake, system: MLSystem, since: datetime) -> None:
        self.lake, self.system, self.since, self.now = lake, system, since, since
        self._held: dict[tuple[str, str], HeldTable] = {}
        self._hashes: dict[tuple[str, str, datetime], str] = {}

    def table(self, system: str, name: str) -> HeldTable:
        """Return a table with all its ticks."""
        if (system, name) not in self._held:
            held = self._served() if (system, name) == (self.system.name, SERVED) else self._read(system, name)
            self._held[system, name] = held
        return self._held[system, name]

    def tick_hash(self, system: str, table: str, tick: datetime) -> str:
        """Return the content hash of a tick's rows."""
        if (system, table, tick) not in self._hashes:
            self._hashes[system, table, tick] = self.lake.tick_hashes(system, table, ticks=[tick])[tick]
        return self._hashes[system, table, tick]

    def _read(self, system: str, name: str) -> HeldTable:
        own = self.lake.schema(system, name).names
        try:
            rows = self.lake.read(system, name, columns=[*own, TICK])
        except LookupError:  # a snapshot has no ticks
            rows = self.lake.read(system, name)
        return HeldTable(rows.combine_chunks(), own)

    def _served(self) -> HeldTable:
        system, names = self.system, self.system.feature_schema.names
        known = self.table(system.home(FEATURES), FEATURES).read([*names, TICK])
        known = known.filter(pc.greater_equal(known[TICK], pa.scalar(self.since, TIMESTAMP)))
        if not self.lake.has(system.name, SERVED):
            return HeldTable(known, names)
        logged = self.lake.read(system.name, SERVED, columns=[*names, TICK])
        there = pa.array(logged[TICK].unique())
        others = known.filter(pc.invert(pc.is_in(known[TICK], value_set=there)))
        both = pa.concat_tables([others.cast(logged.schema), logged]).combine_chunks()
        return HeldTable(both.sort_by([(TICK, "ascending")]) if len(others) else both, names)


class ReplayedLake:
    """The lake of one life: the shared tables up to now, and its own.

    Parameters
    ----------
    journal
        Is told of every write.
    """

    def __init__(self, shared: SharedTables, journal: Journal) -> None:
        self.shared, self.journal = shared, journal
        self.own = {name: _OwnTable(schema) for name, schema in _schemas(shared.system).items()}

    def read(  # noqa: PLR0913 - as the lake does
        self,
        system: str,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        known_by: datetime | None = None,
        window: tuple[str, datetime, datetime] | None = None,
        ticks: Sequence[datetime] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Return rows as ``Lake.read`` does."""
        own = self._own(system, table)
        held = self.shared.table(system, table) if own is None else own.held
        return held.read(columns, before=self.shared.now, known_by=known_by, window=window, ticks=ticks)

    def has(self, system: str, table: str) -> bool:
        """Return whether there is such a table by now."""
        own = self._own(system, table)
        if own is not None:
            return bool(own.parts)
        if (system, table) == (self.shared.system.name, SERVED):
            return self.shared.now > self.shared.since
        return self.shared.lake.has(system, table)

    def schema(self, system: str, table: str, *, version: int | None = None) -> pa.Schema:
        """Return the table's own columns."""
        own = self._own(system, table)
        if own is not None:
            return own.schema
        held = self.shared.table(system, table)
        return held.rows.select(list(held.own)).schema

    def version(self, system: str, table: str) -> int:
        """Return the number of the only version that there is."""
        return THE_ONLY

    def tick_hashes(self, system: str, table: str, *, ticks: Sequence[datetime]) -> dict[datetime, str]:
        """Return the content hash of each tick of a shared table."""
        return {tick: self.shared.tick_hash(system, table, tick) for tick in ticks}

    def write_ticks(
        self, system: str, table: str, data: pa.Table, *, schema: pa.Schema, ticks: Sequence[datetime], run_id: str
    ) -> Written:
        """Replace the rows of ticks of an own table; raises PermissionError for one that is shared."""
        own = self._own(system, table)
        if own is None:
            raise PermissionError(f"{system}.{table} is shared by all lives; a replay writes only {', '.join(OWN)}")
        own.write(data, schema, ticks)
        told: dict[str, Any] = {"schema": schema, "ticks": ticks, "run_id": run_id}
        self.journal.note(lambda stores: stores.lake.write_ticks(system, table, data, **told))
        return Written(THE_ONLY, data.num_rows, {}, "", ())

    def forget_before(self, as_of: datetime) -> None:
        """Forget what was written of trainings before: it is of champions that are none any more."""
        for name in OF_TRAININGS:
            self.own[name].forget_before(as_of)

    def _own(self, system: str, table: str) -> "_OwnTable | None":
        return self.own.get(table) if system == self.shared.system.name else None


class _OwnTable:
    """A table by ticks, in memory."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema, self.parts = schema, dict[datetime, pa.Table]()
        self._held: HeldTable | None = None

    def write(self, data: pa.Table, schema: pa.Schema, ticks: Sequence[datetime]) -> None:
        self.schema = schema
        for tick in ticks:
            rows = data if len(ticks) == 1 else HeldTable(data, ()).read(data.column_names, ticks=[tick])
            self.parts[tick] = rows.cast(schema.append(TICK_FIELD))
        self._held = None

    def forget_before(self, tick: datetime) -> None:
        self.parts = {start: rows for start, rows in self.parts.items() if start >= tick}
        self._held = None

    @property
    def held(self) -> HeldTable:
        """All of it, as it can be read."""
        if self._held is None:
            parts = [self.schema.append(TICK_FIELD).empty_table(), *(self.parts[t] for t in sorted(self.parts))]
            self._held = HeldTable(pa.concat_tables(parts), self.schema.names)
        return self._held


def _schemas(system: MLSystem) -> Mapping[str, pa.Schema]:
    key = system.requests.key
    return {
        PREDICTIONS: prediction_schema(key, PREDICT_AT),
        BASELINES: baseline_schema(key, PREDICT_AT),
        PERFORMANCE: revised_schema(system.metrics),
        DRIFT: DRIFT_SCHEMA,
        RECENT_DRIFT: RECENT_DRIFT_SCHEMA,
        TEST_SCORES: score_schema(key, PREDICT_AT),
        TRAINING_PROFILE: PROFILE_SCHEMA,
    }
