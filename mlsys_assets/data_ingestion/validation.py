"""From raw text to typed rows: each record is accepted or quarantined, with the rule it broke."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.accounting import Ingested, Ticks, findings, refuse_if_too_many
from mlsys_assets.data_ingestion.batch import Batch, read_batch
from mlsys_assets.data_ingestion.erased import NOTHING, Erased, is_erased
from mlsys_assets.data_ingestion.filing import (
    OUTSIDE_CALENDAR,
    Micros,
    filed,
    inside,
    micros,
    span,
    tick_numbers,
)
from mlsys_assets.data_ingestion.keys import check_keys
from mlsys_assets.data_ingestion.quarantine import FILED_AT, QUARANTINE, Rejections
from mlsys_assets.data_ingestion.row_checks import check_column, check_references, check_rules, check_times
from mlsys_assets.data_ingestion.source import DELIVERED_AT, READERS_OWN, Source
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.tables import KNOWN_AT, TIMESTAMP
from mlsys_assets.types import Calendar, TimeWindow


def ingest(  # noqa: PLR0913 - what was read, and all that it is held against
    source: Source,
    raw: pa.Table,
    *,
    window: TimeWindow,
    calendar: Calendar | None = None,
    known: Mapping[str, pa.Table] | None = None,
    standing: pa.Table | None = None,
    erased: Erased = NOTHING,
) -> Ingested:
    """Return the rows of ``source`` that are filed in ``window``: those that became known then, and the broken ones.

    Over all ticks of a calendar every raw record of the source's kind is filed once, however the
    ticks are grouped into windows.

    Parameters
    ----------
    source
        The declaration.
    raw
        What its reader gave for `reach` of the window: text columns and the reader's own.
    window
        The ticks to file; every row of a snapshot is kept.
    calendar
        Divides the window into ticks; without one, the window is a tick of its own.
    known
        The tables that its references point to, by source name.
    standing
        The keys of the source's rows that became known before the window.
    erased
        What was erased: its records are counted, and go nowhere.

    Raises
    ------
    DeclarationError
        If the declaration itself has mistakes.
    SourceChanged
        If a declared column is missing, or a tick has more broken rows than the source allows.
    """
    source.require_sound()
    _require_columns(source, raw)
    batch = read_batch(source, raw)
    delivered = _delivered(source, raw)
    when = _file(source, batch, delivered[batch.numbers], calendar)
    here = np.ones(len(when), dtype=bool) if source.snapshot else inside(when, window)
    others = {"other_kinds": raw.num_rows - len(here), "other_ticks": int((~here).sum())}
    gone = here & is_erased(source, raw, batch, erased)
    kept = here & ~gone
    batch, when = batch.take(kept), when[kept]
    _check_rows(source, batch, known or {}, standing)
    ticks = _ticks(source, batch, when, delivered, window=window, calendar=calendar)
    refuse_if_too_many(source, batch.rejections, ticks)
    found = _settled(source, raw, batch, when, ticks)
    found = replace(found, read=found.read + int(gone.sum()), erased=int(gone.sum()))
    return replace(found, findings=tuple(findings(source, raw, found, batch.rejections, ticks=ticks, others=others)))


def _require_columns(source: Source, raw: pa.Table) -> None:
    missing = [c.name for c in source.raw if c.name not in raw.schema.names]
    if missing:
        there = [n for n in raw.schema.names if n not in READERS_OWN]
        raise SourceChanged(
            f"source {source.name!r}: column(s) {', '.join(missing)} missing from the raw records, which have "
            f"{', '.join(there)}; nothing was written. Mend the delivery, or declare the new shape."
        )
    absent = [n for n in READERS_OWN if n not in raw.schema.names and not (source.snapshot and n == DELIVERED_AT)]
    if absent or (not source.snapshot and raw.column(DELIVERED_AT).null_count):
        raise ValueError(
            f"source {source.name!r}: its reader must give every record {', '.join(READERS_OWN)}; "
            f"missing: {', '.join(absent) or f'{DELIVERED_AT} of some records'}"
        )


def _delivered(source: Source, raw: pa.Table) -> Micros:
    """When each raw record was delivered; a snapshot's came all at once, which needs no date."""
    return np.zeros(raw.num_rows, dtype=np.int64) if source.snapshot else micros(raw.column(DELIVERED_AT))


def _file(source: Source, batch: Batch, delivered: Micros, calendar: Calendar | None) -> Micros:
    own = Rejections(batch.rows.num_rows)
    check_times(batch.rows, own)
    when = delivered
    if not source.snapshot:
        when = filed(source, batch.rows, own, delivered=delivered, positions=batch.positions, calendar=calendar)
    batch.rejections.absorb(own, batch.positions)
    return when


def _check_rows(source: Source, batch: Batch, known: Mapping[str, pa.Table], standing: pa.Table | None) -> None:
    rows, own = batch.rows, Rejections(batch.rows.num_rows)
    check_references(source, rows, own, known)
    for column in source.columns:
        check_column(column, rows.column(column.name), rows.column(column.name), own)
    check_rules(source, rows, own)
    check_keys(source, rows, own, standing)
    batch.rejections.absorb(own, batch.positions)


def _ticks(
    source: Source,
    batch: Batch,
    when: Micros,
    delivered: Micros,
    *,
    window: TimeWindow,
    calendar: Calendar | None,
) -> Ticks:
    if source.snapshot:
        every = np.ones(len(when), dtype=bool)
        return Ticks((window,), np.zeros(len(when), dtype=np.int64), every, np.array([len(delivered)]))
    windows = (window,) if calendar is None else calendar.ticks(window)
    counted = inside(delivered[batch.numbers], span(calendar)) & ~batch.rejections.of_rule(OUTSIDE_CALENDAR)
    arrived = tick_numbers(delivered[inside(delivered, window)], window, calendar)
    return Ticks(windows, tick_numbers(when, window, calendar), counted, np.bincount(arrived, minlength=len(windows)))


def _settled(source: Source, raw: pa.Table, batch: Batch, when: Micros, ticks: Ticks) -> Ingested:
    broken = batch.rejections.mask
    sound = (~broken)[batch.positions]
    accepted = (batch.rows if sound.all() else batch.rows.filter(pa.array(sound))).cast(source.schema)
    if not source.snapshot:  # the order of delivery says nothing, and would decide how floats are summed
        accepted = accepted.sort_by([(KNOWN_AT, "ascending"), *((name, "ascending") for name in source.key)])
    quarantined = QUARANTINE.empty_table()
    if broken.any():
        moments = pa.array(when[broken]).cast(pa.timestamp("us")).cast(TIMESTAMP)
        records = raw.take(pa.array(batch.numbers[broken]))
        filed_at = pa.nulls(len(moments), TIMESTAMP) if source.snapshot else moments
        quarantined = batch.rejections.table(records.append_column(FILED_AT, filed_at))
    return Ingested(accepted, quarantined, len(when), ticks.empty(~broken))
