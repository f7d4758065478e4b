"""The command ``mlsys trace``: everything that stands behind one prediction, read from what is on record."""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.commands.asked import asked_system
from mlsys_assets.data_labeling.label import settled, waiting
from mlsys_assets.ledger import REFIT, TRAINING
from mlsys_assets.models.passport.parts import Generation, part_of
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import (
    BASELINES,
    FEATURES,
    KNOWN_AT,
    LABEL,
    LABELS,
    MODEL,
    MODEL_HASH,
    PREDICT_AT,
    PREDICTIONS,
    SCORE,
    SERVED,
    STATE,
    TICK,
    TIMESTAMP,
)
from mlsys_assets.types import CHAMPION
from mlsys_resources.lake import Lake
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.resources import Resources

HASH_DIGITS = 16
"""Hexadecimal digits of a hash that are told."""
MOST_LIKE = 3
"""So many keys that are like one that is not there are named."""
SEARCHED = 10_000
"""Among so many keys, the last, it is looked for those that are like it."""


@dataclass(frozen=True)
class Trace:
    """What stands behind a prediction.

    Parameters
    ----------
    prediction
        Its row: score, model hash, and as of when.
    served, known
        The features that it was made of, and what the lake says was known then; None where no row is.
    model
        The model's record; None if it is not on record.
    code
        The hash of the source text that made the model, or why it cannot be told.
    label
        What became of it, when that became known, and which state it is in.
    baselines
        What each baseline of the same training said.
    training, decisions
        What was decided as of the model's training, and as of the ends of the tick of the prediction and of the one
        before it.
    """

    system: str
    key: str
    prediction: Mapping[str, Any]
    served: Mapping[str, Any] | None
    known: Mapping[str, Any] | None
    model: ModelVersion | None
    code: str
    label: Mapping[str, Any]
    baselines: Mapping[str, float]
    training: tuple[Decision, ...]
    decisions: tuple[Decision, ...]

    def lines(self) -> Iterator[str]:
        """Yield the trace in words."""
        made, model = self.prediction, self.model
        yield f"{self.system} {self.key}: {made[SCORE]:.6g}, predicted as of {made[PREDICT_AT]:%Y-%m-%d %H:%M}"
        if model is None:
            yield f"  model      {made[MODEL_HASH][:HASH_DIGITS]}: not on record"
        else:
            yield f"  model      version {model.version}, {model.name}, {made[MODEL_HASH][:HASH_DIGITS]}"
            yield f"  trained    as of {model.as_of:%Y-%m-%d %H:%M}, MLflow run {model.run_id}"
        yield f"  code       {self.code[:HASH_DIGITS] if model is not None and ' ' not in self.code else self.code}"
        yield f"  label      {self._label()}"
        for name, score in sorted(self.baselines.items()):
            yield f"  baseline   {name}: {score:.6g}"
        for decision in (*self.training, *self.decisions):
            told = f"{decision.as_of:%Y-%m-%d %H:%M}  {decision.kind} {decision.name}: {decision.verdict}"
            yield f"  decision   {told}"
        yield from self._features()

    def _label(self) -> str:
        at = self.label[KNOWN_AT]
        value = "" if self.label[LABEL] is None else f" {self.label[LABEL]:g}"
        return f"{self.label[STATE]}{value}" + (f", known at {at:%Y-%m-%d %H:%M}" if at is not None else "")

    def _features(self) -> Iterator[str]:
        if self.served is None:
            yield "  features   what was served is not on record"
        names = dict.fromkeys([*(self.served or {}), *(self.known or {})])
        for name in names:
            served, known = (self.served or {}).get(name), (self.known or {}).get(name)
            unlike = self.served is not None and self.known is not None and not _same(served, known)
            yield f"  feature    {name} = {served if self.served is not None else known}" + (
                f", and {known} was known" if unlike else ""
            )

    def values(self) -> dict[str, Any]:
        """Return the trace as JSON holds it."""
        model = self.model
        return {
            "system": self.system,
            "key": self.key,
            "prediction": _json(self.prediction),
            "model": None if model is None else {
                "version": model.version, "name": model.name, "content_hash": model.content_hash,
                "run_id": model.run_id, "as_of": model.as_of.isoformat(), "code": self.code,
            },
            "label": _json(self.label),
            "baselines": dict(self.baselines),
            "served": None if self.served is None else _json(self.served),
            "known": None if self.known is None else _json(self.known),
            "training": [_decision(one) for one in self.training],
            "decisions": [_decision(one) for one in self.decisions],
        }  # fmt: skip


def trace(system: MLSystem, stores: Resources, key: str) -> list[Trace]:
    """Return what stands behind each prediction of a key: one, unless a request was asked for again.

    Raises LookupError, that says what there is, for a key that nobody predicted.
    """
    lake = stores.lake
    if not lake.has(system.name, PREDICTIONS):
        raise LookupError(f"{system.name} has predicted nothing yet: `mlsys run {system.name}` lives on")
    made = _of(lake, (system.name, PREDICTIONS), (system.requests.key, key))
    if not made:
        raise LookupError(_not_there(system, lake, key))
    return [_behind(system, stores, key, one) for one in made]


def _behind(system: MLSystem, stores: Resources, key: str, made: Mapping[str, Any]) -> Trace:
    lake, name, named = stores.lake, system.name, (system.requests.key, key)
    tick = system.calendar.tick_of(made[PREDICT_AT])
    served, known = (
        _first(_of(lake, table, named, ticks=[tick.start]), made[PREDICT_AT])
        for table in ((name, SERVED), (system.home(FEATURES), FEATURES))
    )
    model, decisions = _model(stores, name, made), stores.operations.decisions(name, since=tick.start, until=tick.end)
    beside = _of(lake, (name, BASELINES), named, ticks=[tick.start])
    return Trace(
        name,
        key,
        {column: made[column] for column in (PREDICT_AT, SCORE, MODEL_HASH)},
        served,
        known,
        model,
        "not on record" if model is None else _code(stores, model),
        _label(system, lake, named, made[PREDICT_AT]),
        {row[MODEL]: row[SCORE] for row in beside if row[PREDICT_AT] == made[PREDICT_AT]},
        () if model is None else _training(stores, model),
        tuple(one for one in decisions if one.kind not in TRAINING),
    )


def _of(
    lake: Lake, table: tuple[str, str], named: tuple[str, str], *, ticks: Sequence[datetime] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a key; none of a table that is not there."""
    if not lake.has(*table):
        return []
    (column, key), where = named, ticks
    if where is None:  # the key's column alone is read of all ticks, and all columns of those that it is in
        keys = lake.read(*table, columns=[TICK, column])
        where = keys.filter(pc.equal(keys[column], key))[TICK].unique().to_pylist()
    if not where:
        return []
    rows = lake.read(*table, ticks=where)
    found: list[dict[str, Any]] = rows.filter(pc.equal(rows[column], key)).to_pylist()
    return found


def _first(rows: Sequence[dict[str, Any]], at: datetime) -> dict[str, Any] | None:
    return next((row for row in rows if row[PREDICT_AT] == at), None)


def _model(stores: Resources, system: str, made: Mapping[str, Any]) -> ModelVersion | None:
    """Return the model of the prediction's hash: of several of one content, the one that was champion."""
    same = [m for m in stores.operations.models(system) if m.content_hash == made[MODEL_HASH]]
    champion = stores.operations.alias_at(system, CHAMPION, made[PREDICT_AT])
    return next((m for m in same if champion is not None and m.version == champion.version), same[-1] if same else None)


def _code(stores: Resources, model: ModelVersion) -> str:
    """Return the hash of the code that made a model, from its passport, which is verified first."""
    if stores.operations.retirement(model.system, model.version) is not None:
        return "the model is retired: rows that it learned from were erased"
    try:
        return part_of(stores.models.load(model.system, model.version).record, Generation).code
    except (RuntimeError, ValueError, LookupError, OSError) as error:
        return f"the model's record cannot be read: {error}"


def _label(system: MLSystem, lake: Lake, named: tuple[str, str], at: datetime) -> dict[str, Any]:
    """Return what is known of what became of it, and of when it was first known."""
    rows = _of(lake, (system.home(LABELS), LABELS), named)
    if rows:
        once = settled(pa.Table.from_pylist(rows), key=named[0], corrections=system.label.corrections)
        return {name: once[name][0].as_py() for name in (LABEL, STATE, KNOWN_AT)}
    last = pc.max(lake.read(system.name, PREDICTIONS, columns=[TICK])[TICK]).as_py()
    asked = pa.chunked_array([pa.array([at], TIMESTAMP)])
    state = waiting(asked, as_of=last + system.calendar.step, window=system.label.window)
    return {LABEL: None, STATE: state[0].as_py(), KNOWN_AT: None}


def _training(stores: Resources, model: ModelVersion) -> tuple[Decision, ...]:
    """Return what was decided in a model's training, if its refit is on the ledger."""
    found = stores.operations.decisions(model.system, since=model.as_of, until=model.as_of)
    ours = any(one.kind == REFIT and one.context.get("version") == model.version for one in found)
    return tuple(one for one in found if one.kind in TRAINING) if ours else ()


def _not_there(system: MLSystem, lake: Lake, key: str) -> str:
    """Say of a key that was not predicted whether it was asked for, and else which keys there are."""
    name, column = system.name, system.requests.key
    asked = _of(lake, (system.home(FEATURES), FEATURES), (column, key))
    if asked:
        at = asked[0][PREDICT_AT]
        return f"{name} did not predict {key!r}, asked for as of {at:%Y-%m-%d %H:%M}: there was no champion then"
    made = lake.read(name, PREDICTIONS, columns=[column, PREDICT_AT])
    if not len(made):
        return f"{name} has no prediction of {key!r}; it has none at all"
    keys = made[column].slice(max(len(made) - SEARCHED, 0)).to_pylist()
    like = get_close_matches(key, keys, n=MOST_LIKE) or keys[-1:]
    first, last = (f(made[PREDICT_AT]).as_py() for f in (pc.min, pc.max))
    span = f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}, such as {', '.join(map(repr, like))}"
    return f"{name} has no prediction of {key!r}; it has {len(made):,} {span}"


def _same(one: object, other: object) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or one == other


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    """Return a value as JSON holds it: of what it does not, the text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _decision(one: Decision) -> dict[str, Any]:
    told = {name: getattr(one, name) for name in ("kind", "name", "verdict", "reason")}
    return {"as_of": one.as_of.isoformat(), **told}


def command(options: argparse.Namespace) -> int:
    """Tell what stands behind a prediction."""
    system, workspace = asked_system(options)
    found = trace(system, workspace.stores, options.key)
    if options.json:
        print(json.dumps([one.values() for one in found], allow_nan=False))
    else:
        print("\n".join(line for one in found for line in one.lines()))
    return 0
