"""What the erasure of a value concerns: rows of which versions of which tables, and which models learned from them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.feature import each_with_outputs
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.ledger import CANDIDATE, TRAINING_SET
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION, utc
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.resources import Resources
from mlsys_resources.table_erasure import Held, Wanted
from mlsys_resources.value_search import LEAST_CHARACTERS

NUMBER = re.compile(r"-?[0-9]{1,19}")
"""A whole number of at most 64 bits, or nearly."""


@dataclass(frozen=True)
class Affected:
    """What learned from rows that are to go, by system: trainings by their as-of, and their registered models."""

    trainings: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    models: tuple[ModelVersion, ...] = ()

    def files(self, stores: Resources) -> dict[str, str]:
        """Return where the files of all these models lie, candidates that were never registered included.

        Each with the hash of its manifest, by which a copy is known.
        """
        fitted = {
            str(context["source"]): str(context["manifest_sha256"])
            for _, context in self._candidates(stores)
            if "source" in context
        }
        return dict(sorted({**fitted, **{model.source: model.manifest_sha256 for model in self.models}}.items()))

    def runs(self, stores: Resources) -> list[tuple[str, str]]:
        """Return the runs of these trainings, each with its system, also those that died before their record.

        Raises ModelStoreError where MLflow cannot be asked for them.
        """
        known = {(system, str(context["mlflow_run"])) for system, context in self._candidates(stores)}
        known |= {(model.system, model.run_id) for model in self.models}
        tagged = {
            (system, run)
            for system, moments in self.trainings.items()
            for at in moments
            for run in stores.models.runs(system, {"as_of": at.isoformat()})
        }
        return sorted(known | tagged)

    def _candidates(self, stores: Resources) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the system of each candidate of these trainings, and what stands beside its record."""
        for system, moments in self.trainings.items():
            for at in moments:
                for decision in stores.operations.decisions(system, CANDIDATE, since=at, until=at):
                    yield system, decision.context


@dataclass(frozen=True)
class Plan:
    """All that an erasure concerns.

    Parameters
    ----------
    column, value
        Whose rows.
    key
        The column that names a request, by which rows go that do not hold the value themselves.
    keys
        The requests that hold the value.
    tables
        By (system, table), where rows are to go from.
    affected
        What learned from any of them.
    shared
        The features of other requests that such a row may have counted in, by a key that others share; they stay.
    in_texts
        Whether the value is looked for in texts too: one that is short, or the name of a system, table or column,
        stands there by chance.
    """

    column: str
    value: str
    key: str
    keys: frozenset[str]
    tables: Mapping[tuple[str, str], Held]
    affected: Affected
    shared: tuple[str, ...] = ()
    in_texts: bool = True

    @property
    def rows(self) -> dict[str, int]:
        """The rows that go from each table's latest version."""
        return {f"{system}.{table}": held.rows for (system, table), held in self.tables.items()}

    def record(self) -> dict[str, Any]:
        """Return the plan as it is put on record: counts, versions and content hashes, not one value."""
        return {
            "rows": self.rows,
            "versions": {f"{s}.{t}": sorted(held.versions) for (s, t), held in self.tables.items()},
            "requests": len(self.keys),
            "trainings": {s: [at.isoformat() for at in found] for s, found in self.affected.trainings.items()},
            "models": {f"{m.system} version {m.version}": m.content_hash for m in self.affected.models},
        }


def family(system: MLSystem, systems: Sequence[MLSystem]) -> tuple[MLSystem, ...]:
    """Return a system and those that reuse its tables; raises ValueError for one whose tables are another's."""
    if system.reuses is not None:
        raise ValueError(
            f"{system.name} reuses the tables of {system.reuses.name}, whose rows are to be erased there: "
            f"mlsys erase {system.reuses.name}"
        )
    return (system, *(s for s in systems if s.reuses is not None and s.reuses.name == system.name))


def plan(system: MLSystem, systems: Sequence[MLSystem], stores: Resources, *, column: str, value: str) -> Plan:
    """Return what the erasure of a value concerns; looks at every file of every version, and changes nothing.

    Rows go that hold the value in its column; with them, from all tables, the rows of the requests that hold it; and
    from tables without the column, rows of text that is the value. Other requests' aggregates that counted one of
    these rows stay: a mean over a route's flights is no data of one aircraft.

    Raises LookupError if no table has the column, naming those there are; ValueError for a value that none can have.
    """
    tables = [(each.name, table) for each in family(system, systems) for table in stores.lake.tables(each.name)]
    schemas = {place: stores.lake.schema(*place) for place in tables}
    value = _told(value, column, _kinds(system.name, schemas, column))
    key, alone = system.requests.key, Wanted(column, value, {})
    found = [stores.lake.keys_of(*place, Wanted(column, value, {key: _none}), key) for place in tables]
    keys = frozenset(str(each) for one in found for each in one)
    wanted = Wanted(column, value, {key: partial(_among, keys)}) if keys else alone
    held = {place: where for place in tables if (where := stores.lake.held(*place, wanted)) is not None}
    hit = affected(systems_of=family(system, systems), stores=stores, held=held)
    shared = shared_features(system, [table for _, table in held], column)
    names = {name for place, schema in schemas.items() for name in (*place, *schema.names)}
    in_texts = len(value) >= LEAST_CHARACTERS and value not in names
    return Plan(column, value, key, keys, held, hit, shared, in_texts)


def shared_features(system: MLSystem, tables: Collection[str], column: str) -> tuple[str, ...]:
    """Return the feature columns that read rows of tables by a key other than a column or the request's own name."""
    found: list[str] = []
    for feature, columns in each_with_outputs(system.features, system.requests.columns):
        if not isinstance(feature, Lookup | Trailing | Scheduled) or set(feature.reads).isdisjoint(tables):
            continue
        if not {column, system.requests.key} & {key.in_source for key in feature.keys}:
            found += [each.name for each in columns]
    return tuple(found)


def affected(*, systems_of: Sequence[MLSystem], stores: Resources, held: Mapping[tuple[str, str], Held]) -> Affected:
    """Return the trainings whose recorded table versions hold rows that are to go, what came of them, and the models.

    A model that was gone on from another has learned what that one had, whatever rows there are by then.
    """
    trainings: dict[str, tuple[datetime, ...]] = {}
    for system in systems_of:
        sets = stores.operations.decisions(system.name, TRAINING_SET)
        touched = {d.as_of for d in sets if _touched(system, d.context["versions"], held)}
        if moments := touched | _gone_on_from(touched, stores.operations.decisions(system.name, CANDIDATE)):
            trainings[system.name] = tuple(sorted(moments))
    models = [m for s, found in trainings.items() for m in stores.operations.models(s) if m.as_of in found]
    return Affected(trainings, tuple(models))


def joined(stores: Resources, fresh: Affected, recorded: Mapping[str, Any]) -> Affected:
    """Return what is affected by what was found before an erasure was cut short, and by what is found now."""
    before = {s: tuple(utc(at) for at in found) for s, found in recorded.get("trainings", {}).items()}
    trainings = {
        s: tuple(sorted({*before.get(s, ()), *fresh.trainings.get(s, ())})) for s in {**before, **fresh.trainings}
    }
    models = [m for s, found in trainings.items() for m in stores.operations.models(s) if m.as_of in found]
    return Affected(trainings, tuple(models))


def champion_of(stores: Resources, system: str) -> int | None:
    """Return the champion's version."""
    found = stores.operations.alias(system, CHAMPION)
    return None if found is None else found.version


def _touched(system: MLSystem, versions: Mapping[str, int], held: Mapping[tuple[str, str], Held]) -> bool:
    found = ((held.get((system.home(table), table)), version) for table, version in versions.items())
    return any(where is not None and version in where.versions for where, version in found)


def _gone_on_from(trainings: Collection[datetime], fits: Sequence[Decision]) -> set[datetime]:
    """Return as of when a candidate was gone on from one of these trainings, or from one that was itself."""
    found: set[datetime] = set()
    for fit in sorted(fits, key=lambda d: d.as_of):  # a parent stands before all that came of it
        began = fit.evidence.get("start", {}).get("as of")
        if began is not None and utc(began) in found.union(trainings):
            found.add(fit.as_of)
    return found


def _kinds(system: str, schemas: Mapping[tuple[str, str], pa.Schema], column: str) -> list[pa.DataType]:
    """Return the types that a column of a system has; raises LookupError for one that it does not have."""
    own = [schema for (home, _), schema in schemas.items() if home == system]
    kinds = [schema.field(column).type for schema in own if column in schema.names]
    if not kinds:
        there = sorted({name for schema in own for name in schema.names}) or ["nothing yet"]
        raise LookupError(f"no table of {system} has a column {column!r}; there are: {', '.join(there)}")
    return kinds


def _told(value: str, column: str, kinds: Sequence[pa.DataType]) -> str:
    """Return a value as the column tells it, by which it is known again when it is delivered again: 7, not 007."""
    if any(pa.types.is_string(kind) for kind in kinds):
        return value
    if not all(pa.types.is_integer(kind) for kind in kinds):
        raise ValueError(f"{column!r} is of type {kinds[0]}; whose rows are to go is told by text or a whole number")
    if not NUMBER.fullmatch(value):
        raise ValueError(f"{column!r} is of type {kinds[0]}, and {value!r} is no whole number")
    return str(int(value))


def _none(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.zeros(len(values), dtype=bool)


def _among(keys: frozenset[str], values: pa.ChunkedArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.asarray(pc.is_in(values.cast(pa.string()), value_set=pa.array(sorted(keys))))
    return found
