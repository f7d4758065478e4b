"""What was known: the features of requests as of each one's own time, and the labelled rows as of one time for all."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_labeling.label import settled
from mlsys_assets.data_sampling.rows import LabelledRows, moments
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import Feature, reads
from mlsys_assets.features.leakage.detective import Surroundings
from mlsys_assets.features.leakage.logged_rows import LoggedRows
from mlsys_assets.features.request_table import require_known
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, KNOWN_AT, LABEL, LABELS, PREDICT_AT, SERVED, STATE
from mlsys_assets.types import TimeWindow

AUDITED = timedelta(days=7)
"""How long before a training set's time the sources' own functions are tried again."""


def known_features(
    lake: Any, system: MLSystem, features: Sequence[Feature], window: TimeWindow, *, engine: Any = None
) -> pa.Table:
    """Return features (declared, or tried) of the requests in a window, each as known at its prediction time.

    ``engine`` opens what computes them; in memory, if not given. DuckDB reads the lake's tables where they lie, Spark
    is handed their rows.
    """
    requests, name = system.requests, system.requests.source.name
    asked = lake.read(system.home(name), name, window=(requests.predict_at, window.start, window.end))
    require_known(asked, predict_at=requests.predict_at, what=f"requests from {name}")
    columns = {"key": requests.key, "predict_at": requests.predict_at}
    with nullcontext() if engine is None else engine.open() as backend:
        if backend is not None and backend.name == "duckdb":
            from mlsys_assets.features.relational import engine as relational

            # Views, not rows: of what they show, only what is within reach of the requests is read.
            views = {table: _view(lake, backend, system.home(table), table) for table in reads(features)}
            return relational.compute(features, asked, views, backend=backend, **columns)
        tables = {}
        for table, length in reads(features).items():
            span = None if length is None else (KNOWN_AT, window.start - length, window.end)
            tables[table] = lake.read(system.home(table), table, window=span, known_by=window.end)
        if backend is None:
            return compute(features, asked, tables, **columns)
        from mlsys_assets.features.relational import engine as relational

        return relational.compute(features, asked, tables, backend=backend, **columns)


def _view(lake: Any, backend: Any, system: str, table: str) -> Any:
    lake.relation(backend.con, system, table)
    return backend.table(table, database=system)


@dataclass(frozen=True)
class LabelledReading:
    """How labelled rows are read of the lake: enough to read them again without the system's declaration.

    Parameters
    ----------
    features_of, labels_of
        The systems whose tables of features and labels are read.
    columns
        Those of the features that are read; None for all.
    key
        What names a request.
    start
        Since when.
    corrections
        Whether a label that became known later replaces the one before.
    label_window
        How long a label is waited for.
    """

    features_of: str
    labels_of: str
    columns: tuple[str, ...] | None
    key: str
    start: datetime
    corrections: bool
    label_window: timedelta

    @classmethod
    def of(cls, system: MLSystem) -> "LabelledReading":
        """Return how a system's rows are read."""
        columns = None if system.selected is None else tuple(system.selected)
        return cls(
            system.home(FEATURES), system.name, columns, system.requests.key, system.calendar.start,
            system.label.corrections, system.label.window,
        )  # fmt: skip

    def rows(self, lake: Any, as_of: datetime, versions: Mapping[str, int]) -> LabelledRows:
        """Return the features of all requests before a time, with the labels known then, as table versions hold them.

        What became known at the very moment belongs to the tick that starts then, and may not be there yet: counted, it
        would change the answer when it is asked for again.
        """
        features = lake.read(
            self.features_of, FEATURES, columns=self.columns, window=(PREDICT_AT, self.start, as_of),
            version=versions[FEATURES],
        )  # fmt: skip
        labels = lake.read(self.labels_of, LABELS, window=(KNOWN_AT, self.start, as_of), version=versions[LABELS])
        told = settled(labels, key=self.key, corrections=self.corrections)
        return LabelledRows.join(features, told, key=self.key, at=PREDICT_AT, window=self.label_window)

    def then(self, rows: LabelledRows, lake: Any, as_of: datetime, version: int) -> LabelledRows:
        """Return rows with their labels as they stood at an earlier time, as a version of the labels' table holds them.

        What was told late, or corrected since, is not known then, or known otherwise.
        """
        labels = lake.read(self.labels_of, LABELS, window=(KNOWN_AT, self.start, as_of), version=version)
        told = settled(labels, key=self.key, corrections=self.corrections)
        place = pc.index_in(rows.ids, value_set=told[self.key].combine_chunks())
        label = told[LABEL].cast(pa.float64()).take(place).to_numpy()
        known, state = moments(told[KNOWN_AT].take(place)), told[STATE].take(place).combine_chunks()
        return replace(rows, label=label, known_at=known, state=state)


def known_rows(lake: Any, system: MLSystem, as_of: datetime, versions: Mapping[str, int]) -> LabelledRows:
    """Return a system's labelled rows as known at a time, as table versions hold them."""
    return LabelledReading.of(system).rows(lake, as_of, versions)


def known_surroundings(lake: Any, system: MLSystem, as_of: datetime, versions: Mapping[str, int]) -> Surroundings:
    """Return what a training set as of then can be held against, as table versions hold it.

    ``versions`` has those of the sources' tables, and of the log of what was served where there is one; a source
    without a version is not looked at.
    """
    start, requests = system.calendar.start, system.requests
    tables = {
        source.name: lake.read(
            system.home(source.name),
            source.name,
            window=None if source.snapshot else (KNOWN_AT, start, as_of),
            version=versions[source.name],
        )
        for source in system.sources
        if source.name in versions
    }
    log = None
    if SERVED in versions:
        rows = lake.read(system.name, SERVED, window=(PREDICT_AT, start, as_of), version=versions[SERVED])
        log = LoggedRows.of(rows, key=requests.key, at=PREDICT_AT)
    return Surroundings(
        requests.source, requests.key, system.sources, system.features, system.label, tables,
        TimeWindow(max(start, as_of - AUDITED), as_of), log,
    )  # fmt: skip
