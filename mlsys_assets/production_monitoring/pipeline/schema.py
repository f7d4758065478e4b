"""Columns that came, went, got another name, type or place, or each other's content."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.sides import (
    LEAST_NUMBERS,
    Sides,
    is_text,
    ks_distance,
    numbers,
    quantiles,
)

TEST: Final = "schema"
ALIKE: Final = 0.8
"""From here on, from 0 to 1, two columns' contents are equal: 1 − Kolmogorov's distance of numbers, the common share of
categories. Two windows of one column are."""
CLEARLY: Final = 0.1
"""By how much a column must be more alike than the next best, to be called renamed."""
UNLIKE: Final = 0.1
"""Up to here two windows of one column are so unlike that another's content stands in it."""
CROSSED: Final = 0.5
"""From here on the other column's content is: a season may have come along."""
LEVELS: Final = np.array([0.1, 0.5, 0.9])
"""Quantiles by which columns are sorted out whose content cannot have moved."""
REORDERED = "reordered"


def schema_changes(before: pa.Table, now: pa.Table) -> Examined:
    """Return what changed in the columns of a table: what is read by name is safe from a mere change of order.

    Each symptom's measure ``blocks`` says whether the columns that were there can still be read as they were.
    """
    was, here = before.column_names, now.column_names
    gone = [name for name in was if name not in set(here)]
    new = [name for name in here if name not in set(was)]
    renamed = dict(_renamed(before.select(gone), now.select(new)))
    found = [
        _symptom("renamed", here, f"{here} is called {there} now: their contents are {alike:.0%} alike", blocks=True)
        for here, (there, alike) in renamed.items()
    ]
    found += [_symptom("gone", name, f"{name} is gone", blocks=True) for name in gone if name not in renamed]
    taken = {there for there, _ in renamed.values()}
    found += [_symptom("new", name, f"{name} is new", blocks=False) for name in new if name not in taken]
    return Examined((*found, *_retyped(before, now), *_moved(before, now)))


def swapped(sides: Sequence[Sides]) -> tuple[Symptom, ...]:
    """Return pairs of number columns each of which holds what the other one held."""
    far = [one for one in sides if one.told and _may_have_moved(one)]
    far = [one for one in far if 1 - ks_distance(one.rising_before, one.rising_now) <= UNLIKE]
    pairs = [(a, b) for i, a in enumerate(far) for b in far[i + 1 :] if _crossed(a, b)]
    return tuple(
        _symptom("swapped", f"{a.name}, {b.name}", f"{a.name} holds what {b.name} held, and the reverse", blocks=True)
        for a, b in pairs
    )


def _symptom(what: str, where: str, told: str, *, blocks: bool) -> Symptom:
    return Symptom(Cause.SCHEMA, TEST, where, told, 1.0, 0.0, {"change": what, "blocks": blocks})


def _retyped(before: pa.Table, now: pa.Table) -> Iterator[Symptom]:
    types = {field.name: _plain(field.type) for field in before.schema}
    for field in now.schema:
        name, kind = field.name, _plain(field.type)
        was = types.get(name, kind)
        if was == kind or pa.types.is_null(was) or pa.types.is_null(kind):  # nothing there: a matter of missing values
            continue
        safe = is_number(was) and is_number(kind)
        yield _symptom("type", name, f"{name} is of type {kind}, and was {was}", blocks=not safe)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if is_text(kind) else kind


def _moved(before: pa.Table, now: pa.Table) -> Iterator[Symptom]:
    both = set(before.column_names) & set(now.column_names)
    was, order = ([name for name in table.column_names if name in both] for table in (before, now))
    places = [(a, b) for a, b in zip(was, order, strict=False) if a != b]
    if places:
        first = f"{places[0][1]} stands where {places[0][0]} stood"
        told = f"{len(places)} columns stand in another place: {first}; what is read by name is the same"
        yield _symptom(REORDERED, places[0][1], told, blocks=False)


def _renamed(gone: pa.Table, new: pa.Table) -> Iterator[tuple[str, tuple[str, float]]]:
    """Yield columns that went with the one that came in their stead, and how alike they are: each the other's best."""
    if not gone.num_columns or not new.num_columns:
        return
    alike = np.array([[_likeness(gone[a], new[b]) for b in new.column_names] for a in gone.column_names])
    for i, name in enumerate(gone.column_names):
        j = int(np.argmax(alike[i]))
        others = np.concatenate([np.delete(alike[i], j), np.delete(alike[:, j], i)])
        if alike[i, j] >= ALIKE and (others <= alike[i, j] - CLEARLY).all():
            yield name, (new.column_names[j], float(alike[i, j]))


def _likeness(first: pa.ChunkedArray, second: pa.ChunkedArray) -> float:
    if is_number(first.type) and is_number(second.type):
        a, b = (np.sort(side[np.isfinite(side)]) for side in map(numbers, (first, second)))
        return 1 - ks_distance(a, b) if min(len(a), len(b)) >= LEAST_NUMBERS else 0.0
    if is_text(first.type) and is_text(second.type):
        was, here = (_shares(side) for side in (first, second))
        return sum(min(share, here.get(value, 0.0)) for value, share in was.items())
    return 0.0


def _shares(column: pa.ChunkedArray) -> dict[str, float]:
    there = pc.drop_null(column.cast(pa.string()))
    if len(there) < LEAST_NUMBERS:
        return {}
    counted = pc.value_counts(there)
    shares = (counted.field("counts").to_numpy() / len(there)).tolist()
    return dict(zip(counted.field("values").to_pylist(), shares, strict=True))


def _may_have_moved(one: Sides) -> bool:
    """Whether a middle half of now lies beyond one of before: else the two are alike enough."""
    before, now = (quantiles(side, LEVELS) for side in (one.rising_before, one.rising_now))
    return bool(now[1] < before[0] or now[1] > before[2] or before[1] < now[0] or before[1] > now[2])


def _crossed(a: Sides, b: Sides) -> bool:
    pairs = ((a.rising_before, b.rising_now), (b.rising_before, a.rising_now))
    return all(1 - ks_distance(was, here) >= CROSSED for was, here in pairs)
