"""All tests of a table for what a shift of the world does not do: bugs of schema and pipeline."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

import pyarrow as pa

from mlsys_assets.mistakes import none_of, not_all, not_one
from mlsys_assets.production_monitoring.diagnosis import Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined, every
from mlsys_assets.production_monitoring.pipeline.hours import shifted_hours
from mlsys_assets.production_monitoring.pipeline.repeats import repeated_rows
from mlsys_assets.production_monitoring.pipeline.schema import schema_changes, swapped
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_ROWS, Sides, number_sides, presence_sides
from mlsys_assets.production_monitoring.pipeline.spelling import category_bugs
from mlsys_assets.production_monitoring.pipeline.units import sign_flip, unit_change
from mlsys_assets.production_monitoring.pipeline.values import gone_constant, missing_storm, spike

PIPELINE: Final = "pipeline"


@dataclass(frozen=True)
class PipelineTests:
    """What a table is looked at for, beyond what its columns say by themselves.

    Parameters
    ----------
    hour_columns
        Timestamps and hours of the day that a zone bug would move.
    zone
        Where the day of the timestamps is lived, such as ``ZoneInfo("America/New_York")``.
    may_jump
        Columns that may change their place, their missing values and their constancy at will, such as a counter or a
        flag of a campaign: only their schema is looked at.
    """

    hour_columns: tuple[str, ...] = ()
    zone: tzinfo | None = None
    may_jump: tuple[str, ...] = ()

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration, given the table's columns."""
        found = [] if self.zone is None else not_one("pipeline tests: zone", self.zone, tzinfo)
        for what in ("hour_columns", "may_jump"):
            named = getattr(self, what)
            wrong = not_all(f"pipeline tests: {what}", named, str)
            found += wrong or [m for name in named for m in none_of(f"pipeline tests: {what}", name, columns)]
        return found


def pipeline_bugs(before: pa.Table, now: pa.Table, *, tests: PipelineTests | None = None, seed: int = 0) -> Examined:
    """Return what changed in a table as no shift of the world changes it.

    A column has one symptom: what explains most of it, so that numbers in another unit are not called a spike too.

    Parameters
    ----------
    before
        (n, d) the reference, in order of time as far as that is known: what it does within itself is usual.
    now
        (m, d) the window.
    """
    asked = tests or PipelineTests()
    found = schema_changes(before, now)
    if min(before.num_rows, now.num_rows) < LEAST_ROWS:
        reason = f"{before.num_rows} rows before and {now.num_rows} now; at least {LEAST_ROWS} on both sides tell"
        return Examined.of([found, Examined.nothing(PIPELINE, reason)])
    hours = shifted_hours(before, now, columns=asked.hour_columns, zone=asked.zone)
    left_out = {*asked.may_jump, *(symptom.where for symptom in hours.symptoms)}
    free = [name for name in now.column_names if name not in left_out]
    sides = [one for one in number_sides(before, now) if one.name not in left_out]
    exchanged = swapped(sides)
    apart = {name for symptom in exchanged for name in symptom.where.split(", ")}
    return Examined.of([
        found,
        Examined(exchanged),
        hours,
        Examined(every(_of_column, [one for one in sides if one.name not in apart])),
        Examined(every(missing_storm, [one for one in presence_sides(before, now) if one.name not in left_out])),
        category_bugs(before, now.select(free)),
        repeated_rows(before, now, seed=seed),
    ])  # fmt: skip


def _of_column(sides: object) -> Symptom | None:
    """Return the first thing that is the matter with a number column."""
    if not isinstance(sides, Sides):
        raise TypeError(f"a column's two sides are looked at, got {type(sides).__name__}")
    for test in (missing_storm, gone_constant, unit_change, sign_flip, spike):
        symptom = test(sides)
        if symptom is not None:
            return symptom
    return None
