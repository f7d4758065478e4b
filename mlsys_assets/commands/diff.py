"""The command ``mlsys diff``: which rows differ between two versions of a table, or in what two models learned from."""

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from mlsys_assets.commands.asked import asked_workspace
from mlsys_assets.ledger import TRAINING_SET
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, KNOWN_AT, LABELS, MODEL, PREDICT_AT, TICK
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.resources import Resources
from mlsys_resources.table_diff import TableDiff, difference

USAGE = "say SYSTEM TABLE VERSION VERSION, or two models as SYSTEM@VERSION SYSTEM@VERSION"
KNOWN_BY = {FEATURES: PREDICT_AT, LABELS: KNOWN_AT}
"""By table that a model learns from, the time by which its rows count as known."""


@dataclass(frozen=True)
class Told:
    """A difference, with what it is between."""

    system: str
    table: str
    before: str
    after: str
    diff: TableDiff

    def lines(self, most: int | None) -> Iterator[str]:
        """Yield the difference in words, ``most`` rows of each kind."""
        diff, counts = self.diff, self.diff.counts
        yield f"{self.system} {self.table}: {self.before} → {self.after}"
        if not diff:
            yield "  no row differs"
            return
        yield f"  rows      {counts.added:,} added, {counts.removed:,} removed, {counts.changed:,} changed"
        yield f"  named by  {', '.join(diff.key) or 'nothing: no key is declared, so that a changed row is two rows'}"
        for what, names in (
            ("only before", diff.columns_removed), ("only after", diff.columns_added), ("other type", diff.retyped),
        ):  # fmt: skip
            if names:
                yield f"  columns   {what}: {', '.join(names)}"
        for name, rows in diff.changed_columns().items():
            yield f"  column    {name} changed in {rows:,} rows"
        for tick, each in diff.by_tick().items():
            yield f"  tick      {tick:%Y-%m-%d %H:%M}  +{each.added:,} -{each.removed:,} ~{each.changed:,}"
        for change in diff.changes(most):
            said = ", ".join(f"{name} {_said(old)} → {_said(new)}" for name, (old, new) in change.columns.items())
            yield f"  ~ {_row(change.key)}: {said}"
        for sign, rows in (("+", diff.added), ("-", diff.removed)):
            yield from (f"  {sign} {_row(row)}" for row in rows.slice(0, most).to_pylist())
        if most is not None and (hidden := sum(max(0, n - most) for n in asdict(counts).values())):
            yield f"  … and {hidden:,} rows more; --all shows them, --limit N so many of each kind"

    def values(self, most: int | None) -> dict[str, Any]:
        """Return the difference as JSON holds it, ``most`` rows of each kind."""
        diff = self.diff
        return {
            "system": self.system,
            "table": self.table,
            "before": self.before,
            "after": self.after,
            "key": list(diff.key),
            **asdict(diff.counts),
            "columns_added": list(diff.columns_added),
            "columns_removed": list(diff.columns_removed),
            "columns_retyped": list(diff.retyped),
            "changed_columns": diff.changed_columns(),
            "by_tick": {tick.isoformat(): asdict(each) for tick, each in diff.by_tick().items()},
            "changed_rows": [
                {"key": _json(c.key), "columns": {name: [_value(v) for v in both] for name, both in c.columns.items()}}
                for c in diff.changes(most)
            ],
            "added_rows": [_json(row) for row in diff.added.slice(0, most).to_pylist()],
            "removed_rows": [_json(row) for row in diff.removed.slice(0, most).to_pylist()],
        }


def between_versions(system: MLSystem, stores: Resources, table: str, before: int, after: int) -> Told:
    """Return what differs between two versions of a table; raises NoSuchTable, saying what there is."""
    old, new = stores.lake.apart(system.home(table), table, before, after)
    found = difference(old, new, key=key_of(system, table, new.schema))
    return Told(system.home(table), table, f"version {before}", f"version {after}", found)


def between_models(system: MLSystem, stores: Resources, before: int, after: int) -> Iterator[Told]:
    """Yield what differs in each table that two models learned from: in its version, by what was known as of each.

    Raises LookupError for a model, or a training set, that is not on record.
    """
    models = [_model(system, stores, version) for version in (before, after)]
    versions = [_table_versions(system, stores, model) for model in models]
    for table, moment in KNOWN_BY.items():
        old, new = (
            _learned_from(system, stores, table, version=found[table], until=(moment, model.as_of))
            for model, found in zip(models, versions, strict=True)
        )
        said = [
            f"version {found[table]} as of {model.as_of:%Y-%m-%d %H:%M} (model {model.version})"
            for model, found in zip(models, versions, strict=True)
        ]
        yield Told(system.home(table), table, said[0], said[1], difference(old, new, key=_key(system, table, old, new)))


def key_of(system: MLSystem, table: str, schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns that name a row of a table: its source's, or the request's and who said so."""
    for source in system.sources:
        if source.name == table:
            return (*source.key, KNOWN_AT) if source.corrections else source.key
    entity = system.requests.key
    return tuple(name for name in (MODEL, entity) if name in schema.names) if entity in schema.names else ()


def _key(system: MLSystem, table: str, old: pa.Table, new: pa.Table) -> tuple[str, ...]:
    return key_of(system, table, pa.schema([f for f in old.schema if f.name in new.column_names]))


def _model(system: MLSystem, stores: Resources, version: int) -> ModelVersion:
    found = stores.operations.model(system.name, version)
    if found is None:
        there = ", ".join(str(model.version) for model in stores.operations.models(system.name)) or "none yet"
        raise LookupError(f"{system.name} has no model version {version}; on record: {there}")
    return found


def _table_versions(system: MLSystem, stores: Resources, model: ModelVersion) -> Mapping[str, int]:
    found = stores.operations.decisions(system.name, TRAINING_SET, since=model.as_of, until=model.as_of)
    if not found:
        raise LookupError(
            f"{system.name} has no training set as of {model.as_of:%Y-%m-%d %H:%M} on record, from which model version "
            f"{model.version} would have learned; compare the tables' versions themselves"
        )
    versions: Mapping[str, int] = found[0].context["versions"]
    return versions


def _learned_from(
    system: MLSystem, stores: Resources, table: str, *, version: int, until: tuple[str, datetime]
) -> pa.Table:
    lake, home, (moment, as_of) = stores.lake, system.home(table), until
    own = lake.schema(home, table, version=version).names
    chosen = own if table != FEATURES or system.selected is None else system.selected
    window = (moment, system.calendar.start, as_of)
    return lake.read(home, table, columns=[*chosen, TICK], window=window, version=version)


def _row(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_said(value)}" for name, value in values.items() if name != TICK)


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")
    return "null" if value is None else repr(value) if isinstance(value, float | str) else str(value)


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    """Return a value as JSON holds it: of what it does not, the text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def command(options: argparse.Namespace) -> int:
    """Tell what differs; 0 also where something does."""
    most = None if options.all else options.limit
    if most is not None and most < 0:
        raise ValueError(f"--limit is {most}; give a whole number from 0 on, or --all")
    told = list(_asked(options.of))
    if options.json:
        print(json.dumps([each.values(most) for each in told], allow_nan=False))
    else:
        print("\n".join(line for each in told for line in each.lines(most)))
    return 0


def _asked(of: list[str]) -> Iterable[Told]:
    workspace = asked_workspace()
    if len(of) == 2 and all("@" in each for each in of):  # noqa: PLR2004 - two models
        (one, before), (other, after) = (each.rsplit("@", 1) for each in of)
        if one != other:
            raise ValueError(f"{one} and {other} are two systems, which learn from other tables; {USAGE}")
        return between_models(workspace.system(one), workspace.stores, _number(before), _number(after))
    if len(of) != 4:  # noqa: PLR2004 - a system, a table, and two versions
        raise ValueError(f"{' '.join(of)!r} does not say what to compare; {USAGE}")
    name, table, before, after = of
    return [between_versions(workspace.system(name), workspace.stores, table, _number(before), _number(after))]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no version; a version is a whole number from 0 on, as `mlsys diff` is told it")
    return int(text)
